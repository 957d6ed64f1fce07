"""Spans without a BEAM: nobody wants to know, and the work is the same."""

from __future__ import annotations

import asyncio
import inspect

import pytest

import erlang


def test_a_span_lets_its_block_run() -> None:
    with erlang.Span("work", size=1) as span:
        span.set(size=2)
        span.event("half")
    assert span.attributes == {"size": 2}
    assert span.span_id is None


def test_an_exception_passes_through() -> None:
    with pytest.raises(ValueError, match="no"), erlang.Span("work"):
        raise ValueError("no")


def test_a_span_may_be_awaited() -> None:
    async def main() -> str:
        async with erlang.Span("work") as span:
            await asyncio.sleep(0)
        return span.name

    assert asyncio.run(main()) == "work"


def test_functions_keep_their_values_and_names() -> None:
    @erlang.trace
    def plain(a: int, b: int = 2) -> int:
        """Add."""
        return a + b

    @erlang.trace(name="named", table="orders")
    def named() -> int:
        return plain(1, b=3)

    assert named() == 4
    assert (plain.__name__, plain.__doc__) == ("plain", "Add.")


def test_coroutine_functions_stay_coroutine_functions() -> None:
    @erlang.trace
    async def load(n: int) -> int:
        await asyncio.sleep(0)
        return n + 1

    assert inspect.iscoroutinefunction(load)
    assert asyncio.run(load(1)) == 2


def test_what_has_no_code_of_its_own_is_traced_too() -> None:
    assert erlang.trace(len)([1, 2]) == 2


@pytest.mark.parametrize(
    ("value", "plain"),
    [(1, 1), ("a", "a"), (None, None), ((1, [2.5]), [1, [2.5]]), ({1}, "{1}")],
)
def test_attributes_are_plain_values(value: object, plain: object) -> None:
    from erlang import _trace

    assert _trace._plain(value) == plain


def test_an_object_without_text_is_its_type() -> None:
    from erlang import _trace

    class Silent:
        def __repr__(self) -> str:
            raise RuntimeError

    assert _trace._plain(Silent()) == "<Silent>"
