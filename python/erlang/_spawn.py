"""``erlang.spawn_task``: a coroutine that runs by itself, whoever asks for it."""

from __future__ import annotations

import asyncio
import atexit
import threading
from asyncio.events import _get_running_loop
from asyncio.futures import _chain_future  # type: ignore[attr-defined]
from asyncio.log import logger
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

from erlang._loop import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task
    from collections.abc import Coroutine, Generator
    from typing import Any

T = TypeVar("T")

#: So many seconds an interpreter that ends waits for its background tasks to clear up.
PATIENCE = 5.0


def spawn_task(coro: Coroutine[Any, Any, T], name: str | None = None) -> Task[T] | SpawnedTask[T]:
    """Start a coroutine and return at once.

    In code that runs in an event loop this is ``asyncio.create_task``, and the loop keeps the
    task until it is done. Elsewhere the coroutine runs in a loop in the background, one for all
    of the interpreter, and goes on when the caller has returned. What is returned can be awaited
    and cancelled in both cases, and from plain code ``result()`` waits for a background task.
    """
    if not asyncio.iscoroutine(coro):
        raise TypeError(f"a coroutine was expected, got {coro!r}")
    loop = _get_running_loop()
    if loop is not None:
        return _create_task(loop, coro, name)
    spawned: SpawnedTask[T] = SpawnedTask()

    def start() -> None:
        _chain_future(_create_task(_get_running_loop(), coro, name), spawned)

    try:
        _background.loop().call_soon_threadsafe(start)
    except BaseException:
        # Else Python would warn that nobody has awaited it, instead of saying why.
        coro.close()
        raise
    return spawned


def _create_task(loop: Any, coro: Coroutine[Any, Any, T], name: str | None) -> Task[T]:
    task: Task[T] = loop.create_task(coro, name=name)
    # asyncio itself keeps no task that waits for something. These references belong to the loop,
    # and go when it goes.
    kept: set[Task[Any]] = vars(loop).setdefault("_erlang_tasks", set())
    kept.add(task)
    task.add_done_callback(kept.discard)
    return task


class SpawnedTask(Future[T]):
    """A task in the background: a ``concurrent.futures.Future`` that can be awaited too."""

    _seen = False

    def __await__(self) -> Generator[Any, None, T]:
        """Wait for the result, in any event loop."""
        return asyncio.wrap_future(self).__await__()

    def result(self, timeout: float | None = None) -> T:
        """Wait for the result and return it, or raise what the task has raised."""
        self._seen = True
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the end, and return what the task has raised, if it has."""
        self._seen = True
        return super().exception(timeout)

    def __del__(self) -> None:
        """Tell of an exception that nobody has asked for, as asyncio does."""
        if self._seen or not self.done() or self.cancelled():
            return
        error = super().exception()
        if error is not None:
            logger.error("exception of a spawned task was never retrieved", exc_info=error)


class _Background:
    """A thread with an event loop, from the first use until the interpreter ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: AbstractEventLoop | None = None

    def loop(self) -> AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._loop.is_closed():
                self._loop = self._start()
            return self._loop

    def stop(self) -> None:
        """End the loop, which cancels its tasks, so that their ``finally`` blocks run."""
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._end.cancel)
                self._thread.join(PATIENCE)

    def _start(self) -> AbstractEventLoop:
        started: Future[AbstractEventLoop] = Future()
        # A daemon, because others would be waited for before they are told to end.
        self._thread = threading.Thread(
            target=self._serve, args=(started,), name="erlang.spawn_task", daemon=True
        )
        self._thread.start()
        return started.result()

    def _serve(self, started: Future[AbstractEventLoop]) -> None:
        async def until_the_end() -> None:
            loop = asyncio.get_running_loop()
            self._end = loop.create_future()
            started.set_result(loop)
            with suppress(asyncio.CancelledError):
                await self._end

        try:
            run(until_the_end())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)


_background = _Background()
atexit.register(_background.stop)
