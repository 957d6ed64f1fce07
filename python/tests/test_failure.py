"""Describing exceptions: every kind, in every state, on every Python version."""

import builtins
import json
import sys
import traceback
from typing import Any, Callable, Optional

import pytest

from erlang import _atom, _failure

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
    assert files == [__file__, __file__]
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


def chained(link: str) -> BaseException:
    return raised_in(f"try:\n  {{}}['k']\nexcept KeyError as e:\n  raise ValueError('v'){link}")


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


# --- as Python prints it ---


def nested_calls() -> object:
    def once(number: int) -> object:
        return once(number - 1) if number else {"a": 1}["k"]

    return once(5)


def endless() -> object:
    return endless()


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


# --- hostile exceptions ---


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
