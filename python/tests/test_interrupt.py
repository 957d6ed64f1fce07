"""What is put right after an interrupt that has landed in an unfortunate place."""

import asyncio
import sys
from asyncio.events import _get_running_loop, _set_running_loop
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from erlang import _interrupt


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package whose import fails when half of it is there, and only the first time."""
    folder = tmp_path / "halved"
    folder.mkdir()
    (folder / "part.py").write_text("x = 1\n")
    (folder / "__init__.py").write_text(
        "from .part import *\n"
        "import sys\n"
        "if not hasattr(sys, 'halved'):\n"
        "    sys.halved = True\n"
        "    raise KeyboardInterrupt\n"
        "y = part.x\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delattr(sys, "halved", raising=False)
    return folder.name


def test_a_package_is_imported_again_with_all_that_belongs_to_it(package: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        import_module(package)
    assert package not in sys.modules
    assert f"{package}.part" in sys.modules
    _interrupt.put_imports_right()
    assert f"{package}.part" not in sys.modules
    assert import_module(package).y == 1


def test_what_cannot_be_imported_again_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nobody.compiled", "nobody.made"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["nobody.compiled"].__loader__ = import_module("math").__loader__
    before = dict(sys.modules)
    _interrupt.put_imports_right()
    assert sys.modules == before


def test_no_event_loop_goes_on_being_the_one_that_runs() -> None:
    loop = asyncio.new_event_loop()
    hooks = sys.get_asyncgen_hooks()
    try:
        _set_running_loop(loop)
        sys.set_asyncgen_hooks(firstiter=print)
        _interrupt.put_right_within_loop()
        assert _get_running_loop() is None
        assert sys.get_asyncgen_hooks().firstiter is print
        _interrupt.put_right()
        assert sys.get_asyncgen_hooks() == (None, None)
    finally:
        _set_running_loop(None)
        sys.set_asyncgen_hooks(*hooks)
        loop.close()
