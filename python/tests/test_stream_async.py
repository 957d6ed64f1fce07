"""Streams of asynchronous iterables: one event loop and one task for each, closed at the end."""

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from erlang import _stream

LONG = 60.0


class Traced:
    """An asynchronous generator that tells how far it is, and in which task."""

    def __init__(self, count: int = 10) -> None:
        self.steps: list[Any] = []
        self.tasks: set[Any] = set()
        self.loop: Any = None
        self.count = count

    async def run(self) -> AsyncIterator[int]:
        self.loop = asyncio.get_running_loop()
        try:
            for number in range(self.count):
                await asyncio.sleep(0)
                self.steps.append(number)
                self.tasks.add(asyncio.current_task())
                yield number
        finally:
            await asyncio.sleep(0)
            self.tasks.add(asyncio.current_task())
            self.steps.append("closed")


class Counter:
    """An asynchronous iterator that is no generator."""

    def __init__(self, *failure: BaseException, last: int = 3) -> None:
        self.count = 0
        self.last = last
        self.failure = failure

    def __aiter__(self) -> "Counter":
        return self

    async def __anext__(self) -> int:
        self.count += 1
        if self.count <= self.last:
            return self.count
        raise next(iter(self.failure), StopAsyncIteration())


def everything(stream: _stream.Stream) -> list[Any]:
    taken = []
    more = True
    while more:
        items, more = stream.take(1000, LONG)
        taken += items
    return taken


def test_an_asynchronous_generator_is_a_stream() -> None:
    traced = Traced(2500)
    assert everything(_stream.open(traced.run())) == list(range(2500))
    assert traced.loop.is_closed()


def test_all_of_it_runs_in_one_task() -> None:
    traced = Traced(20)
    everything(_stream.open(traced.run()))
    assert traced.steps[-1] == "closed"
    assert len(traced.tasks) == 1


def test_an_asynchronous_iterator_is_a_stream() -> None:
    assert everything(_stream.open(Counter())) == [1, 2, 3]


def test_what_iterates_both_ways_is_taken_in_the_plain_one() -> None:
    class Both(Counter):
        def __iter__(self) -> Any:
            return iter("plain")

    assert everything(_stream.open(Both())) == list("plain")


def test_a_coroutine_is_not_iterable() -> None:
    async def coroutine() -> None: ...

    made = coroutine()
    with pytest.raises(TypeError, match="'coroutine' object is not iterable"):
        _stream.open(made)
    made.close()


@pytest.mark.parametrize("taken", [1, 3])
def test_closing_runs_the_finally_block_and_closes_the_loop(taken: int) -> None:
    traced = Traced()
    stream = _stream.open(traced.run())
    stream.take(1, LONG)
    stream.take(taken, LONG)
    stream.close()
    stream.close()
    assert traced.steps[-1] == "closed"
    assert len(traced.tasks) == 1
    assert traced.loop.is_closed()
    assert stream.take(1, LONG) == ([], False)


def test_a_stream_that_nobody_took_from_needs_no_loop() -> None:
    traced = Traced()
    _stream.open(traced.run()).close()
    assert traced.steps == []


def test_dropping_the_stream_closes_it() -> None:
    traced = Traced()
    stream = _stream.open(traced.run())
    stream.take(1, LONG)
    del stream
    gc.collect()
    assert traced.steps == [0, "closed"]


def test_items_before_an_exception_are_handed_over_first() -> None:
    stream = _stream.open(Counter(ValueError("after two"), last=2))
    assert stream.take(1000, LONG) == ([1], True)
    assert stream.take(1000, LONG) == ([2], True)
    with pytest.raises(ValueError, match="after two"):
        stream.take(1000, LONG)
    assert stream.take(1000, LONG) == ([], False)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_what_is_no_ordinary_exception_ends_the_request_at_once(kind: type[BaseException]) -> None:
    stream = _stream.open(Counter(kind(), last=2))
    stream.take(1000, LONG)
    with pytest.raises(kind):
        stream.take(1000, LONG)
    assert stream.take(1, LONG) == ([], False)


def test_an_interrupt_outside_of_the_generator_closes_it_where_it_is() -> None:
    """As the BEAM's interrupts do, this one hits whatever Python code runs: the event loop."""
    steps: list[str] = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    async def generator() -> AsyncIterator[int]:
        yield 1
        asyncio.get_running_loop().call_soon(interrupt)
        try:
            await asyncio.sleep(LONG)
            yield 2
        except asyncio.CancelledError:
            steps.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0)
            steps.append("closed")

    stream = _stream.open(generator())
    stream.take(1, LONG)
    with pytest.raises(KeyboardInterrupt):
        stream.take(1, LONG)
    assert steps == ["cancelled", "closed"]
    assert stream.take(1, LONG) == ([], False)


def test_tasks_that_the_generator_leaves_behind_are_cancelled() -> None:
    left: list[Any] = []

    async def generator() -> AsyncIterator[int]:
        left.append(asyncio.ensure_future(asyncio.sleep(LONG)))
        yield 1

    assert everything(_stream.open(generator())) == [1]
    assert left[0].cancelled()


def test_a_stream_can_be_taken_from_inside_another_event_loop() -> None:
    traced = Traced(3)

    async def main() -> list[Any]:
        task = asyncio.current_task()
        items = everything(_stream.open(traced.run()))
        assert asyncio.current_task() is task
        await asyncio.sleep(0)
        return items

    assert asyncio.run(main()) == [0, 1, 2]
    assert traced.steps[-1] == "closed"
