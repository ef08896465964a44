# Sourced by demo.sh and test.sh: makes .venv beside the project where it is missing or out of date, and enters it.
# Usage: . tools/venv.sh EXTRA, which may be ''. It also brings `run`, and says what has failed.
# PYTHON is the Python to make it with; CONSTRAINTS a file of versions, /dev/null for the newest of everything.

# Usage: run WHAT COMMAND..: say what is being done and by which command, and do it.
run() {
    step=$1 command=$(printf ' %q' "${@:2}")
    command=${command# install}
    printf '\n== %s\n$ %s\n' "$step" "${command# }" >&2
    "${@:2}"
}

failed() {
    code=$?
    if [ "$code" -eq 130 ]; then
        printf '\nstopped while %s\n' "${step%% (*}" >&2
    else
        printf '\nfailed while %s, with exit code %s. To see it again:\n  PATH=.venv/bin:$PATH;%s\n' "${step%% (*}" "$code" "$command" >&2
    fi
    exit "$code"
}
set -E
trap failed ERR

# Only what is being fetched and built, and errors.
install() {
    { trap - ERR; "$@" 2>&1 >&3 | { grep -v -e '^ *WARNING' -e '^ *Consider adding' || true; } >&2; } 3>&1 |
        { grep --line-buffered -E '^(Collecting|Processing|Building wheels|Installing collected|Success)' || true; }
}

extra=${1:+[$1]}
python=${PYTHON:-python3} constraints=${CONSTRAINTS:-constraints.txt}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    { echo "inrcodec needs Python 3.11 or newer; set PYTHON to one" >&2; exit 1; }
stamp=".venv/installed${1:+-$1}"
wanted=$(cat pyproject.toml "$constraints" | cksum)
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    [ -f .venv/pyvenv.cfg ] || run "making .venv" "$python" -m venv .venv
    run "installing inrcodec$extra into .venv (a few minutes on a new machine)" install \
        .venv/bin/python -m pip --require-virtualenv --disable-pip-version-check install \
        -U --upgrade-strategy eager -c "$constraints" -e ".$extra"
    echo "$wanted" >"$stamp"
fi
PATH="$PWD/.venv/bin:$PATH"
