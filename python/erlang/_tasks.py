"""Coroutines that the BEAM has asked for, as tasks of an event loop.

Each is a request, and its answer a promise that is kept here until the task is done. A context
has a loop of its own for them, which runs while there is anything left in it. If another
``ErlangEventLoop`` waits on the context's thread when the request comes, the task is that loop's.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import CancelledError, Task, current_task
from asyncio.events import _get_running_loop, _set_running_loop
from asyncio.log import logger
from asyncio.tasks import _enter_task, _leave_task, _unregister_task
from functools import partial
from threading import get_ident

from erlang import _calls
from erlang._interrupt import put_right
from erlang._loop import ErlangEventLoop, loop_at, loops, run
from erlang._request import REQUEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import TimerHandle
    from collections.abc import Callable, Coroutine
    from typing import Any, TypeVar

    from erlang._native import _erlang

    T = TypeVar("T")


#: Seconds that tasks have to clear up after an interrupt.
CLEARING_UP = 1.0


class TaskLoop(ErlangEventLoop):
    """The loop of a context, which stops by itself when nothing is left in it."""

    _timer_cancelled_count: int

    def __init__(self) -> None:
        """Begin without anything."""
        super().__init__()
        self._guards: list[TimerHandle] = []

    def _run_once(self) -> None:
        super()._run_once()  # type: ignore[misc]
        if not self.requests and self.is_settled():
            self.stop()

    def is_settled(self) -> bool:
        """Is there nothing to run, and nothing to wait for?"""
        return self.is_quiet() and not asyncio.all_tasks(self)

    def is_quiet(self) -> bool:
        """The same, but for tasks that wait for one another."""
        # Of the timers, those that were cancelled are left where they are.
        timers = len(self._scheduled) - self._timer_cancelled_count
        timers -= len(self._pending_guards())
        return not (self._ready or self.requests or timers or self._watches())

    def guard(self, seconds: float, callback: Callable[[set[Task[Any]]], None]) -> None:
        """Call back about the tasks of now, if the loop still runs by then.

        That alone is nothing to wait for.
        """
        timer = self.call_later(seconds, callback, asyncio.all_tasks(self))
        self._guards = [*self._pending_guards(), timer]

    def _pending_guards(self) -> list[TimerHandle]:
        # An interrupt may keep one that is due from being called, so none reports that it was.
        return [timer for timer in self._guards if timer._scheduled]  # type: ignore[attr-defined]

    def _watches(self) -> bool:
        """Is there a file that may bring something to run?"""
        watched = len(self._selector.get_map())
        if watched == 1:
            # What brings calls is watched as long as the loop lives, which is quicker than to
            # begin and to end that for each of them. Without a task that waits it brings nothing.
            calls = _calls.of(self)
            return calls is None or calls.is_waited_for()
        return watched > 0


class Tasks:
    """The tasks of one context. All but ``disturbance`` runs on the context's own thread."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._open()
        self._tasks: dict[int, Task[Any]] = {}
        self._timers: dict[int, TimerHandle] = {}

    def start(
        self, coro: Coroutine[Any, Any, Any], promise: _erlang.Promise, poller: int, seconds: float
    ) -> bool:
        """Make a task of a coroutine; its result is the answer that was promised.

        ``poller`` names the loop that waits on this thread, and is zero if none does. The task is
        cancelled after ``seconds``, unless they are negative. Returns whether the context's own
        loop has something to run, and nobody runs it.
        """
        loop: Any
        if not poller:
            loop = self._own_loop()
        elif poller == self._address:
            loop = self.loop
        else:
            loop = loop_at(poller)
        try:
            create = _create if poller else _create_as_if_running
            task = create(coro, loop, promise)
            if task.done():
                promise.settle(task)
            else:
                number = promise.id()
                loop.requests[task] = promise
                self._tasks[number] = task
                task.add_done_callback(self._done)
                if seconds >= 0:
                    self._timers[number] = loop.call_later(seconds, self._expire, promise)
        except BaseException:
            # An interrupt lands anywhere. The request ends with it, and so does its task.
            _cancel_task_of(coro, loop)
            raise
        return not poller and not self.loop.is_quiet()

    def drive(self) -> None:
        """Run the context's own loop until nothing is left in it, once around at least.

        What interrupts it comes out of it; then ``interrupted`` is to be called, and it again.
        """
        # Many requests at a time are started sooner from within the loop.
        self.loop.call_soon(_nothing)
        while not self.loop.is_settled():
            try:
                self.loop.run_forever()
            except (SystemExit, CancelledError):
                # Those are some task's, whose request has them for its answer.
                continue
            except Exception:
                logger.exception("the event loop of a context is given up")
                self.close()
                return

    def drive_to_end(self) -> None:
        """Cancel all tasks and run the context's own loop until they are done."""
        self._cancel_all("interrupted")
        self.drive()

    def interrupted(self, reason: str) -> None:
        """Cancel what the context's own loop has in it, since that was interrupted.

        An interrupt lands anywhere. What the loop was about to call is lost with it, be it the end
        of a task or its next step, for which that would wait for ever.
        """
        put_right()
        self.loop._thread_id = None  # type: ignore[attr-defined]
        requests = self.loop.requests
        ended = [task for task in requests if task.done()]
        # If the task that it has ended was to be cancelled, it was meant for this one alone.
        if not any(requests[task].is_cancelled() for task in ended):
            self._cancel_all(reason)
            self.loop.guard(CLEARING_UP, self._give_up)
        for task in ended:
            self._done(task)

    def cancel(self, number: int) -> None:
        """Cancel the task of that request, if it is not done."""
        task = self._tasks.get(number)
        if task is not None:
            task.cancel()

    def close(self) -> None:
        """Drop what is left: the promises say that the context has closed."""
        for task in asyncio.all_tasks(self.loop):
            _say_nothing_of(task)
        self._tasks.clear()
        self._timers.clear()
        self.loop.requests.clear()
        self.loop.close()

    def _open(self) -> None:
        self.loop = TaskLoop()
        self._address = self.loop._selector.address()

    def _own_loop(self) -> TaskLoop:
        # User code may have closed it, as soon as it had stopped.
        if self.loop.is_closed():
            self._open()
        return self.loop

    def _done(self, task: Task[Any]) -> None:
        self._settle(task, task)

    def _settle(self, task: Task[Any], outcome: asyncio.Future[Any]) -> None:
        requests = task.get_loop().requests  # type: ignore[attr-defined]
        promise = requests.get(task)
        if promise is not None:
            # The answer first: what an interrupt cuts short is done again, and it is given once.
            promise.settle(outcome)
            requests.pop(task, None)
            number = promise.id()
            self._tasks.pop(number, None)
            if self._timers:
                timer = self._timers.pop(number, None)
                if timer is not None:
                    timer.cancel()

    def _expire(self, promise: _erlang.Promise) -> None:
        promise.stop("timeout")
        self.cancel(promise.id())

    def _give_up(self, tasks: set[Task[Any]]) -> None:
        cancelled: asyncio.Future[Any] = self.loop.create_future()
        cancelled.cancel()
        for task in tasks:
            if not task.done():
                self._settle(task, cancelled)
                _abandon(task)

    def _cancel_all(self, reason: str) -> None:
        for promise in self.loop.requests.values():
            promise.stop(reason)
        for task in asyncio.all_tasks(self.loop):
            task.cancel()


#: From 3.12 on, a coroutine that does not wait is done at once.
_task: Callable[..., Task[Any]] = Task
if sys.version_info >= (3, 12):
    _task = partial(Task, eager_start=True)


def _create(coro: Coroutine[Any, Any, T], loop: Any, promise: _erlang.Promise) -> Task[T]:
    _set_running_loop(loop)
    token = REQUEST.set(promise)
    try:
        return _task(coro, loop=loop)
    finally:
        REQUEST.reset(token)
        _set_running_loop(None)


def _create_as_if_running(
    coro: Coroutine[Any, Any, T], loop: Any, promise: _erlang.Promise
) -> Task[T]:
    loop._thread_id = get_ident()
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(loop._asyncgen_firstiter_hook, loop._asyncgen_finalizer_hook)
    try:
        return _create(coro, loop, promise)
    finally:
        loop._thread_id = None
        sys.set_asyncgen_hooks(*hooks)


def _nothing() -> None:
    pass


def _abandon(task: Task[Any]) -> None:
    """End a task that does not come to its next step."""
    _say_nothing_of(task)
    _unregister_task(task)
    try:
        task.get_coro().close()
    except Exception:
        logger.exception("a task that was interrupted does not clear up")


def _say_nothing_of(task: Task[Any]) -> None:
    """Keep asyncio from complaining when a task goes that is not done."""
    task._log_destroy_pending = False  # type: ignore[attr-defined]


def _cancel_task_of(coro: Coroutine[Any, Any, Any], loop: ErlangEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        if task.get_coro() is coro:
            loop.requests.pop(task, None)
            task.cancel()


def run_within(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end while what runs on this thread waits for it.

    It gets a loop of its own. The one that runs here cannot go on before this returns.
    """
    loop = _get_running_loop()
    task = None if loop is None else current_task(loop)
    if task is not None:
        _leave_task(loop, task)
    _set_running_loop(None)
    try:
        return run(coro)
    finally:
        _set_running_loop(loop)
        if task is not None:
            _enter_task(loop, task)


def disturbance(number: int) -> type[BaseException] | None:
    """Return what to raise in the task of that request, if that is at work at this moment.

    Called on another thread, so the loops may change meanwhile: then it is not at work.
    """
    try:
        for loop in loops():
            task: Any = current_task(loop)
            if task is None:
                continue
            promise = loop.requests.get(task)
            # One that takes its first step is not among those yet, and has no other way to say
            # whose it is. Before 3.12 none takes a step there.
            if promise is None and sys.version_info >= (3, 12):
                promise = task.get_context().get(REQUEST)
            if promise is not None and promise.id() == number:
                return CancelledError
    except RuntimeError:
        pass
    return None
