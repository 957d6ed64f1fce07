"""A prompt: running what has been typed, and completing words."""

import sys
from typing import Any

import pytest

from erlang import _repl


def test_values_of_expressions_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert _repl.run("40 + 2", {}) == ""
    assert capsys.readouterr().out == "42\n"


@pytest.mark.parametrize("source", ["def f():", "def f():\n    pass", "(1 +", "'''a"])
def test_more_lines_are_asked_for(source: str) -> None:
    assert _repl.run(source, {}) is None


def test_names_stay() -> None:
    namespace: dict[str, Any] = {}
    assert _repl.run("def f():\n    return 7\n", namespace) == ""
    assert namespace["f"]() == 7


def test_exceptions_are_text_without_our_own_frames() -> None:
    text = _repl.run("1 / 0", {})
    assert text is not None
    assert text.splitlines()[:2] == [
        "Traceback (most recent call last):",
        '  File "<stdin>", line 1, in <module>',
    ]
    assert text.endswith("ZeroDivisionError: division by zero\n")
    assert "_repl" not in text


def test_errors_of_syntax_are_text() -> None:
    text = _repl.run("1 = 2", {})
    assert text is not None
    assert text.startswith('  File "<stdin>", line 1')


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_what_ends_the_prompt_goes_on(kind: type[BaseException]) -> None:
    with pytest.raises(kind):
        _repl.run("raise kind", {"kind": kind})


def test_completion_of_names_and_attributes() -> None:
    namespace = {"marvellous": 1, "sys": sys}
    assert _repl.complete("marv", namespace) == ["marvellous"]
    assert "print(" in _repl.complete("pri", namespace)
    assert _repl.complete("sys.maxs", namespace) == ["sys.maxsize"]


def test_completion_survives_objects_of_any_kind() -> None:
    class Hostile:
        def __dir__(self) -> list[str]:
            raise RuntimeError

    assert _repl.complete("hostile.a", {"hostile": Hostile()}) == []
    assert _repl.complete("no.such", {}) == []


def test_completion_leaves_the_terminal_alone() -> None:
    before = "readline" in sys.modules
    _repl.complete("pri", {})
    assert ("readline" in sys.modules) == before
