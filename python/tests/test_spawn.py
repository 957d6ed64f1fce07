"""Tasks that run by themselves, in a loop that runs or in the background."""

import asyncio
import gc
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import Any

import pytest

import erlang
from erlang import _native, _spawn
from support.poller import Poller


@pytest.fixture(autouse=True)
def background(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A background loop of the test's own."""
    monkeypatch.setattr(_native._erlang, "Poller", Poller)
    background = _spawn._Background()
    monkeypatch.setattr(_spawn, "_background", background)
    yield background
    background.stop()


async def thread() -> str:
    await asyncio.sleep(0)
    return threading.current_thread().name


def test_plain_code_spawns_into_the_background() -> None:
    spawned = erlang.spawn_task(thread())
    assert isinstance(spawned, erlang.SpawnedTask)
    assert spawned.result(20) == "erlang.spawn_task"


def test_a_background_task_can_be_awaited() -> None:
    spawned: Any = erlang.spawn_task(thread())

    async def main() -> str:
        return await spawned

    assert erlang.run(main()) == "erlang.spawn_task"


def test_a_task_in_a_running_loop_is_one_of_that_loop() -> None:
    async def main() -> "tuple[bool, str]":
        task = erlang.spawn_task(thread(), "by name")
        assert isinstance(task, asyncio.Task)
        return task.get_name() == "by name", await task

    assert erlang.run(main()) == (True, threading.current_thread().name)


def test_a_running_loop_keeps_its_tasks() -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        async def wait() -> None:
            # Nothing but the task and this future refer to each other.
            loop.call_later(0.01, asyncio.current_task().cancel)  # type: ignore[union-attr]
            try:
                await loop.create_future()
            finally:
                done.set_result("kept")

        erlang.spawn_task(wait())
        await asyncio.sleep(0)
        gc.collect()
        return str(await done)

    assert erlang.run(main()) == "kept"


def test_cancelling_runs_finally_blocks() -> None:
    started, ended = threading.Event(), threading.Event()

    async def wait() -> None:
        try:
            started.set()
            await asyncio.sleep(1000)
        finally:
            ended.set()

    spawned = erlang.spawn_task(wait())
    assert started.wait(20)
    assert spawned.cancel()
    assert ended.wait(20)
    with pytest.raises(CancelledError):
        spawned.result()


def test_the_end_of_the_interpreter_ends_the_tasks(background: Any) -> None:
    started, ended = threading.Event(), []

    async def wait() -> None:
        try:
            started.set()
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    spawned = erlang.spawn_task(wait())
    assert started.wait(20)
    background.stop()
    assert ended == [True]
    assert spawned.cancelled()
    assert not background._thread.is_alive()
    # Later ones get a loop of their own.
    assert erlang.spawn_task(thread()).result() == "erlang.spawn_task"


async def fail() -> None:
    raise KeyError("k")


def test_exceptions_reach_those_who_ask(caplog: pytest.LogCaptureFixture) -> None:
    spawned: Any = erlang.spawn_task(fail())
    with pytest.raises(KeyError):
        spawned.result(20)
    del spawned
    gc.collect()
    assert not caplog.records


def test_exceptions_nobody_asks_for_are_logged(
    background: Any, caplog: pytest.LogCaptureFixture
) -> None:
    erlang.spawn_task(fail())
    background.stop()
    gc.collect()
    assert "never retrieved" in caplog.text
    assert "KeyError: 'k'" in caplog.text


def test_only_coroutines_can_be_spawned() -> None:
    with pytest.raises(TypeError, match="a coroutine was expected"):
        erlang.spawn_task(thread)  # type: ignore[arg-type]
