"""``erlang.ErlangEventLoop``, asyncio's own selector loop that waits by means of the BEAM.

All but the wait is the standard library's code: transports, TLS, ``loop.sock_*``, name lookups,
executors. So a loop here does what the documentation of asyncio says.
"""

from __future__ import annotations

import asyncio
import sys
import warnings
from asyncio import AbstractEventLoop
from asyncio.events import _get_running_loop
from weakref import WeakValueDictionary

from erlang._callback import call, no_keywords
from erlang._selector import Selector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable, Collection, Coroutine
    from typing import Any, NoReturn, TypeVar

    from typing_extensions import TypeVarTuple, Unpack

    from erlang._native import _erlang
    from erlang._terms import Fun

    T = TypeVar("T")
    Arguments = TypeVarTuple("Arguments")

if sys.version_info >= (3, 14):
    from asyncio.events import _BaseDefaultEventLoopPolicy as _Policy
    from asyncio.events import _set_event_loop_policy
else:
    from asyncio.events import BaseDefaultEventLoopPolicy as _Policy
    from asyncio.events import set_event_loop_policy as _set_event_loop_policy


class ErlangEventLoop(asyncio.SelectorEventLoop):
    """An event loop whose wait serves the BEAM too.

    There may be any number of them, one running per thread. Signals and child processes are the
    BEAM's, so the methods for them raise ``NotImplementedError``.
    """

    _selector: Selector
    _internal_fds: int
    _ready: Collection[object]
    _scheduled: Collection[object]

    def __init__(self) -> None:
        """Make a loop that is not running yet."""
        #: What the BEAM has asked this loop to run; see ``erlang._tasks``.
        self.requests: dict[asyncio.Task[Any], _erlang.Promise] = {}
        selector = Selector()
        super().__init__(selector)
        _loops[selector.address()] = self

    def run_forever(self) -> None:
        """Run until ``stop()`` is called, and then until what the BEAM has asked for is done."""
        super().run_forever()
        while self.requests:
            self.call_soon(self._look_for_requests)
            super().run_forever()

    def _look_for_requests(self) -> None:
        if self.requests:
            for task in self.requests:
                task.add_done_callback(self._stop_without_requests)
                break
        else:
            self.stop()

    def _stop_without_requests(self, _task: object) -> None:
        self.call_soon(self._look_for_requests)

    def ask(self, target: str | Fun, args: tuple[object, ...]) -> Future[Any]:
        """Have a function of the BEAM called, and return a future for its result."""
        future: Future[Any] = self.create_future()
        self._selector.ask(target, args, future)
        return future

    # Other threads wake the loop by the poller. asyncio's way, a pair of sockets of which one is
    # read, would take three more system calls each time.

    def _make_self_pipe(self) -> None:
        self._ssock = self._csock = None
        self._internal_fds += 1

    def _close_self_pipe(self) -> None:
        self._internal_fds -= 1

    def _write_to_self(self) -> None:
        # The loop may be closed by another thread at any moment.
        selector: Selector | None = self._selector
        if selector is not None:
            selector.wake()

    def add_signal_handler(
        self, sig: int, callback: Callable[[Unpack[Arguments]], Any], *args: Unpack[Arguments]
    ) -> NoReturn:
        """Refuse: signals go to the BEAM."""
        raise NotImplementedError(_SIGNALS)

    def remove_signal_handler(self, sig: int) -> NoReturn:
        """Refuse: signals go to the BEAM."""
        raise NotImplementedError(_SIGNALS)

    async def _make_subprocess_transport(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise NotImplementedError(_CHILDREN)


#: The loops by the addresses of their pollers.
_loops: WeakValueDictionary[int, ErlangEventLoop] = WeakValueDictionary()


def loop_at(address: int) -> ErlangEventLoop:
    """Return the loop that waits with that poller."""
    return _loops[address]


def loops() -> list[ErlangEventLoop]:
    """Return all loops of this interpreter."""
    return list(_loops.values())


_SIGNALS = (
    "signals of this operating system process belong to the BEAM: handle them in Elixir "
    "(System.trap_signal/3) or Erlang (os:set_signal/2), and let that call Python"
)
_CHILDREN = (
    "Python starts no child processes inside the BEAM: use a port (Port.open/2) or System.cmd/3 "
    "in a function registered by Py.register_function, and call that"
)


def new_event_loop() -> ErlangEventLoop:
    """Make an event loop, for ``asyncio.Runner(loop_factory=erlang.new_event_loop)``."""
    return ErlangEventLoop()


async def async_call(name: str | Fun, /, *args: object, **kwargs: object) -> Any:
    """Call a function of the BEAM and await its result, while other tasks of the loop run.

    As ``erlang.call``, but the function runs in a process of its own, so that any number of them
    run at the same time. On a loop that is not an ``ErlangEventLoop``, a thread of the loop's
    executor waits for each.
    """
    if kwargs:
        raise no_keywords(f"erlang.async_call({name!r}, ...)")
    loop = asyncio.get_running_loop()
    if isinstance(loop, ErlangEventLoop):
        return await loop.ask(name, args)
    return await loop.run_in_executor(None, call, name, *args)


def run(main: Coroutine[Any, Any, T], *, debug: bool | None = None) -> T:
    """Run a coroutine in a new ``ErlangEventLoop`` and return its result.

    This is ``asyncio.run`` with another loop: tasks that are left over at the end are cancelled,
    asynchronous generators closed and the default executor shut down.
    """
    if _get_running_loop() is not None:
        raise RuntimeError("erlang.run() cannot be called from a running event loop")
    if not asyncio.iscoroutine(main):
        raise ValueError(f"a coroutine was expected, got {main!r}")
    if sys.version_info >= (3, 11):
        with asyncio.Runner(debug=debug, loop_factory=new_event_loop) as runner:
            return runner.run(main)
    return _run(main, debug)


def _run(main: Coroutine[Any, Any, T], debug: bool | None) -> T:
    # What `asyncio.Runner` does, before it was there.
    loop = new_event_loop()
    try:
        # Until 3.10 locks and queues looked for their loop this way.
        asyncio.set_event_loop(loop)
        if debug is not None:
            loop.set_debug(debug)
        return loop.run_until_complete(main)
    finally:
        try:
            _cancel_the_rest(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


def _cancel_the_rest(loop: AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    # Before the loop runs again: after an interrupt it no longer does.
    for task in tasks:
        task.cancel()

    async def ended() -> None:
        await asyncio.gather(*tasks, return_exceptions=True)

    loop.run_until_complete(ended())
    for task in tasks:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            message = "unhandled exception during erlang.run() shutdown"
            loop.call_exception_handler({"message": message, "exception": error, "task": task})


class EventLoopPolicy(_Policy):
    """The policy by which ``asyncio.run`` and ``asyncio.new_event_loop`` give our loops."""

    def new_event_loop(self) -> ErlangEventLoop:
        """Make an event loop."""
        return new_event_loop()


def install() -> None:
    """Make asyncio use our loops in all of this interpreter.

    Deprecated from Python 3.12 on, as event loop policies are: call ``erlang.run``, or give
    ``loop_factory=erlang.new_event_loop`` to ``asyncio.run`` or ``asyncio.Runner``.
    """
    if sys.version_info >= (3, 12):
        warnings.warn(
            "erlang.install() is deprecated from Python 3.12 on: use erlang.run(main()), or "
            "asyncio.run(main(), loop_factory=erlang.new_event_loop)",
            DeprecationWarning,
            stacklevel=2,
        )
    # Abstract to type checkers for its lack of child watchers, which asyncio does without.
    _set_event_loop_policy(EventLoopPolicy())  # type: ignore[abstract]
