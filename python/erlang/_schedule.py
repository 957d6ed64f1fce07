"""Giving the context back: ``erlang.schedule`` and its relatives.

A function that returns one of the markers has no value yet. The BEAM does what the marker says,
while the context may serve other requests, and what comes of it is the value of the call.
"""

from __future__ import annotations

import sys

# The C half of `threading`, which is there anyway.
from _thread import _local

from erlang._native import _erlang

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from typing import Any

    from erlang._terms import Fun


class CallMarker:
    """To be returned: "call that function of the BEAM now, its result is mine"."""

    __slots__ = ("args", "target")

    def __init__(self, target: str | Fun, args: tuple[object, ...]) -> None:
        """Keep a registered name or an ``erlang.Fun``, and the arguments."""
        self.target = target
        self.args = args

    def __repr__(self) -> str:
        """Say what it is waiting for."""
        return f"<erlang.schedule: {self.target!r}, to be returned>"


class PyMarker:
    """To be returned: "call that Python function in a moment, its result is mine"."""

    __slots__ = ("_args", "_function", "_kwargs")

    def __init__(
        self,
        function: Callable[..., object],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> None:
        """Keep a function and its arguments."""
        self._function = function
        self._args = args
        self._kwargs = kwargs or {}

    def resume(self) -> object:
        """Call it; the native side does."""
        return self._function(*self._args, **self._kwargs)

    def __repr__(self) -> str:
        """Say what it is waiting for."""
        return f"<erlang.schedule: {self._function!r}, to be returned>"


class Yielded:
    """What ``erlang.schedule()`` is in an event loop; nothing has to be done with it."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        """Let the loop go round once."""
        yield


def schedule(
    callback: str | Fun | Callable[..., object] | None = None, *args: object
) -> CallMarker | PyMarker | Yielded | None:
    """Give way, or hand the rest of the work on.

    Without arguments, let other threads and contexts run for a moment; returns ``None``. In code
    that runs in an event loop, ``await erlang.schedule()`` lets its other tasks run too.

    With a callback, return what this returns: ``return erlang.schedule("lookup", key)`` ends the
    function, frees the context and makes the result of the callback the result of the call. The
    callback is the name of a registered function, an ``erlang.Fun`` or a Python callable.
    """
    if callback is None:
        if args:
            raise TypeError("erlang.schedule(): there are arguments, but nothing to call")
        _erlang.sleep(0)
        # Where asyncio was never imported, no loop runs.
        events = sys.modules.get("asyncio.events")
        running = events is not None and events._get_running_loop() is not None
        return Yielded() if running else None
    if isinstance(callback, (str, _erlang.Fun)):
        return CallMarker(callback, args)
    if callable(callback):
        return PyMarker(callback, args)
    raise TypeError(
        "erlang.schedule() takes the name of a registered function or a callable, "
        f"not {type(callback).__name__}"
    )


def schedule_py(
    module: str,
    func: str,
    args: Sequence[object] = (),
    kwargs: Mapping[str, object] | None = None,
) -> PyMarker:
    """Hand the rest of the work to a Python function given by name; return what this returns.

    The module is imported when its turn comes; ``func`` may be dotted, such as ``"Parser.run"``.
    """
    for value in (module, func):
        if not isinstance(value, str):
            raise TypeError(
                "erlang.schedule_py() takes the names of a module and a function, "
                f"not {type(value).__name__}"
            )
    return PyMarker(_call_named, (module, func, tuple(args), dict(kwargs or {})))


def _call_named(
    module: str, func: str, args: tuple[object, ...], kwargs: dict[str, object]
) -> object:
    from importlib import import_module

    found: Any = import_module(module)
    for part in func.split("."):
        found = getattr(found, part)
    return found(*args, **kwargs)


class _Slice(_local):
    """How much of its time slice a thread says it has used, in per cent."""

    used = 0


_slice = _Slice()


def consume_time_slice(percent: int) -> bool:
    """Note that about ``percent`` (1 to 100) of a time slice was used; is the slice used up?

    The sum is kept per thread. Once it reaches 100 this returns ``True`` and counts from zero
    again: time to ``return erlang.schedule(...)`` or to call ``erlang.schedule()``.
    """
    if not isinstance(percent, int):
        raise TypeError(f"the percentage is an int, not {type(percent).__name__}")
    if not 1 <= percent <= 100:
        raise ValueError(f"the percentage must be between 1 and 100, not {percent}")
    used = _slice.used + percent
    _slice.used = 0 if used >= 100 else used
    return used >= 100
