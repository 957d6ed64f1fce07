#!/usr/bin/env bash
# Runs the whole suite once for every supported version of Python on this machine.
set -uo pipefail
export MIX_ENV=test
cd "$(dirname "$0")/.." || exit 1

mix setup || exit 1
pythons=$(mix py.locate --all) || exit 1
failed=()

while IFS= read -r python; do
  ERLANG_PYTHON=$python scripts/test.sh </dev/null || failed+=("$python")
done <<<"$pythons"

echo
echo "== Every Python"
while IFS= read -r python; do
  result=passed
  for other in ${failed[@]+"${failed[@]}"}; do
    if [ "$other" = "$python" ]; then result=FAILED; fi
  done
  echo "$result  $python"
done <<<"$pythons"

[ "${#failed[@]}" -eq 0 ]
