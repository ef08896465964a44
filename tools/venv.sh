# Sourced by demo.sh and test.sh: makes .venv beside the project where it is missing or out of date, and enters it.
# Usage: . tools/venv.sh [extra]

extra=${1:+[$1]}
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    { echo "inrcodec needs Python 3.11 or newer; set PYTHON to one" >&2; exit 1; }
stamp=".venv/installed${1:+-$1}"
wanted=$(cat pyproject.toml constraints.txt | cksum)
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    echo "installing inrcodec$extra into .venv (a few minutes on a new machine)" >&2
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".$extra"
    echo "$wanted" >"$stamp"
fi
PATH="$PWD/.venv/bin:$PATH"
