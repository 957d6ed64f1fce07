"""Streams of plain iterables: how many items at a time, and what happens at the end."""

import gc
import io
from collections.abc import Iterator
from typing import Any

import pytest

from erlang import _stream

#: Seconds that no test lasts.
LONG = 60.0


def batches(stream: _stream.Stream, max_items: int = 1000, max_seconds: float = LONG) -> list[Any]:
    """What the takes return until there is no more."""
    taken = []
    more = True
    while more:
        items, more = stream.take(max_items, max_seconds)
        taken.append(items)
    return taken


def everything(stream: _stream.Stream, max_items: int = 1000) -> list[Any]:
    return [item for items in batches(stream, max_items) for item in items]


class Traced:
    """A generator that tells how far it is."""

    def __init__(self, count: int = 10) -> None:
        self.steps: list[Any] = []
        self.count = count

    def run(self) -> Iterator[int]:
        try:
            for number in range(self.count):
                self.steps.append(number)
                yield number
        finally:
            self.steps.append("closed")


class Old:
    """Iterable by its indexes, as before iterators were invented."""

    def __getitem__(self, index: int) -> int:
        if index < 3:
            return index
        raise IndexError(index)


@pytest.mark.parametrize(
    ("iterable", "expected"),
    [
        (range(2500), list(range(2500))),
        ([], []),
        ({"a": 1, "b": 2}, ["a", "b"]),
        ("abc", ["a", "b", "c"]),
        (iter([1, 2]), [1, 2]),
        (Old(), [0, 1, 2]),
        (io.StringIO("one\ntwo\n"), ["one\n", "two\n"]),
    ],
)
def test_every_iterable_is_a_stream(iterable: Any, expected: list[Any]) -> None:
    assert everything(_stream.open(iterable)) == expected


@pytest.mark.parametrize("value", [42, None, object()])
def test_what_cannot_be_iterated_over_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=f"'{type(value).__name__}' object is not iterable"):
        _stream.open(value)


def test_a_stream_starts_with_single_items_and_grows() -> None:
    sizes = [len(items) for items in batches(_stream.open(range(40)), max_items=8)]
    assert sizes == [1, 2, 4, 8, 8, 8, 8, 1]


def test_no_take_has_more_items_than_asked_for() -> None:
    stream = _stream.open(range(100))
    for _ in range(5):
        stream.take(1000, LONG)
    assert stream.take(3, LONG) == ([31, 32, 33], True)


def test_a_slow_stream_gives_each_item_at_once() -> None:
    assert batches(_stream.open("abc"), max_seconds=0) == [["a"], ["b"], ["c"], []]


def test_a_stream_that_slows_down_gets_smaller_bites() -> None:
    stream = _stream.open(range(100))
    for _ in range(4):
        stream.take(1000, LONG)
    assert stream.take(1000, 0) == ([15], True)
    assert stream.take(1000, LONG) == ([16], True)
    assert stream.take(1000, LONG) == ([17, 18], True)


def test_nothing_is_produced_before_it_is_taken() -> None:
    traced = Traced()
    stream = _stream.open(traced.run())
    assert traced.steps == []
    stream.take(1000, LONG)
    assert traced.steps == [0]


def test_closing_runs_the_finally_block() -> None:
    traced = Traced()
    stream = _stream.open(traced.run())
    stream.take(1000, LONG)
    stream.close()
    stream.close()
    assert traced.steps == [0, "closed"]
    assert stream.take(1000, LONG) == ([], False)


def test_what_the_finally_block_raises_is_told() -> None:
    def generator() -> Iterator[int]:
        try:
            yield 1
        finally:
            raise ValueError("in finally")

    stream = _stream.open(generator())
    stream.take(1, LONG)
    with pytest.raises(ValueError, match="in finally"):
        stream.close()


def test_dropping_the_stream_closes_it() -> None:
    traced = Traced()
    generator = traced.run()
    stream = _stream.open(generator)
    stream.take(1, LONG)
    del stream
    gc.collect()
    assert traced.steps == [0, "closed"]


def test_a_file_stays_open() -> None:
    file = io.StringIO("one\ntwo\n")
    stream = _stream.open(file)
    stream.take(1, LONG)
    stream.close()
    assert file.readline() == "two\n"


def test_items_before_an_exception_are_handed_over_first() -> None:
    def generator() -> Iterator[int]:
        yield from (1, 2)
        raise ValueError("after two")

    stream = _stream.open(generator())
    assert stream.take(1000, LONG) == ([1], True)
    assert stream.take(1000, LONG) == ([2], True)
    with pytest.raises(ValueError, match="after two"):
        stream.take(1000, LONG)
    assert stream.take(1000, LONG) == ([], False)


def test_an_exception_without_items_before_it_is_raised_at_once() -> None:
    def generator() -> Iterator[int]:
        raise ValueError("at once")
        yield

    stream = _stream.open(generator())
    with pytest.raises(ValueError, match="at once"):
        stream.take(1000, LONG)


def test_an_interrupt_ends_the_request_whatever_came_before_it() -> None:
    def generator() -> Iterator[int]:
        yield from (1, 2)
        raise KeyboardInterrupt

    stream = _stream.open(generator())
    stream.take(1000, LONG)
    with pytest.raises(KeyboardInterrupt):
        stream.take(1000, LONG)
    assert stream.take(1000, LONG) == ([], False)


def test_closing_forgets_an_exception_that_nobody_wants_any_more() -> None:
    def generator() -> Iterator[int]:
        yield from (1, 2)
        raise ValueError("after two")

    stream = _stream.open(generator())
    stream.take(1000, LONG)
    stream.take(1000, LONG)
    stream.close()
    assert stream.take(1000, LONG) == ([], False)
