"""Describing exceptions that want to be anything but described."""

import sys
from typing import Any, Optional

import pytest

from erlang import _failure
from support.failures import (
    KEYS,
    Group,
    annotate,
    chained,
    describe,
    endless,
    needs_groups,
    raised_by,
    raised_in,
)


class Unprintable(Exception):
    def __init__(self, error: Optional[BaseException] = None) -> None:
        self.error = error

    def __str__(self) -> str:
        if self.error is not None:
            raise self.error
        return 3  # type: ignore[return-value]


@pytest.mark.parametrize(
    "error", [None, ValueError("x"), SystemExit(), KeyboardInterrupt(), MemoryError()]
)
def test_a_str_method_that_fails(error: Optional[BaseException]) -> None:
    description = describe(raised_in("raise error", error=Unprintable(error)))
    assert description["message"] == "<exception str() failed>"
    assert description["type"].endswith("Unprintable")
    assert description["traceback"][0] == "Traceback (most recent call last):"
    assert "Unprintable" in description["traceback"][-1]
    assert len(description["frames"]) == 3


def test_attributes_that_fail() -> None:
    class Broken(Exception):
        def __getattribute__(self, name: str) -> Any:
            raise SystemExit(name)

    description = describe(Broken("x"))
    assert description["type"].endswith("Broken")
    assert description["message"] == "x"
    assert description["traceback"][-1].endswith("Broken: x")


def test_notes_that_fail() -> None:
    class Note:
        def __str__(self) -> str:
            raise ValueError

    def fail(_: object) -> Any:
        raise KeyboardInterrupt

    broken = type("Broken", (Exception,), {"__notes__": property(fail)})
    error = ValueError("x")
    annotate(error, [Note()])
    assert describe(error)["notes"] == ["<note str() failed>"]
    assert describe(broken("x"))["notes"] == []


def test_links_that_are_no_exceptions() -> None:
    class Broken(Exception):
        __cause__ = "no exception"  # type: ignore[assignment]
        __context__ = 3  # type: ignore[assignment]

    description = describe(Broken("x"))
    assert (description["cause"], description["context"]) == (None, None)
    assert description["traceback"][-1].endswith("Broken: x")


def test_a_metaclass_that_hides_the_name() -> None:
    class Secretive(type):
        def __getattribute__(cls, name: str) -> Any:
            if name in ("__qualname__", "__module__"):
                raise SystemExit
            return super().__getattribute__(name)

    assert describe(Secretive("Hidden", (Exception,), {})("x"))["type"] == "<unknown>"


def test_subclasses_of_str_are_turned_into_str() -> None:
    class Text(str):
        def __str__(self) -> str:
            return self

        def __len__(self) -> int:
            raise ValueError

    class Broken(Exception):
        def __str__(self) -> str:
            return Text("text")

    assert describe(Broken())["message"] == "text"


def test_lone_surrogates_become_escapes() -> None:
    error = ValueError("a\ud800b")
    annotate(error, ["\udfff"])
    description = describe(error)
    assert description["message"] == "a\\ud800b"
    assert description["traceback"][0] == "ValueError: a\\ud800b"
    assert description["notes"] == ["\\udfff"]


def test_a_million_characters_are_kept_in_the_message_alone() -> None:
    description = describe(ValueError("é" * 1_000_000))
    assert description["message"] == "é" * 1_000_000
    assert len(description["traceback"][0]) < 20_000
    assert description["traceback"][0].endswith("more characters)")


def test_a_message_beyond_every_measure_is_cut() -> None:
    message = describe(ValueError("x" * 5_000_000))["message"]
    assert len(message) < 1_100_000
    assert message.endswith("... (3951424 more characters)")


def test_a_million_lines_are_cut_in_the_middle() -> None:
    lines = describe(ValueError("\n".join(map(str, range(1_000_000)))))["traceback"]
    assert len(lines) < 10_000
    assert (lines[0], lines[-1]) == ("ValueError: 0", "999999")


def test_line_breaks_are_those_of_python() -> None:
    lines = describe(ValueError("a\x0bb\u2028c\r\nd"))["traceback"]
    assert lines == ["ValueError: a\x0bb\u2028c\r", "d"]


def test_endless_recursion() -> None:
    description = describe(raised_by(endless))
    assert description["type"] == "RecursionError"
    assert len(description["frames"]) == 100
    assert {frame["function"] for frame in description["frames"]} == {"endless"}
    assert any("Previous line repeated" in line for line in description["traceback"])


def test_recursion_between_two_functions_is_cut() -> None:
    def ping() -> object:
        return pong()

    def pong() -> object:
        return ping()

    assert len(describe(raised_by(ping))["traceback"]) <= 4_001


def test_no_stack_left_to_describe_with() -> None:
    error = raised_by(endless)

    def descend() -> Any:
        try:
            return descend()
        except RecursionError:
            return _failure.describe(error)

    assert list(descend()) == KEYS


def test_no_memory_left_to_describe_with(monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(*_: object) -> Any:
        raise MemoryError

    monkeypatch.setattr(_failure, "_describe", out_of_memory)
    assert describe(ValueError("x")) == {
        **_failure._NOTHING_KNOWN,
        "type": "ValueError",
        "message": "x",
        "traceback": ["ValueError: x"],
    }
    monkeypatch.setattr(_failure, "_text", out_of_memory)
    assert describe(ValueError("x")) is _failure._NOTHING_KNOWN


def test_without_the_traceback_module_a_short_form_remains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "traceback", None)
    lines = describe(chained(" from e"))["traceback"]
    cause = lines.index(_failure._CAUSE)
    assert lines[0] == lines[cause + 2] == "Traceback (most recent call last):"
    assert lines[cause - 2] == "KeyError: 'k'"
    assert lines[-2:] == ['  File "<string>", line 4, in <module>', "ValueError: v"]


@needs_groups
def test_the_short_form_of_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "traceback", None)
    group = Group("g", [ValueError("x"), KeyError("y")])
    group.add_note("a note")
    assert describe(group)["traceback"] == [
        "ExceptionGroup: g (2 sub-exceptions)",
        "a note",
        "  +---------------- 1 ----------------",
        "  | ValueError: x",
        "  +---------------- 2 ----------------",
        "  | KeyError: 'y'",
    ]


def test_describing_leaves_the_exception_as_it_was() -> None:
    error = chained("")
    before = (error.__cause__, error.__context__, error.__traceback__, error.args)
    describe(error)
    assert (error.__cause__, error.__context__, error.__traceback__, error.args) == before
