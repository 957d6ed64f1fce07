"""Two small web applications, as anybody would write them."""

import asyncio

from flask import Flask
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route


async def hello(request):
    # Others are answered meanwhile.
    await asyncio.sleep(0.01)
    return PlainTextResponse(f"Hello {request.path_params['name']}, says Starlette\n")


async def count(request):
    async def numbers():
        for number in range(5):
            yield f"{number} "
            await asyncio.sleep(0.01)
        yield "\n"

    return StreamingResponse(numbers(), media_type="text/plain")


starlette_app = Starlette(routes=[Route("/hello/{name}", hello), Route("/count", count)])
flask_app = Flask(__name__)


@flask_app.get("/hello/<name>")
def flask_hello(name):
    return f"Hello {name}, says Flask\n"
