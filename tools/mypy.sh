#!/usr/bin/env bash
# mypy --strict over everything. Each distribution's tests are a run of their own: test folders are no packages,
# and two of them may hold a file of one name.
set -euo pipefail
shopt -s nullglob
cd "$(dirname "$0")/.."
mypy=${MYPY:-.venv/bin/mypy}
paths=".:tools:benchmarks:shim/src"
for src in plugins/*/src; do paths+=":$src"; done
failed=0
check() { echo "mypy $*"; MYPYPATH="$base$paths" "$mypy" --no-error-summary "$@" || failed=1; }
base="" check conman_kernel shim/src plugins/*/src
# The second shim is a program: its parts find each other in their own folder.
base="tests/integration/sessions/tiny_shim:" check tests tools benchmarks conftest.py
for folder in shim plugins/*; do
    if compgen -G "$folder/tests/*.py" >/dev/null; then base="$folder:" check "$folder"/tests; fi
done
for folder in examples/*; do
    base="$folder/src:$folder:" check "$folder"{/src,}/[a-z]*_*/ ; base="$folder/src:$folder:" check "$folder"/tests
done
exit "$failed"
