"""Describing exceptions: one alone, and chains of them."""

import json
import sys

import pytest

from erlang import _atom, _failure
from support.failures import (
    KEYS,
    annotate,
    chained,
    describe,
    raised_by,
    raised_in,
)

# --- one exception ---


def test_all_keys_are_always_there() -> None:
    assert list(describe(ValueError("x"))) == KEYS
    assert list(_failure._NOTHING_KNOWN) == KEYS


def test_an_exception_without_a_traceback() -> None:
    assert describe(ValueError("bad")) == {
        "type": "ValueError",
        "message": "bad",
        "traceback": ["ValueError: bad"],
        "frames": [],
        "cause": None,
        "context": None,
        "notes": [],
        "exceptions": [],
    }


def test_frames_run_from_the_outermost_to_the_innermost() -> None:
    def outer() -> object:
        return inner()

    def inner() -> object:
        return 1 / 0

    description = describe(raised_by(outer))
    assert description["type"] == "ZeroDivisionError"
    names = [frame["function"] for frame in description["frames"]]
    assert names == ["raised_by", "outer", "inner"]
    last = description["frames"][-1]
    assert last["file"] == __file__
    assert last["code"] == "return 1 / 0"
    assert last["line"] == inner.__code__.co_firstlineno + 1


def test_the_name_of_a_type_has_its_module_unless_everybody_knows_it() -> None:
    assert describe(raised_by(lambda: json.loads("{")))["type"] == "json.decoder.JSONDecodeError"
    assert describe(KeyError(1))["type"] == "KeyError"
    source = "class Outer:\n class Mine(Exception): pass\nraise Outer.Mine('x')"
    assert describe(raised_in(source))["type"] == "Outer.Mine"


@pytest.mark.parametrize("module", [None, 3, [], "\ud800"])
def test_the_name_of_a_type_survives_any_module(module: object) -> None:
    cls = type("Odd", (Exception,), {"__module__": module})
    assert describe(cls("x"))["type"].endswith("Odd")


def test_source_that_is_nowhere_to_be_read_has_no_code() -> None:
    frame = describe(raised_in("\n\n1/0"))["frames"][-1]
    assert frame == {"file": "<string>", "line": 3, "function": "<module>", "code": ""}


def test_frames_of_this_package_are_left_out() -> None:
    description = describe(raised_by(lambda: _atom.atom("x" * 300)))
    files = [frame["file"] for frame in description["frames"]]
    assert files == [raised_by.__code__.co_filename, __file__]
    assert not any("_atom.py" in line for line in description["traceback"])
    assert "ValueError: an atom's name" in description["traceback"][-1]


def test_an_exception_of_this_package_alone_has_no_header() -> None:
    error = raised_by(lambda: _atom.atom("x" * 300))
    assert error.__traceback__ is not None
    trace = error.__traceback__.tb_next
    assert trace is not None
    description = describe(error.with_traceback(trace.tb_next))
    assert description["frames"] == []
    assert len(description["traceback"]) == 1


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit("x")])
def test_exceptions_that_end_programs_are_described_like_any_other(error: BaseException) -> None:
    description = describe(raised_in("raise error", error=error))
    assert description["type"] == type(error).__name__
    assert description["message"] == str(error)
    assert description["traceback"][0] == "Traceback (most recent call last):"


def test_the_message_of_a_syntax_error_and_its_caret() -> None:
    description = describe(raised_by(lambda: compile("x = (1,\ny = 2", "<code>", "exec")))
    assert description["type"] == "SyntaxError"
    lines = description["traceback"]
    assert any(line.startswith('  File "<code>", line ') for line in lines)
    assert any(set(line.strip()) == {"^"} for line in lines)
    assert lines[-1].startswith("SyntaxError: ")


def test_notes() -> None:
    error = ValueError("x")
    annotate(error, ["first", "second\nline"])
    description = describe(error)
    assert description["notes"] == ["first", "second\nline"]
    if sys.version_info >= (3, 11):
        assert description["traceback"] == ["ValueError: x", "first", "second", "line"]


@pytest.mark.parametrize(
    ("notes", "expected"),
    [(None, []), (7, ["7"]), ([1, "\ud800"], ["1", "\\ud800"]), ((), []), ({"a": 1}, ["{'a': 1}"])],
)
def test_notes_that_are_no_list_of_strings(notes: object, expected: list[str]) -> None:
    error = ValueError("x")
    annotate(error, notes)
    assert describe(error)["notes"] == expected


# --- chains ---


def test_a_cause() -> None:
    description = describe(chained(" from e"))
    assert description["cause"]["type"] == "KeyError"
    assert description["cause"]["message"] == "'k'"
    assert description["context"] is None
    assert _failure._CAUSE in description["traceback"]


def test_a_context() -> None:
    description = describe(chained(""))
    assert description["cause"] is None
    assert description["context"]["type"] == "KeyError"
    assert _failure._CONTEXT in description["traceback"]


def test_a_suppressed_context_is_not_there() -> None:
    description = describe(chained(" from None"))
    assert description["cause"] is None
    assert description["context"] is None
    assert not any("KeyError" in line for line in description["traceback"])


def test_a_chain_of_three() -> None:
    source = "try:\n try:\n  1/0\n except Exception as e:\n  raise KeyError(1) from e\n"
    description = describe(raised_in(source + "except Exception:\n raise ValueError(2)"))
    assert description["context"]["cause"]["type"] == "ZeroDivisionError"
    assert description["traceback"].count("Traceback (most recent call last):") == 3


def test_cycles_end_where_they_close() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__context__, second.__context__ = second, first
    description = describe(first)
    assert description["context"]["message"] == "second"
    assert description["context"]["context"] is None
    first.__cause__ = first
    assert describe(first)["cause"] is None


def test_a_long_chain_is_cut() -> None:
    error: BaseException = ValueError("0")
    for number in range(1, 50_000):
        above = ValueError(str(number))
        above.__context__ = error
        error = above
    description = describe(error)
    depth, link = 0, description
    while link:
        depth, link = depth + 1, link["context"]
    assert 1 < depth < 100
    assert description["traceback"][-1] == "ValueError: 49999"
    # Undone step by step: freeing such a chain at once overflows the stack of Python 3.9.
    while error.__context__ is not None:
        error = error.__context__
