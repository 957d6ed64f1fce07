#!/usr/bin/env bash
# in_trixie.sh COMMAND...: runs a command in the Debian trixie that `make pythons` makes, with
# the project in the same place as here, and cargo's and rustup's homes shared. What it builds is
# kept apart, in _build/trixie, as the two Elixirs and C libraries do not go together.
#
#   scripts/in_trixie.sh env ERLANG_PYTHON=3.14 make test
set -euo pipefail
# shellcheck source=scripts/debian.sh
. "$(dirname "$0")/debian.sh"

project=$(cd "$(dirname "$0")/.." && pwd -P)
trixie=$cache/trixie
rustup=${RUSTUP_HOME:-$HOME/.rustup}
cargo=${CARGO_HOME:-$HOME/.cargo}

if [ ! -e "$trixie/made-from" ] || [ "$(id -u)" -ne 0 ]; then
  echo "There is no trixie in $cache that this user may enter. \`make pythons\` makes one, as root." >&2
  exit 1
fi

# The mounts belong to a namespace that ends with the command, and so do the processes: nothing
# has to be cleared away, whatever fails or is killed.
if [ "${1:-}" != --in-namespace ]; then
  exec unshare --mount --propagation private --pid --fork --kill-child \
    "$0" --in-namespace "$@"
fi
shift

# bind DIRECTORY [FROM]: makes a directory appear in the chroot.
bind() {
  mkdir -p "$trixie$1"
  mount --rbind "${2:-$1}" "$trixie$1"
}

mount_system() {
  mount -t proc proc "$trixie/proc"
  bind /dev
  bind /sys
  mount -t tmpfs tmpfs "$trixie/tmp"
}

# A machine may have certificates and name servers of its own, and may get others later.
copy_settings() {
  local file
  for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt; do
    [ -e "$file" ] || continue
    mkdir -p "$trixie${file%/*}"
    cp -L "$file" "$trixie$file"
  done
}

mount_project() {
  local product
  bind "$project"
  for product in _build deps priv tmp native/target; do
    mkdir -p "$project/_build/trixie/$product" "$project/$product"
    bind "$project/$product" "$project/_build/trixie/$product"
  done
}

mount_system
copy_settings
if [ -d "$rustup" ]; then bind "$rustup"; fi
if [ -d "$cargo" ]; then bind "$cargo"; fi
mount_project
mkdir -p "$trixie$HOME"

# What names things that are not there, or that were built for the Pythons out here.
unset VIRTUAL_ENV PYENV_ROOT PYENV_VERSION ERLANG_PYTHON PYO3_PYTHON CARGO_TARGET_DIR \
  LD_LIBRARY_PATH MIX_BUILD_PATH MIX_DEPS_PATH
export PATH=$cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C.UTF-8

# Not exec: this shell is the namespace's first process, which has to collect the others.
# shellcheck disable=SC2016
chroot "$trixie" /bin/sh -c 'cd "$0" && exec "$@"' "$project" "$@"
exit
