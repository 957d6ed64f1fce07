"""Execution modes: how this interpreter shares the process with others.

Loaded at first use only, because it needs ``enum``.
"""

from __future__ import annotations

from enum import Enum

from erlang._native import _erlang

__all__ = ["ExecutionMode", "detect_mode", "execution_mode"]


class ExecutionMode(str, Enum):
    """How Python code runs here. Members are strings: ``ExecutionMode.SUBINTERP == "subinterp"``.

    - ``SUBINTERP``: a sub-interpreter per context.
    - ``FREE_THREADED``: one interpreter without a GIL, a thread per context.
    - ``MULTI_EXECUTOR``: one interpreter with a GIL, several threads that take turns.
    - ``WORKER``: the main interpreter, for packages that refuse to load in a sub-interpreter.
    """

    # `enum.StrEnum` would say it in one word, but is younger than the oldest Python supported.
    __module__ = "erlang"

    SUBINTERP = "subinterp"
    FREE_THREADED = "free_threaded"
    MULTI_EXECUTOR = "multi_executor"
    WORKER = "worker"

    def __str__(self) -> str:
        """Return the value, on every Python version."""
        return str.__str__(self)


def execution_mode() -> ExecutionMode:
    """Return the mode of the interpreter that runs this code.

    Outside the BEAM there is only the main interpreter of a plain Python process, which answers
    ``FREE_THREADED`` when it runs without a GIL and ``WORKER`` otherwise.
    """
    return ExecutionMode(_erlang.execution_mode())


def detect_mode() -> ExecutionMode:
    """Return the mode of this interpreter: ``execution_mode()`` by another name."""
    return execution_mode()
