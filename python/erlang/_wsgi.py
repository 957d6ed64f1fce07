"""WSGI applications, called for requests that a web server of the BEAM has received."""

from __future__ import annotations

import sys
from io import BytesIO
from urllib.parse import unquote_to_bytes

from erlang._asgi import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Union

    App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
    Headers = list[tuple[str, str]]
    Named = Union[str, App]


def call(app: Named, request: dict[str, Any]) -> tuple[int, Headers, bytes]:
    """Return the whole response: status, headers, body."""
    status, headers, parts = begin(app, request)
    return status, headers, b"".join(parts)


def begin(app: Named, request: dict[str, Any]) -> tuple[int, Headers, Iterator[bytes]]:
    """Return the response as soon as it has begun, with an iterator over its parts."""
    response = _Response()
    application: Any = load(app)  # type: ignore[arg-type]
    parts = response.parts(application(_environ(request), response.start))
    # An application that is a generator starts its response when its first part is taken.
    first = next(parts, b"")
    if response.status is None:
        raise RuntimeError("the WSGI application has not called start_response()")
    return response.status, response.headers, _with(first, parts)


def _with(first: bytes, parts: Iterator[bytes]) -> Iterator[bytes]:
    try:
        if first:
            yield first
        yield from parts
    finally:
        parts.close()  # type: ignore[attr-defined]


class _Response:
    def __init__(self) -> None:
        self.status: int | None = None
        self.headers: Headers = []
        self._written: list[bytes] = []

    def start(self, status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], None]:
        if self.status is not None and not exc_info:
            raise AssertionError("start_response() was called twice")
        self.status = int(status.split(None, 1)[0])
        self.headers = list(headers)
        return self._written.append

    def parts(self, iterable: Iterable[bytes]) -> Iterator[bytes]:
        try:
            for part in iterable:
                yield from self._take_written()
                if part:
                    yield part
            yield from self._take_written()
        finally:
            close = getattr(iterable, "close", None)
            if close is not None:
                close()

    def _take_written(self) -> list[bytes]:
        written, self._written[:] = self._written[:], []
        return written


def _environ(request: dict[str, Any]) -> dict[str, Any]:
    server, port = request["server"]
    body: bytes = request["body"]
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request["method"],
        "SCRIPT_NAME": "",
        # As PEP 3333 has it: bytes, written as if they were Latin-1.
        "PATH_INFO": unquote_to_bytes(request["path"]).decode("latin-1"),
        "QUERY_STRING": request["query_string"],
        "SERVER_NAME": server,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": request["client"][0],
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request["scheme"],
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        # Each context runs one request at a time, and there may be several contexts.
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in request["headers"]:
        key = name.decode("latin-1").upper().replace("-", "_")
        text = value.decode("latin-1")
        if key == "CONTENT_TYPE":
            environ[key] = text
        elif key != "CONTENT_LENGTH":
            key = f"HTTP_{key}"
            environ[key] = f"{environ[key]},{text}" if key in environ else text
    return environ
