#!/usr/bin/env bash
# Runs ExUnit, cargo test and pytest for one Python, all of them even when one fails, and ends
# with the closing lines of each. EXUNIT holds further arguments for `mix test`, SUITE_LIMIT the
# time after which a suite that hangs is stopped (such as 10m). With TRIES=2, tests that fail are
# run a second time, which the closing lines tell.
set -uo pipefail
export MIX_ENV=test
# shellcheck source=scripts/python.sh
. "$(dirname "$0")/python.sh"

logs=_build/logs/$PY_TAG
mkdir -p "$logs"
failed=()

# The runners write into a pipe here, and would do without colours on a terminal too.
mix_colour=() pytest_colour=()
if [ -t 1 ]; then
  mix_colour=(--color)
  pytest_colour=(--color=yes)
  export CARGO_TERM_COLOR=always
fi

suite() {
  local name=$1
  shift
  echo
  echo "== $name, Python $PY_VERSION ($PY_TAG)"
  "$@" 2>&1 | tee "$logs/$name.log" || failed+=("$name")
}

limited() {
  if [ -n "${SUITE_LIMIT:-}" ] && command -v timeout >/dev/null; then
    timeout --verbose --kill-after=20s "$SUITE_LIMIT" "$@"
  else
    "$@"
  fi
}

# What waits for threads of several interpreters may take longer than any reasonable limit when a
# shared machine stands still.
#
# twice STATUS SUITE ARGUMENT: runs the suite again, with the argument, if it ends with the status
# that says that tests have failed and nothing else. A crash is not given a second try.
twice() {
  "$2"
  local status=$?
  if [ "$status" -ne "$1" ] || [ "${TRIES:-1}" -lt 2 ]; then return "$status"; fi
  echo
  echo "$again"
  "$2" "$3"
}

again="== what has failed, for the second time"

# shellcheck disable=SC2086
mix_test() { limited mix test ${mix_colour[@]+"${mix_colour[@]}"} ${EXUNIT:-} "$@"; }

# The other crates are NIFs: outside the BEAM there is nothing to link them to.
cargo_test() { (cd native && limited cargo test -p py_host "$@"); }

python_test() {
  local venv
  venv=$(scripts/tools.sh "$PY_EXECUTABLE" "$PY_TAG" test) || return
  (cd python && limited "$venv/bin/python" -m pytest ${pytest_colour[@]+"${pytest_colour[@]}"} "$@")
}

suite exunit twice 2 mix_test --failed
suite cargo twice 101 cargo_test --no-fail-fast
suite pytest twice 1 python_test --last-failed

# closing SUITE PATTERN COMMAND...: what the command makes of the lines that match.
closing() {
  sed $'s/\x1b\\[[0-9;]*m//g' "$logs/$1.log" | grep -E "$2" | "${@:3}" | grep . || echo "no result"
}

# One result line per test program: "test result: ok. 12 passed; 0 failed; 1 ignored; ...".
# shellcheck disable=SC2016
total='function show() { printf "%d passed, %d failed, %d ignored", passed, failed, ignored }
  /^==/ { show(); printf ";"; passed = failed = ignored = 0; next }
  { passed += $4; failed += $6; ignored += $8 }
  END { if (NR) show() }'

# The tests begin by saying which modes they run in.
modes=$(closing exunit '^Python .*, modes? ' sed -E 's/.*, modes? //' | tr -d : | sort -u | xargs)
beam=$(elixir -e 'IO.write("Elixir #{System.version()}, OTP #{System.otp_release()}")')

echo
echo "== Python $PY_VERSION ($PY_TAG); $beam; $modes"
echo "ExUnit      $(closing exunit '^([0-9]+ (doctest|propert|test)|.*[0-9]+ failure)' paste -s -d ';')"
echo "cargo test  $(closing cargo "^(test result:|$again)" awk "$total")"
echo "pytest      $(closing pytest '^=+ .*(passed|failed|error).* in ' sed -E 's/^=+ | =+$//g' | paste -s -d ';')"

if [ "${#failed[@]}" -gt 0 ]; then
  echo "FAILED: ${failed[*]} (the output is in $logs)"
  exit 1
fi
