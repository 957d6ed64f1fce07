#!/usr/bin/env bash
# Makes a Debian trixie in the cache: OTP 27, Elixir 1.18 and CPython 3.13 of its own, and the
# CPython 3.14 of newer suites. scripts/in_trixie.sh runs commands in it. Does nothing when it
# is there.
set -euo pipefail
# shellcheck source=scripts/debian.sh
. "$(dirname "$0")/debian.sh"
# shellcheck source=scripts/steps.sh
. "$(dirname "$0")/steps.sh"

trixie=$cache/trixie
packages=(erlang-base erlang-dev erlang-asn1 erlang-crypto erlang-eunit
  erlang-inets erlang-os-mon erlang-parsetools erlang-proper erlang-public-key
  erlang-runtime-tools erlang-ssl erlang-syntax-tools erlang-tools erlang-xmerl
  elixir gcc libc6-dev make pkg-config procps tzdata python3-dev python3-venv)

# python3.14-venv finds pip where trixie's python3-venv has put it.
python314=(libpython3.14 libpython3.14-dev libpython3.14-minimal libpython3.14-stdlib
  python3.14 python3.14-dev python3.14-minimal python3.14-venv)

recipe="${packages[*]} ${python314[*]}"
if [ "$(cat "$trixie/made-from" 2>/dev/null)" = "$recipe" ]; then
  echo "trixie: there is one in $trixie"
  exit
fi

clear_away() { rm -rf --one-file-system "$trixie.part" "$cache/packages.part"; }
start_steps trixie "$cache/logs/trixie.log"

if [ "$(id -u)" -ne 0 ]; then
  echo "A Debian of its own takes root's rights: to make it, and to run commands in it."
  echo "Without, \`uv python install 3.14\` brings a 3.14 for this machine's own Elixir."
  exit 1
fi

# Unpacked, not installed: the packages ask for a newer C library than trixie's, but only the
# module termios needs it.
unpack_python314() {
  local suite package
  mkdir -p "$cache/packages.part"
  cd "$cache/packages.part"

  for suite in sid forky; do
    suite_apt "$suite" deb update && suite_apt "$suite" deb download "${python314[@]}" && break
    step "no 3.14 in $suite"
    rm -f ./*.deb
  done
  for package in *.deb; do dpkg-deb -x "$package" "$trixie.part"; done
  cd - >/dev/null
}

step "installing what making it needs"
need_debian mmdebstrap arch-test

# A chroot from before may have been made from something else.
clear_away
rm -rf --one-file-system "$trixie"

step "installing Debian trixie"
mmdebstrap --variant=apt --mode=root --include="$(IFS=, && echo "${packages[*]}")" \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Retries "3"' \
  trixie "$trixie.part" "deb [signed-by=$keyring] $(debian_mirror) trixie main"

step "unpacking Python 3.14"
unpack_python314
chroot "$trixie.part" python3.14 -c "import ctypes, ensurepip, sqlite3, ssl"
chroot "$trixie.part" sh -c "ls /usr/lib/*/libpython3.14.so"

echo "$recipe" >"$trixie.part/made-from"
mv "$trixie.part" "$trixie"
step "ready in $trixie, $(du -sh "$trixie" | cut -f 1)"
