#!/usr/bin/env bash
# Lints the native code as every system compiles it that a release is for, and tests here the
# poller that Linux has another one for. Runs every check even when one fails.
set -uo pipefail
export MIX_ENV=test
# shellcheck source=scripts/python.sh
. "$(dirname "$0")/python.sh"

venv=$(scripts/tools.sh "$PY_EXECUTABLE" "$PY_TAG" cross) || exit 1
host=$(rustc -vV | sed -n 's/^host: //p')
targets=$(mix run --no-start --no-compile -e 'IO.puts(Enum.join(Py.Native.Precompiled.targets(), " "))') || exit 1
failed=()

# Rust's standard library for a target comes through rustup, which a distribution's Rust has not.
available() {
  command -v rustup >/dev/null 2>&1 && (cd native && rustup target add "$1" >/dev/null 2>&1)
}

# There is no Python to ask on the other system, but its version is enough. Each has its clippy,
# since what is left out by `cfg` may be all that uses something.
lint() {
  cd native || return
  PYO3_CROSS_PYTHON_VERSION=${PY_TAG/cp3/3.} CARGO_TARGET_DIR=$PWD/target/cross PATH=$venv/bin:$PATH \
    cargo-zigbuild clippy --quiet --target "$1" -p py_host -p py_nif -p py_loader -- -D warnings
}

for target in $targets; do
  if [ "$target" = "$host" ]; then continue; fi
  echo "== $target"
  if available "$target"; then
    (lint "$target") || failed+=("$target")
  else
    echo "Not checked: rustup cannot get Rust's standard library for it."
  fi
done

echo "== the portable poller, on this system"
(cd native && cargo test --quiet -p py_host --features portable) || failed+=("portable poller")

echo
if [ "${#failed[@]}" -gt 0 ]; then
  echo "FAILED: $(printf '%s, ' "${failed[@]}" | sed 's/, $//')"
  exit 1
fi
echo "Nothing to complain about."
