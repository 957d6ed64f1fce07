"""Spans: how long a piece of work takes, within which other one, and what came of it.

Where nobody has called ``Py.Tracer.enable/1``, a span costs a look at a flag. The current span is
a context variable: tasks of asyncio and ``asyncio.to_thread`` inherit it, and a thread that starts
from nothing begins a trace of its own.
"""

from __future__ import annotations

import functools
import os
import time
from contextlib import suppress
from contextvars import ContextVar

from erlang._native import _erlang

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token
    from types import TracebackType
    from typing import Any, TypeVar, overload

    F = TypeVar("F", bound=Callable[..., Any])

_TRACER = "Elixir.Py.Tracer"

# A function with this flag is defined with `async def`; `inspect` would take milliseconds to load.
_COROUTINE = 0x80

# What is no plain value is reported as text of that length, at most.
_LONGEST = 1_000

_current: ContextVar[Span | None] = ContextVar("erlang_span", default=None)


class Span:
    """A piece of work, reported to ``Py.Tracer`` when it ends.

        with erlang.Span("load", table="orders") as span:
            rows = load()
            span.set(rows=len(rows))
            span.event("loaded")

    An exception that leaves it becomes its error. ``async with`` does the same.
    """

    __slots__ = (
        "_clock",
        "_events",
        "_start",
        "_token",
        "attributes",
        "name",
        "parent_id",
        "span_id",
        "trace_id",
    )

    def __init__(self, name: str, /, **attributes: object) -> None:
        self.name = name
        self.attributes = attributes
        self.trace_id: str | None = None
        self.span_id: str | None = None
        self.parent_id: str | None = None
        self._events: list[dict[str, object]] = []
        self._token: Token[Span | None] | None = None

    def set(self, **attributes: object) -> None:
        """Add attributes, or change them."""
        self.attributes.update(attributes)

    def event(self, name: str, /, **attributes: object) -> None:
        """Note that something happened now."""
        if self._token is not None:
            at = (time.perf_counter_ns() - self._clock) // 1_000
            self._events.append({"name": name, "at_us": at, "attributes": _plain_all(attributes)})

    def __enter__(self) -> Span:
        """Begin, within the current span if there is one."""
        if _erlang.is_tracing():
            parent = _current.get()
            self.trace_id = os.urandom(16).hex() if parent is None else parent.trace_id
            self.parent_id = None if parent is None else parent.span_id
            self.span_id = os.urandom(8).hex()
            self._token = _current.set(self)
            self._start = time.time_ns()
            self._clock = time.perf_counter_ns()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End, and report."""
        token, self._token = self._token, None
        if token is None:
            return
        duration = time.perf_counter_ns() - self._clock
        # A generator may be ended elsewhere than where it began; its consumer's span stays.
        with suppress(ValueError):
            _current.reset(token)
        self._report(duration // 1_000, error)

    async def __aenter__(self) -> Span:
        """Begin."""
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End, and report."""
        self.__exit__(kind, error, traceback)

    def _report(self, duration: int, error: BaseException | None) -> None:
        report = {
            "name": self.name,
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "parent_id": self.parent_id,
            "start_us": self._start // 1_000,
            "duration_us": duration,
            "error": None if error is None else _describe(error),
            "attributes": _plain_all(self.attributes),
            "events": self._events,
        }
        # If nobody is there to take it, that is no concern of the work that is traced.
        with suppress(Exception):
            _erlang.send(_TRACER, ("span", report))


if TYPE_CHECKING:

    @overload
    def trace(function: F, /) -> F: ...
    @overload
    def trace(*, name: str | None = None, **attributes: object) -> Callable[[F], F]: ...


def trace(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    **attributes: object,
) -> Any:
    """Make each call of a function a span, from the call to its value, awaited or not.

    @erlang.trace
    def load(): ...

    @erlang.trace(name="orders.load", table="orders")
    async def load(): ...
    """
    if function is None:
        return functools.partial(_traced, name=name, attributes=attributes)
    return _traced(function, name, attributes)


def _traced(
    function: Callable[..., Any], name: str | None, attributes: dict[str, object]
) -> Callable[..., Any]:
    label = name or f"{function.__module__}.{function.__qualname__}"
    code = getattr(function, "__code__", None)
    if code is not None and code.co_flags & _COROUTINE:

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with Span(label, **attributes):
                return await function(*args, **kwargs)

        return awaited

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        with Span(label, **attributes):
            return function(*args, **kwargs)

    return called


def _describe(error: BaseException) -> str:
    text = _safe(error, str)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _plain_all(attributes: dict[str, object]) -> dict[str, object]:
    return {name: _plain(value) for name, value in attributes.items()}


def _plain(value: object) -> object:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) in (list, tuple):
        return [_plain(item) for item in value]  # type: ignore[attr-defined]
    return _safe(value, repr)


def _safe(value: object, show: Callable[[object], str]) -> str:
    try:
        return show(value)[:_LONGEST]
    except Exception:
        return f"<{type(value).__name__}>"
