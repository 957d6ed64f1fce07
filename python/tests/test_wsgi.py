"""WSGI applications, as a web server of the BEAM calls them."""

from collections.abc import Iterator
from typing import Any

import pytest

from erlang import _wsgi

REQUEST = {
    "method": "POST",
    "scheme": "https",
    "path": "/caf%C3%A9",
    "query_string": "q=1",
    "headers": [(b"host", b"here"), (b"content-type", b"text/plain"), (b"x", b"1"), (b"x", b"2")],
    "client": ("127.0.0.1", 1),
    "server": ("localhost", 443),
    "body": b"asked",
}


def test_a_call_gives_the_whole_response() -> None:
    def app(environ: "dict[str, Any]", start_response: Any) -> "list[bytes]":
        start_response("200 OK", [("A", "b")])
        names = ["REQUEST_METHOD", "QUERY_STRING", "HTTP_HOST", "CONTENT_TYPE", "HTTP_X"]
        values = [environ[name] for name in names]
        assert environ["PATH_INFO"].encode("latin-1").decode() == "/café"
        assert environ["wsgi.url_scheme"] == "https"
        assert environ["CONTENT_LENGTH"] == "5"
        return [",".join(values).encode(), b" ", environ["wsgi.input"].read()]

    body = b"POST,q=1,here,text/plain,1,2 asked"
    assert _wsgi.call(app, REQUEST) == (200, [("A", "b")], body)


def test_a_response_that_has_begun_goes_on_part_by_part_and_is_closed() -> None:
    seen: list[str] = []

    def app(_environ: "dict[str, Any]", start_response: Any) -> "Iterator[bytes]":
        write = start_response("404 Not Found", [])
        try:
            write(b"written ")
            yield b"one"
            seen.append("second")
            yield b"two"
        finally:
            seen.append("closed")

    status, headers, parts = _wsgi.begin(app, REQUEST)
    assert (status, headers) == (404, [])
    assert next(parts) + next(parts) == b"written one"
    assert seen == []
    assert next(parts) == b"two"
    parts.close()  # type: ignore[attr-defined]
    assert seen == ["second", "closed"]


def test_what_an_application_does_wrong_is_told() -> None:
    with pytest.raises(RuntimeError, match="start_response"):
        _wsgi.call(lambda _environ, _start: [b""], REQUEST)

    def twice(_environ: "dict[str, Any]", start_response: Any) -> "list[bytes]":
        start_response("200 OK", [])
        start_response("200 OK", [])
        return []

    with pytest.raises(AssertionError):
        _wsgi.call(twice, REQUEST)
