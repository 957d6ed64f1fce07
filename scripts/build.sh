#!/usr/bin/env bash
# Builds what the whole suite needs for one Python, without running any of it.
set -euo pipefail
export MIX_ENV=test
# shellcheck source=scripts/python.sh
. "$(dirname "$0")/python.sh"

(cd native && cargo test --quiet --no-run -p py_host)
scripts/tools.sh "$PY_EXECUTABLE" "$PY_TAG" test >/dev/null
