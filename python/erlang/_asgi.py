"""ASGI applications, called for requests that a web server of the BEAM has received.

``call`` is one exchange, from the request to the whole response. ``begin`` returns when the
response has begun, with a ``Body`` from which its parts are taken one by one.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError, Event, Future, Task
from collections import deque
from importlib import import_module
from urllib.parse import unquote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any, Union

    Message = dict[str, Any]
    App = Callable[
        [dict[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
        Awaitable[None],
    ]
    Headers = list[tuple[bytes, bytes]]
    #: What Elixir tells of a request.
    Request = dict[str, Any]
    Named = Union[str, App]

_VERSIONS = {"version": "3.0", "spec_version": "2.4"}


async def call(app: Named, request: Request) -> tuple[int, Headers, bytes]:
    """Return the whole response: status, headers, body."""
    exchange = await _open(app, request, ahead=None)
    parts: list[bytes] = []
    try:
        status, headers = await exchange.start()
        while True:
            part = await exchange.next()
            if part is None:
                return status, headers, b"".join(parts)
            parts.append(part)
    finally:
        exchange.close()


async def begin(app: Named, request: Request) -> tuple[int, Headers, Body]:
    """Return the response as soon as it has begun."""
    exchange = await _open(app, request, ahead=1)
    try:
        status, headers = await exchange.start()
    except BaseException:
        exchange.close()
        raise
    return status, headers, Body(exchange)


async def shutdown(app: Named) -> None:
    """End the application's life in this loop, if it has begun."""
    lifespan = _lifespans().pop(load(app), None)
    if lifespan is not None:
        await lifespan.stop()


def load(app: Named) -> App:
    """Return the application: ``"module:name"``, or the application itself."""
    if not isinstance(app, str):
        return app
    module, _colon, name = app.partition(":")
    found: Any = import_module(module)
    for part in (name or "app").split("."):
        found = getattr(found, part)
    application: App = found
    return application


class Body:
    """The parts of a response. Dropped, it ends the exchange."""

    def __init__(self, exchange: Exchange) -> None:
        """Take parts from an exchange, which knows nothing of this."""
        self._exchange = exchange

    async def next(self) -> bytes | None:
        """Return the next part, or ``None`` at the end."""
        return await self._exchange.next()

    def close(self) -> None:
        """Tell the application that its client has gone. Idempotent."""
        self._exchange.close()

    def __del__(self) -> None:
        """Close what nobody can take from any more."""
        self.close()


class Exchange:
    """One request, and the application that answers it in a task of its own."""

    def __init__(self, app: App, scope: dict[str, Any], body: bytes, ahead: int | None) -> None:
        """Start the application, which sends ``ahead`` parts at most before they are taken."""
        self._body: bytes | None = body
        self._started: Future[tuple[int, Headers]] = asyncio.get_running_loop().create_future()
        self._parts: deque[bytes] = deque()
        self._ahead = ahead
        self._changed = Event()
        self._is_complete = False
        self._gone = Event()
        self._task: Task[None] = asyncio.create_task(self._run(app, scope))

    async def start(self) -> tuple[int, Headers]:
        """Wait for the response to begin."""
        # Who waits here may be cancelled; the response is not to be.
        return await asyncio.shield(self._started)

    async def next(self) -> bytes | None:
        """Wait for a part of the body; ``None`` at its end."""
        while not self._parts:
            if self._is_complete:
                if self._task.done():
                    self._task.result()
                return None
            await self._change()
        part = self._parts.popleft()
        self._changed.set()
        return part

    def close(self) -> None:
        """The client has gone: what is left of the response is not wanted. Idempotent."""
        self._gone.set()
        if not self._is_complete:
            self._task.cancel()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _run(self, app: App, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._receive, self._send)
            if not self._started.done():
                raise RuntimeError("the ASGI application has returned without a response")
        except Exception as error:
            # Whoever waits for the response gets it.
            if self._started.done():
                raise
            self._started.set_exception(error)
        finally:
            self._started.cancel()
            self._complete()

    def _complete(self) -> None:
        self._is_complete = True
        self._changed.set()

    async def _receive(self) -> Message:
        body, self._body = self._body, None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
            self._started.set_result((message["status"], headers))
        elif message["type"] == "http.response.body" and not self._is_complete:
            part = bytes(message.get("body", b""))
            if part:
                self._parts.append(part)
                self._changed.set()
            if not message.get("more_body", False):
                self._complete()
            while self._ahead is not None and len(self._parts) > self._ahead:
                await self._change()


class Lifespan:
    """The life of an application in one loop: it starts before its first request, and ends when
    the loop is told to end all that runs in it.
    """

    def __init__(self, app: App) -> None:
        """Start the application's own start, if it has one."""
        self.state: dict[str, Any] = {}
        self._begun: Future[None] = asyncio.get_running_loop().create_future()
        self._is_told = False
        self._end = Event()
        self._task = asyncio.create_task(self._run(app))

    async def start(self) -> None:
        """Wait until the application is ready; raises what has kept it from that."""
        await asyncio.shield(self._begun)

    def is_over(self) -> bool:
        """Has it ended, after it had begun?"""
        return self._task.done() and self._is_told

    async def stop(self) -> None:
        """Let the application clear up."""
        self._end.set()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, app: App) -> None:
        scope = {"type": "lifespan", "asgi": _VERSIONS, "state": self.state}
        try:
            await app(scope, self._receive, self._send)
        except Exception:
            # An application that knows no lifespan raises something at once, which is fine.
            if self._begun.done():
                raise
        finally:
            if not self._begun.done():
                self._begun.set_result(None)

    async def _receive(self) -> Message:
        if not self._is_told:
            self._is_told = True
            return {"type": "lifespan.startup"}
        try:
            await self._end.wait()
        except CancelledError:
            # The context closes: there is a second for the application to clear up.
            if self._end.is_set():
                raise
            self._end.set()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete" and not self._begun.done():
            self._begun.set_result(None)
        elif kind == "lifespan.startup.failed" and not self._begun.done():
            reason = message.get("message") or "no reason given"
            self._begun.set_exception(
                RuntimeError(f"the ASGI application has failed to start: {reason}")
            )


def _lifespans() -> dict[App, Lifespan]:
    # They belong to the loop, and go when it goes.
    kept: dict[App, Lifespan] = vars(asyncio.get_running_loop()).setdefault("_erlang_lifespans", {})
    return kept


async def _open(named: Named, request: Request, ahead: int | None) -> Exchange:
    app = load(named)
    lifespans = _lifespans()
    lifespan = lifespans.get(app)
    if lifespan is None or lifespan.is_over():
        lifespan = lifespans[app] = Lifespan(app)
    try:
        await lifespan.start()
    except Exception:
        lifespans.pop(app, None)
        raise
    return Exchange(app, _scope(request, lifespan.state), request["body"], ahead)


def _scope(request: Request, state: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": _VERSIONS,
        "http_version": "1.1",
        "method": request["method"],
        "scheme": request["scheme"],
        "path": unquote(request["path"]),
        "raw_path": request["path"].encode("ascii", "surrogateescape"),
        "query_string": request["query_string"].encode("ascii", "surrogateescape"),
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request["headers"]],
        "client": request["client"],
        "server": request["server"],
        # What the application has put there at its start, and each request may add to.
        "state": state.copy(),
    }
