"""Tracebacks as text, and groups: what Python prints is what the BEAM gets."""

import traceback
from typing import Callable

import pytest

from support.failures import (
    Group,
    as_python_prints,
    chained,
    describe,
    endless,
    needs_groups,
    raised_by,
    raised_in,
)


def nested_calls() -> object:
    def once(number: int) -> object:
        return once(number - 1) if number else {"a": 1}["k"]

    return once(5)


def suggested() -> object:
    return [].appendix  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "make",
    [
        lambda: ValueError("x"),
        lambda: ValueError(),
        lambda: ValueError("two\nlines"),
        lambda: raised_by(nested_calls),
        lambda: raised_by(suggested),
        lambda: raised_by(lambda: compile("x = (", "<code>", "exec")),
        lambda: raised_by(lambda: compile("if 1:\nx", "<code>", "exec")),
        lambda: chained(" from e"),
        lambda: chained(""),
        lambda: chained(" from None"),
    ],
)
def test_the_traceback_is_what_python_prints(make: Callable[[], BaseException]) -> None:
    error = make()
    assert describe(error)["traceback"] == as_python_prints(error)


def test_of_an_endless_recursion_the_innermost_frames_are_printed() -> None:
    error = raised_by(endless)
    printed = traceback.format_exception(type(error), error, error.__traceback__, limit=-100)
    assert describe(error)["traceback"] == "".join(printed).splitlines()
    assert describe(error)["traceback"][-1].startswith("RecursionError: maximum recursion depth")


# --- groups ---


def group_of_groups() -> BaseException:
    members = [
        chained(" from e"),
        Group("inner", [raised_by(nested_calls), KeyError("k")]),
        OSError(2, "none"),
    ]
    return raised_in("try:\n 1/0\nexcept Exception:\n raise g", g=Group("outer", members))


@needs_groups
def test_a_group_has_its_members() -> None:
    description = describe(group_of_groups())
    assert description["type"] == "ExceptionGroup"
    assert description["message"] == "outer (3 sub-exceptions)"
    first, second, third = description["exceptions"]
    assert first["cause"]["type"] == "KeyError"
    assert [member["type"] for member in second["exceptions"]] == ["KeyError", "KeyError"]
    assert third["type"] == "FileNotFoundError"
    assert description["context"]["type"] == "ZeroDivisionError"


@needs_groups
def test_a_group_is_printed_as_python_prints_it() -> None:
    error = group_of_groups()
    assert describe(error)["traceback"] == as_python_prints(error)


@needs_groups
def test_a_wide_group_is_cut() -> None:
    description = describe(Group("wide", [ValueError(str(n)) for n in range(10_000)]))
    assert description["message"] == "wide (10000 sub-exceptions)"
    assert 10 < len(description["exceptions"]) < 1000
    assert "  | ValueError: 0" in description["traceback"]


@needs_groups
def test_groups_that_share_their_members_do_not_multiply() -> None:
    group = Group("0", [ValueError("x")])
    for number in range(1, 60):
        group = Group(str(number), [group, group])
    assert describe(group)["message"] == "59 (2 sub-exceptions)"


@needs_groups
def test_a_member_may_be_caused_by_its_group() -> None:
    member = ValueError("x")
    group = Group("g", [member])
    member.__cause__ = group
    assert describe(group)["exceptions"][0]["cause"] is None


def test_an_attribute_called_exceptions_makes_no_group() -> None:
    class Retried(Exception):
        exceptions = (ValueError("x"),)

    assert describe(Retried())["exceptions"] == []


def test_groups_of_the_back_port_are_groups() -> None:
    backport = pytest.importorskip("exceptiongroup")
    description = describe(backport.ExceptionGroup("g", [ValueError("x")]))
    assert description["exceptions"][0]["message"] == "x"
