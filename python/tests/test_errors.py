"""`erlang.CallbackError` and `erlang.ProcessError`."""

import copy
import pickle
import sys
import traceback

import pytest

import erlang

LINES = ["lib/shop.ex:12: Shop.price/1", "(stdlib) lists.erl:1: :lists.map/2"]


def printed(error: BaseException) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


def test_a_callback_error_says_what_happened() -> None:
    error = erlang.CallbackError("error", "ArgumentError: no such key", LINES, None)
    assert error.kind == "error"
    assert error.message == "ArgumentError: no such key"
    assert error.stacktrace == LINES
    assert str(error).startswith("error: ArgumentError: no such key")
    assert error.__cause__ is None


def test_a_printed_traceback_shows_where_in_the_beam_it_happened() -> None:
    error = erlang.CallbackError("throw", ":gone", LINES, None)
    expected = ["erlang.CallbackError: throw: :gone", "Stacktrace in the BEAM:", *LINES]
    assert [line.strip() for line in printed(error).splitlines()] == expected


def test_without_a_stack_trace_there_is_no_heading() -> None:
    error = erlang.CallbackError("exit", "normal", [], None)
    assert printed(error) == "erlang.CallbackError: exit: normal\n"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="notes came with Python 3.11")
def test_the_stack_trace_is_a_note_where_python_has_notes() -> None:
    error = erlang.CallbackError("exit", "normal", LINES, None)
    assert str(error) == "exit: normal"
    assert len(error.__notes__) == 1


def test_the_python_exception_behind_it_is_the_cause() -> None:
    cause = KeyError("key")
    error = erlang.CallbackError("error", "Py.Error", LINES, cause)
    assert error.__cause__ is cause
    assert "KeyError: 'key'" in printed(error)


def test_a_cause_that_is_no_exception_is_left_out() -> None:
    error = erlang.CallbackError("error", "odd", [], "text")  # type: ignore[arg-type]
    assert error.__cause__ is None


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))]
)
def test_a_copy_says_the_same(duplicate: object) -> None:
    error = erlang.CallbackError("error", "no such key", LINES, None)
    other = duplicate(error)  # type: ignore[operator]
    assert type(other) is erlang.CallbackError
    assert (other.kind, other.message, other.stacktrace) == ("error", "no such key", LINES)
    assert printed(other) == printed(error)


def test_a_process_error_is_a_message() -> None:
    error = pickle.loads(pickle.dumps(erlang.ProcessError("no process is called 'shop'")))
    assert type(error) is erlang.ProcessError
    assert printed(error) == "erlang.ProcessError: no process is called 'shop'\n"


@pytest.mark.parametrize("name", ["CallbackError", "ProcessError"])
def test_they_are_ordinary_exceptions_with_a_public_name(name: str) -> None:
    kind = getattr(erlang, name)
    assert issubclass(kind, Exception)
    assert kind.__module__ == "erlang"
    assert kind.__qualname__ == name
