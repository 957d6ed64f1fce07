#!/usr/bin/env bash
# Runs CPython's own tests of asyncio on our event loop, inside the BEAM, and ends with a line that
# counts them. The arguments are names in `test.test_asyncio`, such as test_streams; none is all.
#
#   ERLANG_PYTHON=3.12 scripts/test_asyncio.sh test_ssl
set -euo pipefail
export MIX_ENV=test
# shellcheck source=scripts/python.sh
. "$(dirname "$0")/python.sh"

# A test that hangs ends the run by itself. This is for a BEAM that does not end.
limit=()
if command -v timeout >/dev/null; then
  limit=(timeout --verbose --kill-after=20s "${SUITE_LIMIT:-20m}")
fi

# Pythons come without their tests in some packages, Debian's among them.
if ! "$PY_EXECUTABLE" -c 'import test.test_asyncio' 2>/dev/null; then
  echo "Python $PY_VERSION ($PY_EXECUTABLE) has no test.test_asyncio: nothing to run"
  exit
fi

${limit[@]+"${limit[@]}"} mix run test/asyncio/conformance.exs "$@"
