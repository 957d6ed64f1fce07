"""The application of the guide's examples for ASGI and WSGI."""

from __future__ import annotations

from typing import Any


def handle_request(scope: dict[str, Any]) -> dict[str, Any]:
    """Answer a request that is described as in ASGI."""
    return {"status": 200, "body": f"{scope['method']} {scope['path']} over {scope['type']}"}


def wsgi_app(environ: dict[str, str]) -> list[str]:
    """Answer a request that is described as in WSGI; the standard library reads the rest."""
    from wsgiref.util import request_uri

    environ.setdefault("wsgi.url_scheme", "http")
    return ["200 OK", f"{environ['REQUEST_METHOD']} {request_uri(environ)}"]
