#!/usr/bin/env bash
# Runs the whole suite for every supported Python: on this machine's Elixir, and on the newer one
# of the Debian trixie that `make pythons` makes; then CPython's own tests of asyncio. Ends with a
# line for each; all that they print is in _build/test_all.
#
#   PYTHONS="3.9 trixie:3.14" scripts/test_all.sh    only these
set -uo pipefail
export MIX_ENV=test
cd "$(dirname "$0")/.." || exit 1

wanted=${PYTHONS:-3.9 3.10 3.11 3.12 3.13 3.13t 3.14 trixie:3.13 trixie:3.14}
export SUITE_LIMIT=${SUITE_LIMIT:-10m}
export TRIES=${TRIES:-2}
logs=_build/test_all
rows=() table=()
status=0

# there PLACE COMMAND...: a place is `here` or `trixie`.
there() {
  if [ "$1" = trixie ]; then scripts/in_trixie.sh "${@:2}"; else "${@:2}"; fi
}

# with ROW COMMAND...: a row is the version of a Python here, or one as in trixie:3.14.
with() {
  local place=here
  case $1 in trixie:*) place=trixie ;; esac
  there "$place" env ERLANG_PYTHON="${1#*:}" "${@:2}"
}

# Elixir compiles once in each place; the many at a time that follow find it done.
prepare() {
  there here mix setup >"$logs/here.setup" 2>&1 &
  case $wanted in *trixie:*) there trixie mix setup >"$logs/trixie.setup" 2>&1 & ;; esac
  wait
}

# Asks the locator without Mix, which would build for that Python before it answers.
find_rows() {
  local row
  for row in $wanted; do
    if with "$row" elixir -pa _build/test/lib/erlang_python/ebin -e "$locate" \
      >"$logs/$row.locate" 2>&1; then rows+=("$row"); fi
  done
}

locate='case Py.Runtime.Locator.locate() do
  {:ok, python} -> IO.puts(python.executable)
  {:error, error} -> IO.puts(error.details) && System.halt(1)
end'

# A version counts as tested when it was in one of the two places.
name_missing() {
  local row
  for row in $wanted; do
    case " ${rows[*]-} " in *" $row "* | *" trixie:$row "*) continue ;; esac
    table+=("$row|not tested: $(head -1 "$logs/$row.locate")")
    if [ "${CI:-}" = true ]; then status=1; fi
  done
}

# Compiling first leaves the machine to the tests while they run, as some of them measure time.
# Two at once, because the last crate of each keeps only one core busy.
build_rows() {
  local row
  for row in ${rows[@]+"${rows[@]}"}; do
    while [ "$(jobs -pr | wc -l)" -ge 2 ]; do sleep 0.2; done
    build_row "$row" &
  done
  wait
}

# What fails here fails again in the suite, where it is reported.
build_row() {
  local result=built
  with "$1" scripts/build.sh >"$logs/$1.build" 2>&1 </dev/null || result="did not build"
  echo "$1: $result ($SECONDS s)"
}

# The lines that close a suite, and the first line of each failure, as they come.
closing_lines='^(== |Finished in|[0-9]+ (doctest|propert|test)|test result:|FAILED|timeout: )|'
closing_lines+='^=+ .*(passed|failed|error).* in |^ +[0-9]+\) |^test .* FAILED|^error'

test_row() {
  local row=$1 log=$logs/$1.log started=$SECONDS result=passed

  echo
  echo "==== $row"
  with "$row" scripts/test.sh </dev/null 2>&1 | tee "$log" | grep --line-buffered -E "$closing_lines"
  if [ "${PIPESTATUS[0]}" -ne 0 ]; then
    result=FAILED
    status=1
  fi
  table+=("$row|$(summary "$log")|$((SECONDS - started)) s|$result")
}

# The versions whose own loop passes CPython's tests in a context: there ours has to pass them, too.
# The context is one in the main interpreter (test/asyncio/conformance.exs says why).
test_asyncio_row() {
  local row=$1 log=$logs/$1.asyncio.log started=$SECONDS result=passed

  echo
  echo "==== $row: CPython's tests of asyncio"
  if ! with "$row" scripts/test_asyncio.sh >"$log" 2>&1 </dev/null; then
    result=FAILED
    status=1
  fi
  tail -1 "$log"
  table+=("$row asyncio|$(tail -1 "$log")|$((SECONDS - started)) s|$result")
}

# What scripts/test.sh ends with, in one line.
summary() {
  sed -n '/^== Python .*;/,$ { s/^== Python //; s/; /|/g; s/  */ /g; /^FAILED/d; p; }' "$1" | paste -s -d '|'
}

# Columns as wide as their widest cell; the last cell of a line may be longer than its column.
aligned() {
  awk -F '|' '
    { lines[NR] = $0 }
    { for (i = 1; i < NF; i++) if (length($i) > width[i]) width[i] = length($i) }
    END {
      for (n = 1; n <= NR; n++) {
        count = split(lines[n], cell, "|")
        line = ""
        for (i = 1; i < count; i++) line = line sprintf("%-" width[i] "s  ", cell[i])
        print line cell[count]
      }
    }'
}

mkdir -p "$logs"
scripts/pythons.sh
prepare
find_rows
build_rows
for row in ${rows[@]+"${rows[@]}"}; do test_row "$row"; done
for row in ${rows[@]+"${rows[@]}"}; do
  case $row in 3.10 | 3.11 | 3.12 | 3.13) test_asyncio_row "$row" ;; esac
done
name_missing

echo
echo "==== Every Python ($SECONDS s)"
printf '%s\n' "${table[@]}" | aligned
exit "$status"
