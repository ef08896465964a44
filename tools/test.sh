#!/usr/bin/env bash
# Run all checks: style, types, tests. On a fresh machine it makes .venv first. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/venv.sh dev
run "looking for mistakes and style" ruff check .
run "looking at the layout" ruff format --check .
run "checking types" mypy
run "running the tests (some minutes)" python -m pytest -q "$@"
cat <<'END'

All checks passed. Next:
  bash tools/demo.sh                 encode a photograph and draw it at 1x and 3x
  bash tools/test.sh -k bitstream    run a part of the tests
END
