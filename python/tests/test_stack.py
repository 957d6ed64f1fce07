"""Stacks of threads, as text."""

from __future__ import annotations

import threading

from erlang import _stack


def test_the_stack_of_a_thread_has_its_lines() -> None:
    began, end = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        end.wait()

    thread = threading.Thread(target=work)
    thread.start()
    began.wait()
    assert thread.ident is not None
    text = _stack.describe(thread.ident)
    end.set()
    thread.join()
    assert text.startswith("Stack (most recent call last):\n  File ")
    assert text.index("in work") > text.index("in run")
    assert "end.wait()" in text


def test_a_thread_without_python_code_has_none() -> None:
    assert _stack.describe(0) == "no Python code is running"
