#!/usr/bin/env bash
# Builds a free-threaded CPython 3.13 from Debian's source package into the cache, where the
# locator finds it as 3.13t. Does nothing when it is there.
set -euo pipefail
# shellcheck source=scripts/debian.sh
. "$(dirname "$0")/debian.sh"
# shellcheck source=scripts/steps.sh
. "$(dirname "$0")/steps.sh"

prefix=$cache/pythons/3.13t
options=(--enable-shared --disable-gil --without-ensurepip --disable-test-modules)
cflags="-O2 -g0"
packages=(build-essential dpkg-dev pkg-config xz-utils zlib1g-dev libbz2-dev liblzma-dev libssl-dev
  libffi-dev libsqlite3-dev libreadline-dev libncurses-dev uuid-dev)

# CPython leaves out quietly what it finds no library for.
modules="bz2, ctypes, curses, hashlib, lzma, readline, sqlite3, ssl, uuid, zlib, _uuid"

recipe="${options[*]} $cflags"
if [ "$(cat "$prefix/made-from" 2>/dev/null)" = "$recipe" ]; then
  echo "3.13t: there is one in $prefix"
  exit
fi

# One that uv, pyenv or the PATH offers does as well.
uv=${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/uv/python}
for found in "$(command -v python3.13t || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*t/bin/python3 \
  "$uv"/cpython-3.13.*+freethreaded-*/bin/python3; do
  if [ -x "$found" ]; then
    echo "3.13t: there is $found"
    exit
  fi
done

work=
clear_away() { [ -z "$work" ] || rm -rf "$work"; }
start_steps 3.13t "$cache/logs/3.13t.log"

# The newest suite whose sources the mirror has; a snapshot may lack some.
fetch() {
  local suite
  for suite in forky trixie; do
    suite_apt "$suite" deb-src update &&
      suite_apt "$suite" deb-src source --download-only python3.13 && return
    step "no sources in $suite"
  done
  return 1
}

step "installing what the build needs"
need_debian "${packages[@]}"

mkdir -p "$cache/pythons"
work=$(mktemp -d "$cache/build.XXXXXX")
cd "$work"

step "fetching the sources"
fetch
tar -xf python3.13_*.orig.tar.xz
cd [Pp]ython-3.13*/

step "configuring ${PWD##*/}"
./configure --prefix="$prefix" "${options[@]}" CFLAGS="$cflags" LDFLAGS="-Wl,-rpath,$prefix/lib"

step "compiling"
nice -n 10 make -s -j "$(nproc)"

# Installed next to its place and moved there whole, so that no half of one is ever found.
step "installing"
make -s install DESTDIR="$work/root"
echo "$recipe" >"$work/root$prefix/made-from"
rm -rf "$prefix"
mv "$work/root$prefix" "$prefix"

"$prefix/bin/python3" -c "import $modules"
step "ready in $prefix"
