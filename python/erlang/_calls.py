"""Tasks of event loops that wait to be called by the BEAM.

Whoever calls one is a thread without a GIL. It writes down whom it has called and makes a
descriptor readable, which every kind of loop can watch.
"""

from __future__ import annotations

import asyncio
from asyncio import get_running_loop
from threading import Lock
from typing import Callable
from weakref import WeakKeyDictionary

from erlang._native import _erlang

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from typing import Any

    _Future = asyncio.Future[bool]
else:
    _Future = asyncio.Future


class Calls:
    """The tasks of one event loop that wait."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        """Watch for calls, in a loop that runs on this thread."""
        self.native = _erlang.Wakeups()
        self._waiting: dict[int, _Call] = {}
        loop.add_reader(self.native.fileno(), self._deliver)

    async def wait(self, token: int | None, give_up: Callable[[int], object]) -> bool:
        """Wait to be called, and return what for; without a token there is no need to wait.

        ``give_up`` is told of a task that does not come, be it called by then or not.
        """
        if token is None:
            return True

        def leave() -> None:
            self._waiting.pop(token, None)
            give_up(token)

        call = self._waiting[token] = _Call(leave)
        try:
            return await call
        except BaseException:
            if not call.cancelled():
                leave()
            raise

    def is_waited_for(self) -> bool:
        """Is there a task that waits to be called?"""
        return bool(self._waiting)

    def _deliver(self) -> None:
        for token, accepted in self.native.take():
            call = self._waiting.pop(token, None)
            if call is not None and not call.done():
                call.set_result(accepted)


class _Call(_Future):
    """What a task waits for.

    A loop that is interrupted cancels its tasks, but no longer runs them. So leaving is part of
    the cancellation itself.
    """

    def __init__(self, leave: Callable[[], None]) -> None:
        super().__init__(loop=get_running_loop())
        self._leave = leave

    def cancel(self, *args: Any, **kwargs: Any) -> bool:
        cancelled = super().cancel(*args, **kwargs)
        if cancelled:
            self._leave()
        return cancelled


_loops: WeakKeyDictionary[AbstractEventLoop, Calls] = WeakKeyDictionary()
_lock = Lock()


def of(loop: AbstractEventLoop) -> Calls | None:
    """Return the calls of a loop, if it has watched for any yet."""
    with _lock:
        return _loops.get(loop)


def of_this_loop() -> Calls:
    """Return the calls of the running loop."""
    loop = get_running_loop()
    with _lock:
        calls = _loops.get(loop)
        if calls is None:
            calls = _loops[loop] = Calls(loop)
        return calls
