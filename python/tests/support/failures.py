"""Exceptions to describe, and descriptions that are checked."""

import builtins
import json
import traceback
from typing import Any, Callable

import pytest

from erlang import _failure

Group: Any = vars(builtins).get("ExceptionGroup")
needs_groups = pytest.mark.skipif(Group is None, reason="groups came with Python 3.11")

KEYS = [
    "type",
    "message",
    "traceback",
    "frames",
    "cause",
    "context",
    "notes",
    "exceptions",
]


def raised_by(function: Callable[[], object]) -> BaseException:
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def raised_in(source: str, **names: object) -> BaseException:
    return raised_by(lambda: exec(source, {"__name__": "__main__", **names}))


def describe(exc: BaseException) -> Any:
    """The description, after a check that it is plain data which JSON and UTF-8 can hold."""
    description = _failure.describe(exc)
    check_plain(description)
    json.dumps(description).encode()
    return description


def check_plain(value: Any) -> None:
    if type(value) is dict:
        for key, each in value.items():
            assert type(key) is str
            check_plain(each)
    elif type(value) is list:
        for each in value:
            check_plain(each)
    elif type(value) is str:
        value.encode()
    else:
        assert value is None or type(value) is int


def annotate(exc: Any, notes: object) -> None:
    """Set the notes, which before Python 3.11 are an attribute like any other."""
    exc.__notes__ = notes


def as_python_prints(exc: BaseException) -> list[str]:
    text = "".join(traceback.format_exception(type(exc), exc, exc.__traceback__))
    return text.rstrip("\n").split("\n")


def chained(link: str) -> BaseException:
    return raised_in(f"try:\n  {{}}['k']\nexcept KeyError as e:\n  raise ValueError('v'){link}")


def endless() -> object:
    return endless()
