#!/usr/bin/env bash
# tools.sh PYTHON TAG KIND prints the path of a virtual environment of that Python with the tools
# of scripts/requirements-KIND.txt in it, and makes it first where it is missing or out of date.
set -euo pipefail
cd "$(dirname "$0")/.."

python=$1 tag=$2 kind=$3
requirements=scripts/requirements-$kind.txt
venv=$PWD/_build/tools/$kind-$tag
stamp=$venv/made-from

log() { echo "$@" >&2; }

made_from() {
  echo "# $python"
  cat "$requirements"
}

# The interpreter's own venv and pip, where it has them. Debian keeps ensurepip in a package of
# its own, and builds made without it have none at all, so uv or another Python's pip step in.
make_venv() {
  if "$python" -m venv --clear "$venv" >/dev/null 2>&1; then
    install=("$venv/bin/python" -m pip install)
  elif command -v uv >/dev/null 2>&1; then
    "$python" -m venv --clear --without-pip "$venv"
    install=(uv pip install --python "$venv/bin/python")
  elif python3 -m pip --version >/dev/null 2>&1; then
    "$python" -m venv --clear --without-pip "$venv"
    install=(python3 -m pip --python "$venv/bin/python" install)
  else
    log "$python has no pip to install $kind tools with. On Debian and Ubuntu:"
    log "    apt-get install python3-venv"
    exit 1
  fi
}

if ! made_from | cmp -s - "$stamp"; then
  log "Installing the $kind tools for $tag: $(grep -v '^#' "$requirements" | xargs)"
  make_venv
  PIP_DISABLE_PIP_VERSION_CHECK=1 "${install[@]}" --quiet -r "$requirements" >&2
  made_from >"$stamp"
fi

echo "$venv"
