# Sourced by demo.sh and test.sh: says what fails, makes .venv beside the project where it is missing or out of date, and
# enters it. Usage: . tools/venv.sh [extra]

step="looking for Python"
failed() {
    code=$?
    [ "$code" -eq 130 ] && { printf '\nstopped while %s\n' "$step" >&2; exit 130; }
    printf '\nfailed while %s (exit code %s). To see it by itself:\n  %s\n' "$step" "$code" "$command" >&2
    exit "$code"
}
trap failed ERR
trap 'printf "\nstopped while %s\n" "$step" >&2; exit 130' INT

# Usage: run WHAT COMMAND..: say what is being done and how, and do it.
run() {
    step=$1 command=${*:2}
    printf '\n== %s\n$ %s\n' "$step" "$command" >&2
    "${@:2}"
}

extra=${1:+[$1]}
python=${PYTHON:-python3}
command="$python --version"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    { echo "inrcodec needs Python 3.11 or newer; set PYTHON to one" >&2; exit 1; }
stamp=".venv/installed${1:+-$1}"
wanted=$(cat pyproject.toml constraints.txt | cksum)
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    [ -x .venv/bin/python ] || run "making .venv" "$python" -m venv .venv
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1
    run "installing inrcodec$extra into .venv (a few minutes, and most of them torch, on a new machine)" \
        .venv/bin/python -m pip install --progress-bar on -c constraints.txt -e ".$extra"
    echo "$wanted" >"$stamp"
fi
PATH="$PWD/.venv/bin:$PATH"
