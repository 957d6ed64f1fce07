"""Streams: an iterable, taken a few items at a time.

Each ``take`` is one request of the BEAM. Between two of them nothing runs here, so a consumer
that is slower than the producer holds it back.
"""

from __future__ import annotations

from time import monotonic

# `asyncio` is imported by the first asynchronous stream.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future, Task
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import Any, Optional, Protocol, TypeVar

    _Outcome = tuple[bool, Optional[BaseException]]
    T = TypeVar("T")
    U = TypeVar("U")

    class _Source(Protocol):
        def fill(self, items: list[object], limit: int, deadline: float) -> bool:
            """Append at least one item, at most ``limit``; return whether there may be more."""

        def close(self) -> None:
            """Run what is left to run: ``finally`` blocks."""


def open(iterable: Any) -> Stream:
    """Start to iterate over an iterable or an asynchronous one; ``TypeError`` if it is neither.

    What can be iterated over in both ways is taken in the plain one.
    """
    kind = type(iterable)
    if hasattr(kind, "__aiter__") and not hasattr(kind, "__iter__"):
        return Stream(_Async(kind.__aiter__(iterable)))
    return Stream(_Sync(iter(iterable)))


class Stream:
    """An iteration under way. It closes itself at its end, at an exception, or when dropped."""

    def __init__(self, source: _Source) -> None:
        """Take items from ``source``."""
        self._source: _Source | None = source
        self._failure: Exception | None = None
        self._limit = 1

    def take(self, max_items: int, max_seconds: float) -> tuple[list[object], bool]:
        """Return the next items, and whether there may be more.

        Waits for one item, and adds others until there are ``max_items`` or ``max_seconds`` are
        over. An exception that follows some items is raised by the next ``take``.
        """
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        source = self._source
        if source is None:
            return [], False
        items: list[object] = []
        deadline = monotonic() + max_seconds
        try:
            more = source.fill(items, min(self._limit, max_items), deadline)
            if not more:
                self.close()
        except BaseException as error:
            self._source = None
            from contextlib import suppress

            # Of two exceptions the first is the one to tell.
            with suppress(Exception):
                source.close()
            # What is no Exception, such as an interrupt, ends the request at once.
            if not items or not isinstance(error, Exception):
                raise
            self._failure = error
            return items, True
        # Nobody knows how long the next item will take while others wait here to be handed over.
        # So a stream starts with single items, and gets bigger bites while it is quick.
        slow = monotonic() >= deadline
        self._limit = max(1, len(items) // 2) if slow else min(2 * self._limit, max_items)
        return items, more

    def close(self) -> None:
        """End the iteration, which runs the ``finally`` blocks of a generator. Idempotent."""
        source, self._source = self._source, None
        self._failure = None
        if source is not None:
            source.close()

    def __del__(self) -> None:
        """Close what nobody can take from any more."""
        self.close()


class _Sync:
    """Items of a plain iterator."""

    def __init__(self, iterator: Iterator[object]) -> None:
        self._iterator = iterator

    def fill(self, items: list[object], limit: int, deadline: float) -> bool:
        for item in self._iterator:
            items.append(item)
            if len(items) >= limit or monotonic() >= deadline:
                return True
        return False

    def close(self) -> None:
        # Generators only, of whichever kind: a file that is iterated over belongs to its owner.
        if hasattr(self._iterator, "throw"):
            self._iterator.close()  # type: ignore[attr-defined]


class _Async:
    """Items of an asynchronous iterator, in an event loop that runs during ``fill`` only.

    One task lasts from the first item to the end: time-outs and cancel scopes that the generator
    opens around a ``yield`` belong to the task they were opened in.
    """

    def __init__(self, iterator: AsyncIterator[object]) -> None:
        self._iterator = iterator
        self._loop: AbstractEventLoop | None = None
        self._task: Task[None] | None = None
        self._wake: Future[bool]
        self._answer: Future[_Outcome] | None = None

    def fill(self, items: list[object], limit: int, deadline: float) -> bool:
        loop = self._loop or self._start()
        self._order = (items, limit, deadline)
        self._answer = answer = loop.create_future()
        self._wake.set_result(True)
        outcome: _Outcome = _outside_of_loops(loop.run_until_complete, answer)
        self._answer = None
        more, error = outcome
        if error is not None:
            raise error
        return more

    def close(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None:
            _outside_of_loops(self._finish, loop)

    def _start(self) -> AbstractEventLoop:
        from asyncio import new_event_loop

        self._loop = loop = new_event_loop()
        self._wake = loop.create_future()
        self._task = loop.create_task(self._serve(loop))
        return loop

    async def _serve(self, loop: AbstractEventLoop) -> None:
        try:
            while await self._wake:
                self._wake = loop.create_future()
                answer = self._answer
                assert answer is not None
                # Handed over as a value: asyncio would report an exception that nobody fetches,
                # and act on an interrupt by itself.
                try:
                    answer.set_result((await self._fill(), None))
                except BaseException as error:
                    answer.set_result((False, error))
                    return
        finally:
            if hasattr(self._iterator, "athrow"):
                await self._iterator.aclose()  # type: ignore[attr-defined]

    async def _fill(self) -> bool:
        items, limit, deadline = self._order
        del self._order
        async for item in self._iterator:
            items.append(item)
            if len(items) >= limit or monotonic() >= deadline:
                return True
        return False

    def _finish(self, loop: AbstractEventLoop) -> None:
        from asyncio import CancelledError

        try:
            if self._task is not None:
                if self._answer is not None:
                    # An interrupt has left it in the middle of an item.
                    self._task.cancel()
                if not self._wake.done():
                    self._wake.set_result(False)
                loop.run_until_complete(self._task)
        except CancelledError:
            pass
        finally:
            try:
                loop.run_until_complete(_leave(loop))
            finally:
                loop.close()


async def _leave(loop: AbstractEventLoop) -> None:
    """End what the iterator has left behind in its loop."""
    from asyncio import all_tasks, current_task, gather

    left = all_tasks() - {current_task()}
    for task in left:
        task.cancel()
    await gather(*left, return_exceptions=True)
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()


def _outside_of_loops(run: Callable[[T], U], argument: T) -> U:
    """Run an event loop even from inside another one, which waits.

    That happens when a coroutine calls a function of the BEAM which takes from a stream here, or
    when it drops the last reference to a stream.
    """
    from asyncio import events, tasks

    running = events._get_running_loop()
    if running is None:
        return run(argument)
    # There since Python 3.12; before, each loop had a current task of its own.
    swap_task: Callable[..., Any] | None = getattr(tasks, "_swap_current_task", None)
    task = swap_task(running, None) if swap_task else None
    events._set_running_loop(None)
    try:
        return run(argument)
    finally:
        events._set_running_loop(running)
        if swap_task:
            swap_task(running, task)
