#!/usr/bin/env bash
# Gets the Pythons that few machines have: a free-threaded 3.13, and 3.14 in a Debian trixie of
# its own, which brings a newer Elixir as well. Both are kept in the user's cache. When they are
# there this only looks, and takes a few milliseconds.
set -uo pipefail
# shellcheck source=scripts/debian.sh
. "$(dirname "$0")/debian.sh"

# Two of these at once would build in the same places.
mkdir -p "$cache"
if have flock; then
  exec 9>"$cache/lock"
  flock 9
fi

# The one compiles while the other waits for the mirror. Each is a process group of its own, so
# that stopping this stops all that they have started.
set -m
"$(dirname "$0")/make_free_threaded.sh" &
free_threaded=$!
"$(dirname "$0")/make_trixie.sh" &
trixie=$!

trap 'kill -- -"$free_threaded" -"$trixie" 2>/dev/null; wait; exit 130' INT TERM

status=0
wait "$free_threaded" || status=1
wait "$trixie" || status=1
exit "$status"
