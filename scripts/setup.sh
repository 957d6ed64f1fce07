#!/usr/bin/env bash
# Makes sure that everything the build needs is installed. What apt can install is installed
# where this may use it; anything else is named, with the command that brings it. When nothing
# is missing this only looks, and takes a few milliseconds.
set -euo pipefail
# shellcheck source=scripts/debian.sh
. "$(dirname "$0")/debian.sh"

packages=()
by_hand=()

# need COMMAND PACKAGE...: the packages that bring a missing command.
need() {
  local command=$1
  shift
  have "$command" || packages+=("$@")
}

# Debian splits Erlang; headers and the tools Mix uses are in packages of their own.
need_erlang() {
  need erl erlang-base
  need mix elixir
  if [ "${#packages[@]}" -gt 0 ]; then
    packages+=(erlang-dev erlang-tools erlang-parsetools erlang-proper)
  elif [ -d /usr/lib/erlang/lib ] && [ ! -e /usr/lib/erlang/usr/include/erl_nif.h ]; then
    packages+=(erlang-dev)
  fi
}

# A cheap look at where interpreters usually are. The locator has the last word when the
# project builds; this only has to notice a machine that has nothing but a static python3.
need_python() {
  [ -n "${ERLANG_PYTHON:-}${VIRTUAL_ENV:-}" ] && return
  local uv="${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/uv/python}"
  local library
  for library in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/lib/libpython3.* "$uv"/cpython-3.*/lib/libpython3.*; do
    case $library in *.so* | *.dylib) [ -e "$library" ] && return ;; esac
  done
  need python3 python3
  have python3 && python_is_shared && return
  packages+=(libpython3-dev python3-venv)
}

python_is_shared() {
  python3 -I - <<'PYTHON'
import glob, os, sys, sysconfig
version = "%d.%d" % sys.version_info[:2]
if sysconfig.get_config_var("PYTHONFRAMEWORK"):
    sys.exit(0)
folders = [os.path.join(sys.base_prefix, "lib"), sysconfig.get_config_var("LIBDIR") or ""]
patterns = ["libpython%s*.so" % version, "libpython%s*.dylib" % version]
sys.exit(not any(glob.glob(os.path.join(f, p)) for f in folders for p in patterns))
PYTHON
}

need_rust() {
  have cargo || by_hand+=("Rust: https://rustup.rs, then open a new shell (cargo has to be on the PATH)")
  have cc || have gcc || have clang || packages+=(gcc libc6-dev)
}

name_packages() {
  echo "Some things are missing that this script may not install. On Debian and Ubuntu:" >&2
  echo "    apt-get install ${packages[*]}" >&2
  echo "Elsewhere: Elixir 1.14 or newer with Erlang/OTP 25 or newer (macOS: brew install elixir)," >&2
  echo "a C compiler, and CPython 3.9 to 3.14 with a shared library (uv python install 3.13)." >&2
}

# Without them Python knows no time zone by name, as in a minimal image.
need_zones() {
  [ -e /usr/share/zoneinfo/Europe ] || packages+=(tzdata)
}

need_erlang
need_python
need_zones
need_rust

status=0
if [ "${#packages[@]}" -gt 0 ]; then
  if may_install; then install_packages "${packages[@]}"; else name_packages; status=1; fi
fi
for line in ${by_hand[@]+"${by_hand[@]}"}; do
  echo "Please install $line" >&2
  status=1
done
exit "$status"
