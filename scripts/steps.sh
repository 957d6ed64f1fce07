# shellcheck shell=bash
# Sourced by the scripts that take minutes: what they run is noted in a log, and the terminal
# gets a plain line per step, with the seconds since the start.

# start_steps NAME LOG: from here on, only `step` writes to the terminal.
start_steps() {
  steps_name=$1 steps_log=$2
  mkdir -p "$(dirname "$2")"
  exec 3>&1 >"$2" 2>&1
  trap end_steps EXIT
  trap 'exit 130' INT TERM
}

step() {
  echo "$steps_name: $* ($SECONDS s)"
  echo "$steps_name: $* ($SECONDS s)" >&3
}

# Runs last, however the script ends. A script that has something to clear away defines
# `clear_away`, which has to bear being called at any time.
end_steps() {
  local status=$?
  if declare -F clear_away >/dev/null; then clear_away; fi
  if [ "$status" -ne 0 ]; then
    grep -v "^$steps_name: " "$steps_log" | tail -n 15 | cut -c 1-200 | sed "s/^/$steps_name:   /" >&3
    echo "$steps_name: FAILED after $SECONDS s, the log is $steps_log" >&3
  fi
  exit "$status"
}
