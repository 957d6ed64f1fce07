"""Splitting and compiling source code."""

import __future__

import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from erlang import _code


def evaluate(source: str, **names: Any) -> Any:
    body, last = _code.compile_eval(source)
    if body is not None:
        exec(body, names)
    return None if last is None else eval(last, names)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1 + 1", 2),
        ("  1 + 1", 2),
        ("x = 20\nx + 1", 21),
        ("def f(n):\n    return n * 2\nf(4)", 8),
        ("x = 1", None),
        ("", None),
        ("# nothing", None),
        ("1; 2", 2),
    ],
)
def test_the_last_expression_gives_the_value(source: str, value: object) -> None:
    assert evaluate(source) == value


def test_statements_are_compiled_for_what_they_do() -> None:
    names: dict[str, Any] = {}
    exec(_code.compile_exec("x = 1\ny = x + 1"), names)
    assert names["y"] == 2


def test_bad_source_is_a_syntax_error() -> None:
    with pytest.raises(SyntaxError):
        _code.compile_eval("1 +")
    with pytest.raises(SyntaxError):
        _code.compile_exec("def f(:")


def test_our_own_future_imports_do_not_leak_into_user_code() -> None:
    flag = __future__.annotations.compiler_flag
    assert not _code.compile_exec("x = 1").co_flags & flag
    for code in _code.compile_eval("x = 1\nx"):
        assert code is not None
        assert not code.co_flags & flag


def test_threads_compile_at_the_same_time() -> None:
    # Threads take turns in the middle of a tree, as the garbage that it makes is looked at there.
    source = "values = [[1, {2: [3, (4, 5)]}] * 2 for _ in range(3)]\nlen(values)"
    threshold, interval = gc.get_threshold(), sys.getswitchinterval()

    def callback(_phase: str, _info: object) -> None:
        sum(range(50))

    gc.callbacks.append(callback)
    gc.set_threshold(5)
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            results = list(threads.map(evaluate, [source] * 400))
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*threshold)
        gc.callbacks.remove(callback)
    assert results == [3] * 400
