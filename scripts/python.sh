# shellcheck shell=bash
# Sourced by the other scripts: builds the library for the chosen Python, and sets PY_EXECUTABLE,
# PY_TAG, PY_LIBDIR ... to its facts. From here on every tool uses that very interpreter.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

mix setup || exit 1
facts=$(mix py.locate) || exit 1
eval "$facts"

export ERLANG_PYTHON=$PY_EXECUTABLE
export PYO3_PYTHON=$PY_EXECUTABLE
export CARGO_TARGET_DIR=$PWD/native/target/$PY_TAG

# Programs linked to libpython, as cargo's tests are, have to find it when they start.
export LD_LIBRARY_PATH=$PY_LIBDIR${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export DYLD_LIBRARY_PATH=$PY_LIBDIR${DYLD_LIBRARY_PATH:+:$DYLD_LIBRARY_PATH}
