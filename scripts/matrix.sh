#!/usr/bin/env bash
# Imports well-known C extensions in every mode of every Python found, and writes what came of it
# into the guide. Wheels only: what has none for a Python is not compiled.
#
#   PYTHONS="3.12 trixie:3.14" scripts/matrix.sh    only these; the others keep their last results
set -uo pipefail
export MIX_ENV=test
cd "$(dirname "$0")/.." || exit 1

# one PYTHON: its results go to _build/matrix. Trixie has a _build of its own.
one() {
  local venv
  export ERLANG_PYTHON=$1
  # shellcheck source=scripts/python.sh
  . scripts/python.sh
  venv=$(scripts/tools.sh "$PY_EXECUTABLE" "$PY_TAG" matrix) || return
  ERLANG_PYTHON=$venv/bin/python mix run scripts/matrix.exs probe
}

if [ "${1:-}" = --one ]; then
  one "$2"
  exit
fi

for python in ${PYTHONS:-3.9 3.10 3.11 3.12 3.13 3.13t 3.14 trixie:3.14}; do
  echo "== $python"
  case $python in
    trixie:*) scripts/in_trixie.sh "$0" --one "${python#trixie:}" ;;
    *) "$0" --one "$python" ;;
  esac || echo "$python: not there"
done

mix run --no-start scripts/matrix.exs table guides/contexts-and-modes.md
