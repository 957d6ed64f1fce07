"""ASGI applications, as a web server of the BEAM calls them."""

import asyncio
import sys
from types import ModuleType
from typing import Any

import pytest

from erlang import _asgi

REQUEST = {
    "method": "POST",
    "scheme": "http",
    "path": "/a%20b",
    "query_string": "q=1",
    "headers": [(b"X-Thing", b"1")],
    "client": ("127.0.0.1", 1),
    "server": ("localhost", 80),
    "body": b"asked",
}


class App:
    """Does what the test says, and notes what happens to it."""

    def __init__(self, *parts: bytes, startup: str = "lifespan.startup.complete") -> None:
        self.parts = parts or (b"hello ", b"world")
        self.startup = startup
        self.seen: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.live(scope, receive, send)
            return
        self.seen.append(scope)
        self.seen.append(await receive())
        await send({"type": "http.response.start", "status": 201, "headers": [(b"a", b"b")]})
        try:
            for part in self.parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
                self.seen.append(part)
            await send({"type": "http.response.body"})
            await asyncio.sleep(0)
            self.seen.append("afterwards")
        except asyncio.CancelledError:
            self.seen.append("cancelled")
            raise

    async def live(self, scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "lifespan.startup"
        scope["state"]["shared"] = self.seen
        self.seen.append("startup")
        await send({"type": self.startup, "message": "no database"})
        if self.startup == "lifespan.startup.complete":
            assert (await receive())["type"] == "lifespan.shutdown"
            await asyncio.sleep(0)
            self.seen.append("shutdown")
            await send({"type": "lifespan.shutdown.complete"})


def test_a_call_gives_the_whole_response() -> None:
    app = App()

    async def main() -> Any:
        return await _asgi.call(app, REQUEST), await _asgi.call(app, REQUEST)

    one, two = asyncio.run(main())
    assert one == two == (201, [(b"a", b"b")], b"hello world")
    startup, scope, message = app.seen[:3]
    assert startup == "startup"
    assert (scope["method"], scope["path"], scope["raw_path"]) == ("POST", "/a b", b"/a%20b")
    assert (scope["query_string"], scope["headers"]) == (b"q=1", [(b"x-thing", b"1")])
    assert scope["state"]["shared"] is app.seen
    assert message == {"type": "http.request", "body": b"asked", "more_body": False}
    assert app.seen.count("startup") == 1
    # The loop's end is the application's.
    assert app.seen[-1] == "shutdown"


def test_what_comes_after_the_response_goes_on() -> None:
    app = App()

    async def main() -> None:
        await _asgi.call(app, REQUEST)
        await asyncio.sleep(0.01)

    asyncio.run(main())
    assert "afterwards" in app.seen


def test_a_body_is_taken_part_by_part_and_holds_the_application_back() -> None:
    app = App(*[b"%d" % number for number in range(5)])

    async def main() -> "list[Any]":
        status, _headers, body = await _asgi.begin(app, REQUEST)
        assert status == 201
        for _ in range(5):
            await asyncio.sleep(0)
        assert app.seen.count(b"4") == 0
        return [await body.next() for _ in range(7)]

    assert asyncio.run(main()) == [b"0", b"1", b"2", b"3", b"4", None, None]


def test_closing_a_body_cancels_the_application() -> None:
    app = App(b"1", b"2", b"3", b"4")

    async def main() -> None:
        _status, _headers, body = await _asgi.begin(app, REQUEST)
        assert await body.next() == b"1"
        body.close()
        body.close()
        await asyncio.sleep(0.001)

    asyncio.run(main())
    assert "cancelled" in app.seen


def test_what_an_application_raises_is_raised() -> None:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        if scope["method"] == "GET":
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
        elif scope["method"] == "PUT":
            return
        raise KeyError("broken")

    async def main() -> None:
        for call in (_asgi.call, _asgi.begin):
            with pytest.raises(KeyError):
                await call(app, REQUEST)
        with pytest.raises(RuntimeError, match="without a response"):
            await _asgi.call(app, {**REQUEST, "method": "PUT"})
        with pytest.raises(KeyError):
            await _asgi.call(app, {**REQUEST, "method": "GET"})
        _status, _headers, body = await _asgi.begin(app, {**REQUEST, "method": "GET"})
        assert await body.next() == b"half"
        with pytest.raises(KeyError):
            await body.next()

    asyncio.run(main())


def test_a_cancelled_call_cancels_the_application() -> None:
    seen = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        assert scope["type"] == "http"
        try:
            await asyncio.sleep(1000)
        finally:
            seen.append("cleared up")

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(_asgi.call(app, REQUEST), 0.01)

    asyncio.run(main())
    assert seen == ["cleared up"]


def test_an_application_that_does_not_start_says_why_each_time() -> None:
    app = App(startup="lifespan.startup.failed")

    async def main() -> None:
        for _ in range(2):
            with pytest.raises(RuntimeError, match="no database"):
                await _asgi.call(app, REQUEST)

    asyncio.run(main())
    assert app.seen == ["startup", "startup"]


def test_a_lifespan_ends_when_told_and_begins_again() -> None:
    app = App()

    async def main() -> None:
        await _asgi.shutdown(app)
        await _asgi.call(app, REQUEST)
        await _asgi.shutdown(app)
        assert app.seen[-1] == "shutdown"
        await _asgi.call(app, REQUEST)

    asyncio.run(main())
    assert app.seen.count("startup") == app.seen.count("shutdown") == 2


def test_an_application_is_found_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("asgi_here")
    module.app = module.other = App()
    monkeypatch.setitem(sys.modules, "asgi_here", module)
    assert _asgi.load("asgi_here") is module.app
    assert _asgi.load("asgi_here:other") is module.app
    assert _asgi.load(module.app) is module.app
    with pytest.raises(AttributeError):
        _asgi.load("asgi_here:nothing")
