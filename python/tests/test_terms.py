"""The opaque types, with a BEAM and without."""

import importlib
import sys
import types
from collections.abc import Iterator

import pytest

import erlang
from erlang import _terms

NAMES = ["Buffer", "Fun", "Pid", "Port", "Ref"]


@pytest.fixture
def native() -> Iterator[types.ModuleType]:
    """A module in the place of the built-in one, for as long as the test runs."""
    module = types.ModuleType("_erlang")
    for name in NAMES:
        setattr(module, name, type(name, (), {"__module__": "_erlang"}))
    sys.modules["_erlang"] = module
    importlib.reload(_terms)
    yield module
    del sys.modules["_erlang"]
    importlib.reload(_terms)


@pytest.mark.parametrize("name", NAMES)
def test_without_a_beam_the_types_serve_annotations_and_isinstance(name: str) -> None:
    stand_in = getattr(erlang, name)
    assert stand_in.__name__ == name
    assert stand_in.__module__ == "erlang"
    assert not isinstance("x", stand_in)


@pytest.mark.parametrize("name", NAMES)
def test_without_a_beam_there_are_no_instances(name: str) -> None:
    with pytest.raises(TypeError, match=f"only the BEAM makes an erlang.{name}"):
        getattr(erlang, name)("anything")


def test_in_the_beam_the_types_are_the_native_ones(native: types.ModuleType) -> None:
    for name in NAMES:
        assert getattr(_terms, name) is getattr(native, name)
