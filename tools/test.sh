#!/usr/bin/env bash
# Run all checks: style, types, tests. On a fresh machine it makes .venv first. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/venv.sh dev
run "looking for mistakes and style" ruff check .
run "looking at the layout" ruff format --check .
run "checking types" mypy
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 # a core for each process, and a thread for each core
run "running the tests (some minutes)" python -m pytest -q -n auto --dist worksteal "$@"
cat <<'END'

All checks passed. Next:
  bash tools/demo.sh                 encode a photograph and draw it at 1x and 3x
  bash tools/test.sh tests/format    run a part of the tests
END
