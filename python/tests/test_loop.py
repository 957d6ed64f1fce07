"""The event loop, on a poller in plain Python. CPython's own tests run on the native one."""

import asyncio
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from selectors import EVENT_READ, EVENT_WRITE

import pytest

import erlang
from erlang import _native
from erlang._selector import Selector
from support.poller import Poller


@pytest.fixture(autouse=True)
def poller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_native._erlang, "Poller", Poller)


@pytest.fixture
def loop() -> Iterator[erlang.ErlangEventLoop]:
    loop = erlang.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def selector() -> Iterator[Selector]:
    selector = Selector()
    yield selector
    selector.close()


@pytest.fixture
def pair() -> "Iterator[tuple[socket.socket, socket.socket]]":
    one, two = socket.socketpair()
    with one, two:
        yield one, two


async def running() -> str:
    await asyncio.sleep(0)
    return type(asyncio.get_running_loop()).__name__


def test_run_gives_the_result_of_a_coroutine_in_our_loop() -> None:
    assert erlang.run(running()) == "ErlangEventLoop"


def test_run_passes_exceptions_and_debug_on() -> None:
    async def fail() -> None:
        assert asyncio.get_running_loop().get_debug()
        raise KeyError("k")

    with pytest.raises(KeyError):
        erlang.run(fail(), debug=True)


def test_run_takes_coroutines_only_and_none_inside_a_loop() -> None:
    with pytest.raises(ValueError, match="a coroutine was expected"):
        erlang.run(running)  # type: ignore[arg-type]

    async def nested() -> None:
        inner = running()
        with pytest.raises(RuntimeError, match="running event loop"):
            erlang.run(inner)
        inner.close()

    erlang.run(nested())


def test_run_cancels_what_is_left_and_closes_generators() -> None:
    seen = []

    async def sleeper() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            seen.append("task")

    async def generator():  # type: ignore[no-untyped-def]
        try:
            yield 1
        finally:
            seen.append("generator")

    async def main() -> None:
        seen.append(asyncio.create_task(sleeper()))
        seen.append(generator())
        await seen[1].__anext__()
        await asyncio.sleep(0)

    erlang.run(main())
    assert seen[2:] == ["task", "generator"]


def test_other_threads_wake_a_waiting_loop() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(done.set_result, 7))
        thread.start()
        value = await done
        thread.join()
        return value + await loop.run_in_executor(None, int, "35")

    assert erlang.run(main()) == 42


def test_a_closed_loop_says_so_to_other_threads() -> None:
    loop = erlang.new_event_loop()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_soon_threadsafe(print)
    loop._write_to_self()


def test_signals_and_child_processes_are_refused(loop: erlang.ErlangEventLoop) -> None:
    with pytest.raises(NotImplementedError, match="belong to the BEAM"):
        loop.add_signal_handler(signal.SIGTERM, print)
    with pytest.raises(NotImplementedError, match="belong to the BEAM"):
        loop.remove_signal_handler(signal.SIGTERM)
    with pytest.raises(NotImplementedError, match=r"Port\.open/2"):
        loop.run_until_complete(asyncio.create_subprocess_exec("true"))


def test_streams_of_the_standard_library_work() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    async def main() -> bytes:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return answer

    assert erlang.run(main()) == b"hello\n"


def test_readers_may_be_sockets_or_numbers(
    loop: erlang.ErlangEventLoop, pair: "tuple[socket.socket, socket.socket]"
) -> None:
    one, two = pair
    loop.add_reader(one, loop.stop)
    two.send(b"x")
    loop.run_forever()
    assert loop.remove_reader(one.fileno())
    assert not loop.remove_reader(one)


def test_a_selector_keeps_what_it_watches(
    selector: Selector, pair: "tuple[socket.socket, socket.socket]"
) -> None:
    one, two = pair
    key = selector.register(one, EVENT_READ | EVENT_WRITE, "data")
    assert selector.get_key(one) == selector.get_map()[one.fileno()] == key
    assert selector.get_map().get(two) is None
    assert selector.select(0) == [(key, EVENT_WRITE)]
    two.send(b"x")
    key = selector.modify(one, EVENT_READ, "other")
    assert selector.select(None) == [(key, EVENT_READ)]
    with pytest.raises(KeyError):
        selector.register(one.fileno(), EVENT_READ)
    with pytest.raises(ValueError, match="events"):
        selector.register(two, 4)
    assert selector.unregister(one) == key
    with pytest.raises(KeyError):
        selector.unregister(one)


def test_a_file_that_was_closed_can_still_be_unregistered(selector: Selector) -> None:
    one, two = socket.socketpair()
    selector.register(one, EVENT_READ)
    one.close()
    two.close()
    assert selector.unregister(one).fileobj is one
    assert not selector.get_map()
    with pytest.raises(KeyError):
        selector.get_key(two)


def test_while_the_loop_waits_it_is_not_the_running_one(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = []

    class Serving(Poller):
        def select(self, seconds: "float | None") -> "list[tuple[int, int]]":
            if not inner:
                inner.append(None)
                inner[0] = erlang.run(running())
            return super().select(seconds)

    monkeypatch.setattr(_native._erlang, "Poller", Serving)
    assert erlang.run(running()) == "ErlangEventLoop"
    assert inner == ["ErlangEventLoop"]


def test_schedule_can_be_awaited_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_native._erlang, "sleep", lambda seconds: None)
    order = []

    async def other() -> None:
        order.append("other")

    async def main() -> None:
        task = asyncio.create_task(other())
        erlang.schedule()
        order.append("main")
        await erlang.schedule()  # type: ignore[misc]
        order.append("main again")
        await task

    erlang.run(main())
    assert order == ["main", "other", "main again"]
    assert erlang.schedule() is None


@pytest.mark.skipif(sys.version_info < (3, 12), reason="deprecated from 3.12 on")
def test_install_is_deprecated_where_policies_are() -> None:
    with pytest.warns(DeprecationWarning, match=r"erlang\.run\(main\(\)\)") as warned:
        install_and_check()
    assert len(warned) == 1


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="deprecated from 3.12 on")
def test_install_makes_asyncio_use_our_loop() -> None:
    install_and_check()


def install_and_check() -> None:
    try:
        erlang.install()
        assert asyncio.run(running()) == "ErlangEventLoop"
    finally:
        erlang._loop._set_event_loop_policy(None)  # type: ignore[attr-defined]
    assert asyncio.run(running()) != "ErlangEventLoop"


def test_many_functions_of_the_beam_are_awaited_at_once() -> None:
    async def main() -> "list[object]":
        calls = [erlang.async_call("echo", number) for number in range(1000)]
        return await asyncio.gather(*calls)

    assert erlang.run(main()) == [(number,) for number in range(1000)]


def test_what_an_awaited_function_raises_is_raised() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="fail"):
            await erlang.async_call("fail")
        with pytest.raises(TypeError, match="keyword"):
            await erlang.async_call("echo", n=1)

    erlang.run(main())


def test_an_answer_that_nobody_awaits_any_more_is_dropped() -> None:
    async def main() -> object:
        task = asyncio.ensure_future(erlang.async_call("echo", 1))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await erlang.async_call("echo", 2)

    assert erlang.run(main()) == (2,)


def test_on_another_loop_a_thread_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("erlang._loop.call", lambda name, *args: (name, *args))
    assert asyncio.run(erlang.async_call("echo", 1)) == ("echo", 1)
