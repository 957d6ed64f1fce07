#!/usr/bin/env bash
# Checks formatting, lints and types in every language; runs every check even when one fails.
set -uo pipefail
export MIX_ENV=test
# shellcheck source=scripts/python.sh
. "$(dirname "$0")/python.sh"

venv=$(scripts/tools.sh "$PY_EXECUTABLE" "$PY_TAG" lint) || exit 1
failed=()

check() {
  local name=$1
  shift
  echo "== $name"
  "$@" || failed+=("$name")
}

in_native() { (cd native && "$@"); }
in_python() { (cd python && "$@"); }

# The whole project, Python files in examples/ and test/ included, by one configuration.
ruff() { "$venv/bin/ruff" "$@" --quiet --config python/pyproject.toml .; }

check "mix format" mix format --check-formatted
check "mix compile" mix compile --force --warnings-as-errors
check "cargo fmt" in_native cargo fmt --all --check
check "cargo clippy" in_native cargo clippy --quiet --workspace --all-targets -- -D warnings
check "ruff check" ruff check
check "ruff format" ruff format --check
check "mypy" in_python "$venv/bin/mypy"

# Only contributors who change a script need this one, so it is not installed for everybody.
if command -v shellcheck >/dev/null 2>&1; then
  check "shellcheck" shellcheck .ci/run scripts/*.sh
fi

echo
if [ "${#failed[@]}" -gt 0 ]; then
  echo "FAILED: $(printf '%s, ' "${failed[@]}" | sed 's/, $//')"
  exit 1
fi
echo "Nothing to complain about."
