"""Libraries are found in the linker's cache as `ldconfig` finds them."""

import ctypes.util
import importlib
import sys
from pathlib import Path

import pytest

from erlang import _library

linux = pytest.mark.skipif(
    not Path(_library.CACHE).exists(), reason="the dynamic linker here has no cache"
)


@linux
@pytest.mark.parametrize("name", ["c", "m", "z", "stdc++", "no_such_library", "c.so", ""])
def test_the_cache_says_what_ldconfig_says(name: str) -> None:
    asked = getattr(ctypes.util, "_findSoname_ldconfig", None)
    if asked is None:
        pytest.skip("this platform finds libraries in another way")
    assert _library.find_soname(name) == asked(name)


def test_without_a_cache_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_library, "CACHE", "/nowhere/ld.so.cache")
    assert _library.find_soname("c") is None


def test_the_module_is_amended_when_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(ctypes.util, "_findSoname_ldconfig"):
        pytest.skip("this platform finds libraries in another way")
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    _library.install()
    _library.install()
    assert len([finder for finder in sys.meta_path if isinstance(finder, _library.Amendment)]) == 1
    monkeypatch.delitem(sys.modules, "ctypes.util")
    module = importlib.import_module("ctypes.util")
    assert module._findSoname_ldconfig is _library.find_soname
    assert module.find_library("c") == ctypes.util.find_library("c")
