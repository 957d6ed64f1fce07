"""What the packages that people use asyncio for do on our loop, each in a coroutine.

``ssl`` contexts are made from the files of a real certificate, and a relay between client and
server keeps all that was on the wire.
"""

import asyncio
import contextlib
import ssl

SECRET = b"the secret that nobody may read"


def server_context(files):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files["certificate"], files["key"])
    return context


def client_context(files):
    return ssl.create_default_context(cafile=files["authority"])


@contextlib.asynccontextmanager
async def relay(port):
    """Pass bytes on to a port of this machine; gives a port of its own and what has passed."""
    seen = bytearray()

    async def copy(reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                seen.extend(data)
                writer.write(data)
                await writer.drain()
        writer.close()

    async def connected(reader, writer):
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, to_writer), copy(to_reader, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], seen
    finally:
        server.close()


def check_wire(seen):
    # A TLS record: a handshake, of version 3.x.
    assert seen[:2] == b"\x16\x03", bytes(seen[:20])
    assert SECRET not in seen and b"HTTP/1.1" not in seen and len(seen) > len(SECRET)


def check_loop():
    name = type(asyncio.get_running_loop()).__name__
    assert name in ("TaskLoop", "ErlangEventLoop"), name


async def streams(files):
    async def echo(reader, writer):
        writer.write(await reader.readexactly(len(SECRET)))
        await writer.drain()
        writer.close()

    check_loop()
    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context(files))
    async with server, relay(server.sockets[0].getsockname()[1]) as (port, seen):
        tls = {"ssl": client_context(files), "server_hostname": "localhost"}
        reader, writer = await asyncio.open_connection("127.0.0.1", port, **tls)
        writer.write(SECRET)
        answer = await reader.read()
        writer.close()
        check_wire(seen)
        return answer


async def start_tls(files):
    async def upgrade(reader, writer):
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"OK\n")
        await writer.drain()
        await writer.start_tls(server_context(files))
        writer.write(await reader.readexactly(len(SECRET)))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(upgrade, "127.0.0.1", 0)
    async with server, relay(server.sockets[0].getsockname()[1]) as (port, seen):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"OK\n"
        await writer.start_tls(client_context(files), server_hostname="localhost")
        writer.write(SECRET)
        answer = await reader.read()
        writer.close()
        check_wire(bytes(seen).replace(b"STARTTLS\nOK\n", b""))
        return answer


async def aiohttp(files):
    import aiohttp
    from aiohttp import web

    async def echo(request):
        check_loop()
        return web.Response(body=await request.read())

    async def socket(request):
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        async for message in answer:
            await answer.send_bytes(message.data)
        return answer

    app = web.Application()
    app.router.add_post("/", echo)
    app.router.add_get("/socket", socket)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(files))
    await site.start()
    try:
        async with relay(runner.addresses[0][1]) as (port, seen):
            url = f"https://127.0.0.1:{port}"
            tls = {"ssl": client_context(files), "server_hostname": "localhost"}
            async with aiohttp.ClientSession() as session:

                async def post(n):
                    async with session.post(url, data=b"%d" % n, **tls) as response:
                        return await response.read()

                answers = await asyncio.gather(*[post(n) for n in range(50)])
                assert answers == [b"%d" % n for n in range(50)]
                async with session.ws_connect(url + "/socket", **tls) as websocket:
                    await websocket.send_bytes(SECRET)
                    answer = await websocket.receive_bytes()
            check_wire(seen)
            return answer
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def uvicorn_server(app, **options):
    import uvicorn

    config = uvicorn.Config(app, port=0, log_level="error", **options)
    server = uvicorn.Server(config)
    # Signals are the BEAM's.
    server.capture_signals = contextlib.nullcontext
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done(), serving.result()
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving


async def echo_app(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError(scope["type"])
    check_loop()
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def httpx(files):
    import httpx

    tls = {"ssl_certfile": files["certificate"], "ssl_keyfile": files["key"]}
    async with uvicorn_server(echo_app, **tls) as port, relay(port) as (port, seen):
        context = client_context(files)
        # By name, since the certificate is for that.
        async with httpx.AsyncClient(verify=context, trust_env=False) as client:
            url = f"https://localhost:{port}/"
            answers = await asyncio.gather(*[client.post(url, content=SECRET) for _ in range(20)])
            assert {answer.status_code for answer in answers} == {200}
        check_wire(seen)
        return answers[0].content


def anyio(_files):
    import anyio

    import erlang

    async def main():
        check_loop()
        send, receive = anyio.create_memory_object_stream(10)
        async with anyio.create_task_group() as group:
            group.start_soon(send.send, 1)
            assert await receive.receive() == 1
            with anyio.move_on_after(0.01) as scope:
                await anyio.sleep(1000)
            assert scope.cancelled_caught
            with anyio.fail_after(10):
                assert await anyio.to_thread.run_sync(lambda: 2) == 2
            listener = await anyio.create_tcp_listener(local_host="127.0.0.1")

            async def echo(stream):
                async with stream:
                    await stream.send(await stream.receive())

            group.start_soon(listener.serve, echo)
            port = listener.extra(anyio.abc.SocketAttribute.local_port)
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(SECRET)
                answer = await stream.receive()
            group.cancel_scope.cancel()
        return answer

    return anyio.run(main, backend_options={"loop_factory": erlang.new_event_loop})


_stop = None


async def serve(app, report):
    """Serve an application with uvicorn until ``stop`` is called; ``report`` gets the port."""
    global _stop
    _stop = asyncio.Event()
    async with uvicorn_server(app) as port:
        report(port)
        await _stop.wait()


async def serve_starlette(report):
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, PlainTextResponse
    from starlette.routing import Route

    async def greet(request):
        return JSONResponse({"hello": request.path_params["name"]})

    async def ask(request):
        import erlang

        text = await erlang.async_call("loop_greeting", request.query_params["name"])
        return PlainTextResponse(text)

    await serve(Starlette(routes=[Route("/ask", ask), Route("/greet/{name}", greet)]), report)


def stop():
    _stop.set()
