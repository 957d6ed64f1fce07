"""Coroutines that the BEAM has asked for. Here nothing drives the loop but the test."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest

import erlang
from erlang import _native, _tasks
from erlang._request import REQUEST
from erlang._tasks import Tasks, disturbance, run_within
from support.poller import Poller
from support.promise import Promise

eager = pytest.mark.skipif(sys.version_info < (3, 12), reason="needs eager tasks")


@pytest.fixture(autouse=True)
def poller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_native._erlang, "Poller", Poller)


@pytest.fixture
def tasks() -> Iterator[Tasks]:
    tasks = Tasks()
    yield tasks
    tasks.close()


def start(
    tasks: Tasks, coro: "Coroutine[Any, Any, Any]", poller: int = 0, seconds: float = -1.0
) -> "tuple[Any, bool]":
    promise: Any = Promise()
    return promise, tasks.start(coro, promise, poller, seconds)


def run(tasks: Tasks, coro: "Coroutine[Any, Any, Any]", seconds: float = -1.0) -> Any:
    promise, _drive = start(tasks, coro, seconds=seconds)
    tasks.drive()
    return promise


async def nap(value: object, seconds: float = 0) -> object:
    await asyncio.sleep(seconds)
    return value


async def fail() -> None:
    raise KeyError("k")


def test_the_result_of_a_task_is_the_answer(tasks: Tasks) -> None:
    assert run(tasks, nap(1)).answer == ("ok", 1)
    assert run(tasks, fail()).answer == ("error", KeyError)
    assert tasks.loop.is_settled()


@eager
def test_what_does_not_wait_is_done_at_once(tasks: Tasks) -> None:
    async def where() -> "tuple[bool, bool]":
        task = asyncio.current_task()
        return asyncio.get_running_loop() is tasks.loop, task is not None

    promise, drive = start(tasks, where())
    assert promise.answer == ("ok", (True, True))
    assert not drive
    assert start(tasks, nap(1))[1]


@eager
def test_an_exception_that_ends_all_comes_out_of_the_first_step(tasks: Tasks) -> None:
    async def leave() -> None:
        sys.exit(3)

    with pytest.raises(SystemExit):
        start(tasks, leave())
    assert run(tasks, nap(1)).answer == ("ok", 1)


def test_an_exit_in_a_later_step_is_the_answer_of_that_task_alone(tasks: Tasks) -> None:
    async def leave() -> None:
        await asyncio.sleep(0)
        sys.exit(3)

    leaving, _drive = start(tasks, leave())
    other, _drive = start(tasks, nap(1, 0.001))
    tasks.drive()
    assert leaving.answer == ("error", SystemExit)
    assert other.answer == ("ok", 1)


def test_a_task_and_those_it_starts_know_their_request(tasks: Tasks) -> None:
    async def who() -> int:
        await asyncio.sleep(0)
        return REQUEST.get().id()

    async def both() -> "tuple[int, int]":
        return await who(), await asyncio.create_task(who())

    one, _drive = start(tasks, both())
    two, _drive = start(tasks, both())
    tasks.drive()
    for promise in (one, two):
        assert promise.answer == ("ok", (promise.id(), promise.id()))
    assert REQUEST.get(None) is None


def test_the_loop_runs_while_anything_is_left_in_it(tasks: Tasks) -> None:
    seen = []

    async def leave_things_behind() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(0.002, seen.append, "timer")
        loop.call_later(1000, seen.append, "never").cancel()
        erlang.spawn_task(nap("task", 0.001)).add_done_callback(
            lambda task: seen.append(task.result())
        )

    assert run(tasks, leave_things_behind()).answer == ("ok", None)
    assert sorted(seen) == ["task", "timer"]


def test_tasks_that_wait_for_one_another_are_something_left(tasks: Tasks) -> None:
    async def main() -> None:
        event = asyncio.Event()
        asyncio.get_running_loop().call_later(0.001, event.set)
        erlang.spawn_task(event.wait()).add_done_callback(lambda _task: seen.append(1))

    seen: list[int] = []
    run(tasks, main())
    assert seen == [1]


def test_a_user_who_stops_or_closes_the_loop_harms_nobody(tasks: Tasks) -> None:
    async def stop() -> None:
        asyncio.get_running_loop().stop()

    stopping, _drive = start(tasks, stop())
    other, _drive = start(tasks, nap(1, 0.001))
    tasks.drive()
    assert (stopping.answer, other.answer) == (("ok", None), ("ok", 1))
    tasks.loop.close()
    assert run(tasks, nap(2)).answer == ("ok", 2)


def test_a_task_is_cancelled_and_clears_up(tasks: Tasks) -> None:
    seen = []

    async def wait() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(0)
            seen.append("cleared up")

    promise, _drive = start(tasks, wait())
    tasks.loop.call_soon(tasks.cancel, promise.id())
    tasks.loop.call_soon(tasks.cancel, -1)
    tasks.drive()
    assert promise.answer == ("error", asyncio.CancelledError)
    assert seen == ["cleared up"]


def test_a_task_has_a_time_of_its_own(tasks: Tasks) -> None:
    late = run(tasks, nap(1, 1000), seconds=0.001)
    assert (late.answer, late.stopped) == (("error", asyncio.CancelledError), ["timeout"])
    quick = run(tasks, nap(1, 0.001), seconds=1000)
    assert (quick.answer, quick.stopped) == (("ok", 1), [])
    assert tasks.loop.is_settled()


async def interrupt() -> None:
    await asyncio.sleep(0)
    raise KeyboardInterrupt


def test_an_interrupt_while_a_task_is_made_leaves_it_to_clear_up(
    tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    async def wait() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            seen.append("cleared up")

    def interrupt() -> int:
        raise KeyboardInterrupt

    promise: Any = Promise()
    monkeypatch.setattr(promise, "id", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tasks.start(wait(), promise, 0, -1.0)
    tasks.drive()
    assert tasks.loop.is_settled()
    # Before 3.12 it has not even begun.
    assert seen == (["cleared up"] if sys.version_info >= (3, 12) else [])


def drive_through_interrupt(tasks: Tasks, reason: str = "interrupted") -> None:
    with pytest.raises(KeyboardInterrupt):
        tasks.drive()
    tasks.interrupted(reason)
    tasks.drive()
    assert tasks.loop.is_settled()


@pytest.mark.parametrize("reason", ["interrupted", "out_of_memory"])
def test_an_interrupt_cancels_all(tasks: Tasks, reason: str) -> None:
    one, _drive = start(tasks, nap(1, 1000))
    hit, _drive = start(tasks, interrupt())
    drive_through_interrupt(tasks, reason)
    assert (one.answer, one.stopped) == (("error", asyncio.CancelledError), [reason])
    assert (hit.answer, hit.stopped) == (("error", KeyboardInterrupt), [reason])


def test_an_interrupt_of_what_was_cancelled_spares_the_others(tasks: Tasks) -> None:
    one, _drive = start(tasks, nap(1, 0.001))
    hit, _drive = start(tasks, interrupt())
    hit.cancelled = True
    drive_through_interrupt(tasks)
    assert one.answer == ("ok", 1)


def lose_what_is_ready(tasks: Tasks) -> None:
    """As an interrupt does between two things that a loop calls."""
    tasks.loop._ready.clear()  # type: ignore[attr-defined]
    raise KeyboardInterrupt


def test_an_interrupt_before_a_task_is_seen_to_be_done_takes_no_answer_away(tasks: Tasks) -> None:
    async def done() -> int:
        await asyncio.sleep(0)
        tasks.loop.call_soon(lose_what_is_ready, tasks)
        return 1

    promise, _drive = start(tasks, done())
    drive_through_interrupt(tasks)
    assert promise.answer == ("ok", 1)


def start_and_lose(tasks: Tasks, clear_up: "Callable[[], object]") -> Any:
    """Start a task whose next step is lost when the loop runs."""
    gate = tasks.loop.create_future()

    async def wait() -> None:
        try:
            await gate
        finally:
            clear_up()

    def open_and_lose() -> None:
        gate.set_result(None)
        lose_what_is_ready(tasks)

    promise, _drive = start(tasks, wait())
    tasks.loop.call_soon(open_and_lose)
    return promise


def test_a_task_that_loses_its_next_step_to_an_interrupt_is_given_up(
    tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def clear_up() -> None:
        seen.append("cleared up")
        # Which is logged, and of no consequence.
        raise KeyError

    monkeypatch.setattr(_tasks, "CLEARING_UP", 0.01)
    promise = start_and_lose(tasks, clear_up)
    drive_through_interrupt(tasks)
    assert promise.answer == ("error", asyncio.CancelledError)
    assert promise.stopped == ["interrupted"]
    assert seen == ["cleared up"]


def test_a_second_interrupt_may_hit_what_gives_a_task_up(
    tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_tasks, "CLEARING_UP", 0)
    promise = start_and_lose(tasks, lambda: None)
    with pytest.raises(KeyboardInterrupt):
        tasks.drive()
    tasks.interrupted("interrupted")
    tasks.loop.call_soon(lose_what_is_ready, tasks)
    drive_through_interrupt(tasks)
    assert promise.answer == ("error", asyncio.CancelledError)


def test_at_the_end_all_is_cancelled(tasks: Tasks) -> None:
    promise, _drive = start(tasks, nap(1, 1000))
    tasks.drive_to_end()
    assert promise.answer == ("error", asyncio.CancelledError)


def test_an_asynchronous_generator_belongs_to_the_loop(tasks: Tasks) -> None:
    seen = []

    async def generate() -> "AsyncIterator[int]":
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            seen.append("closed")

    async def first() -> int:
        async for item in generate():
            return item
        return 0

    assert run(tasks, first()).answer == ("ok", 1)
    assert seen == ["closed"]


def test_a_loop_that_waits_takes_the_task_and_ends_after_it(tasks: Tasks) -> None:
    async def main() -> "tuple[Any, bool]":
        loop: Any = asyncio.get_running_loop()
        asyncio.events._set_running_loop(None)
        try:
            return start(tasks, nap("guest", 0.001), poller=loop._selector.address())
        finally:
            asyncio.events._set_running_loop(loop)

    promise, drive = erlang.run(main())
    assert promise.answer == ("ok", "guest")
    assert not drive


def test_a_coroutine_runs_within_the_step_of_another(tasks: Tasks) -> None:
    async def outer() -> object:
        await asyncio.sleep(0)
        inner = run_within(nap("inner"))
        task = asyncio.current_task()
        assert task is not None and task.get_loop() is asyncio.get_running_loop()
        return inner

    assert run(tasks, outer()).answer == ("ok", "inner")
    assert run_within(nap(1)) == 1


def test_only_a_task_at_work_is_disturbed(tasks: Tasks) -> None:
    async def look(number: int) -> object:
        await asyncio.sleep(0)
        return disturbance(number or REQUEST.get().id())

    assert run(tasks, look(0)).answer == ("ok", asyncio.CancelledError)
    assert run(tasks, look(-1)).answer == ("ok", None)
