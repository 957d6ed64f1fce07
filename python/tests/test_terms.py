"""The opaque types, with a BEAM and without, and what stands in for the native module."""

import importlib
import sys
import types
from collections.abc import Iterator

import pytest

import erlang
from erlang import _native, _outside, _terms

NAMES = ["Buffer", "Fun", "Pid", "Port", "Ref"]


@pytest.fixture
def native() -> Iterator[types.ModuleType]:
    """A module in the place of the built-in one, for as long as the test runs."""
    module = types.ModuleType("_erlang")
    for name in NAMES:
        setattr(module, name, type(name, (), {"__module__": "_erlang"}))
    vars(module)["from_binary"] = lambda data: ("made from", data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "_erlang", module)
        importlib.reload(_native)
        importlib.reload(_terms)
        yield module
    importlib.reload(_native)
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


def test_a_pickle_of_a_term_is_its_external_format(native: types.ModuleType) -> None:
    assert _terms.restore(b"\x83") == ("made from", b"\x83")  # type: ignore[comparison-overlap]


def test_the_native_module_is_found_by_its_top_level_name(native: types.ModuleType) -> None:
    assert _native._erlang is native


def test_without_a_beam_its_functions_say_so() -> None:
    assert _native._erlang is _outside  # type: ignore[comparison-overlap]
    with pytest.raises(RuntimeError, match=r"erlang\.to_binary works only inside the BEAM"):
        _outside.to_binary(1)
    assert _outside.has_function("lookup") is False
