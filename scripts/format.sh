#!/usr/bin/env bash
# Formats the sources in every language.
set -euo pipefail
export MIX_ENV=test
# shellcheck source=scripts/python.sh
. "$(dirname "$0")/python.sh"

venv=$(scripts/tools.sh "$PY_EXECUTABLE" "$PY_TAG" lint)
mix format
(cd native && cargo fmt --all)
"$venv/bin/ruff" check --fix --quiet --config python/pyproject.toml . || true
"$venv/bin/ruff" format --quiet --config python/pyproject.toml .
