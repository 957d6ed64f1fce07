"""What `bench/asyncio.exs` measures of an event loop: stdlib's, uvloop's or ours."""

import asyncio
import importlib
from time import perf_counter


def loop_named(name):
    module = importlib.import_module({"stdlib": "asyncio"}.get(name, name))
    return module.new_event_loop() if name != "stdlib" else asyncio.SelectorEventLoop()


def has(name):
    try:
        loop_named(name).close()
    except ImportError:
        return False
    return True


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


def serve(name, report):
    """Echo until a connection is closed on the other port."""

    async def main():
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        class Stop(asyncio.Protocol):
            def connection_lost(self, error):
                done.set()

        ports = []
        for protocol in (Echo, Stop):
            server = await loop.create_server(protocol, "127.0.0.1", 0, backlog=1024)
            ports.append(server.sockets[0].getsockname()[1])
        report(*ports)
        await done.wait()

    run(name, main())


def run(name, coroutine):
    loop = loop_named(name)
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(coroutine)
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def switches(count):
    for _ in range(count):
        await asyncio.sleep(0)


async def timers(count):
    loop = asyncio.get_running_loop()
    left, done = count, loop.create_future()

    def fire():
        nonlocal left
        left -= 1
        if left == 0:
            done.set_result(None)

    for number in range(count):
        loop.call_later(number % 1000 / 1e6, fire)
    await done


async def callbacks(count):
    loop = asyncio.get_running_loop()
    left, done = count, loop.create_future()

    def call():
        nonlocal left
        left -= 1
        if left == 0:
            done.set_result(None)
        else:
            loop.call_soon(call)

    call()
    await done


def rate(name, what, count):
    start = perf_counter()
    run(name, globals()[what](count))
    return count / (perf_counter() - start)


def gathered(function, count, times):
    """Coroutines a second that asyncio runs by itself, so many at a time."""

    async def main():
        for _ in range(times):
            await asyncio.gather(*map(globals()[function], range(count)))

    start = perf_counter()
    run("stdlib", main())
    return count * times / (perf_counter() - start)


async def value(number):
    return number


async def nap(number):
    await asyncio.sleep(0)
    return number


async def wait_for_ever():
    await asyncio.Event().wait()
