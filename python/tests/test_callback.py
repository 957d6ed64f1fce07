"""Calling the BEAM: `call`, `cast`, `send` and the names that Elixir has registered."""

import asyncio
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import erlang
from erlang import _callback


class Native:
    """The built-in module, with two registered functions; it notes what it is told."""

    def __init__(self) -> None:
        self.names = {"add", "lookup"}
        self.calls: list[Any] = []

    def __getattr__(self, name: str) -> Callable[..., str]:
        def note(*args: object) -> str:
            self.calls.append((name, *args))
            return f"the result of {name}"

        return note

    def has_function(self, name: str) -> bool:
        return name in self.names


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> Native:
    native = Native()
    monkeypatch.setattr(_callback, "_erlang", native)
    return native


def test_call_passes_arguments_and_returns_the_result(native: Native) -> None:
    assert erlang.call("add", 1, [2]) == "the result of call"
    assert native.calls == [("call", "add", (1, [2]))]


def test_cast_returns_at_once_and_nothing(native: Native) -> None:
    erlang.cast("add", 1)
    assert native.calls == [("cast", "add", (1,))]


def test_a_registered_function_is_an_attribute(native: Native) -> None:
    add = erlang.add  # type: ignore[attr-defined]
    assert add(1, 2) == "the result of call"
    assert native.calls == [("call", "add", (1, 2))]
    assert add.__name__ == "add"
    assert repr(add) == "<erlang function 'add'>"


def test_a_registered_function_can_be_imported(native: Native) -> None:
    from erlang import lookup  # type: ignore[attr-defined]

    lookup()
    assert native.calls == [("call", "lookup", ())]


def test_a_function_is_gone_once_it_is_unregistered(native: Native) -> None:
    assert hasattr(erlang, "add")
    native.names.clear()
    assert not hasattr(erlang, "add")
    with pytest.raises(ImportError, match="cannot import name 'add' from 'erlang'"):
        from erlang import add  # type: ignore[attr-defined]  # noqa: F401


def test_an_unknown_name_says_how_to_register_it(native: Native) -> None:
    with pytest.raises(AttributeError, match=r'Py\.register_function\("atmo", fun\)'):
        erlang.atmo  # type: ignore[attr-defined]  # noqa: B018


def test_private_names_are_those_of_the_package(native: Native) -> None:
    native.names.add("_stream")
    from erlang import _stream

    assert _stream.__name__ == "erlang._stream"


def test_registered_functions_are_equal_by_name_and_can_be_pickled(native: Native) -> None:
    add = erlang.add  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(add)) == add
    assert {add, erlang.add} == {add}  # type: ignore[attr-defined]
    assert add != erlang.lookup  # type: ignore[attr-defined]


def test_keyword_arguments_are_refused_by_name(native: Native) -> None:
    with pytest.raises(TypeError, match=r"erlang\.call\('add', \.\.\.\): .* no keyword arguments"):
        erlang.call("add", 1, b=2)
    with pytest.raises(TypeError, match=r"erlang\.cast\('add', \.\.\.\): .* no keyword arguments"):
        erlang.cast("add", 1, name=2)
    with pytest.raises(TypeError, match=r"erlang\.add\(\.\.\.\): .* no keyword arguments"):
        erlang.add(1, b=2)  # type: ignore[attr-defined]
    assert native.calls == []


def test_messages_and_pids_are_left_to_the_native_module(native: Native) -> None:
    erlang.send(("shop", "node@host"), {"id": 1})
    assert erlang.whereis("shop") == "the result of whereis"
    assert erlang.self() == "the result of self_"
    assert native.calls == [
        ("send", ("shop", "node@host"), {"id": 1}),
        ("whereis", "shop"),
        ("self_",),
    ]


def test_sleep_waits_in_plain_code(native: Native) -> None:
    erlang.sleep(0.5)
    assert native.calls == [("sleep", 0.5)]


def test_sleep_can_be_awaited_in_an_event_loop(native: Native) -> None:
    async def both() -> list[str]:
        done: list[str] = []

        async def slow() -> None:
            await erlang.sleep(0.001)
            done.append("slow")

        async def quick() -> None:
            done.append("quick")

        await asyncio.gather(slow(), quick())
        return done

    assert asyncio.run(both()) == ["quick", "slow"]
    assert native.calls == []


@pytest.mark.parametrize(
    "function",
    [
        lambda: erlang.call("add", 1),
        lambda: erlang.cast("add", 1),
        lambda: erlang.send("shop", 1),
        lambda: erlang.whereis("shop"),
        lambda: erlang.self(),
        lambda: erlang.sleep(1),
        lambda: erlang.schedule(),
    ],
)
def test_without_a_beam_they_say_so(function: Callable[[], object]) -> None:
    with pytest.raises(RuntimeError, match=r"erlang\.\w+ works only inside the BEAM"):
        function()
