#!/usr/bin/env bash
# Runs the benchmarks, or those that are named (`scripts/bench.sh call convert`), keeps what each
# prints in bench/results/ and draws it.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -eq 0 ]; then
  for script in bench/*.exs; do set -- "$@" "$(basename "$script" .exs)"; done
fi

for name in "$@"; do
  if [ ! -f "bench/$name.exs" ]; then
    echo "There is no benchmark bench/$name.exs." >&2
    exit 1
  fi
done

mkdir -p bench/results
for name in "$@"; do
  result=bench/results/$name.md
  mix run "bench/$name.exs" | tee "$result.part"
  mv "$result.part" "$result"
done

mix run bench/support/draw.exs "$@"
