"""A coroutine of the user's, as the guide calls it."""

from __future__ import annotations

import asyncio

import erlang


async def my_async_func(number: int) -> int:
    """Wait a little and compute; tell who wants to know."""
    await asyncio.sleep(0.01)
    if erlang.whereis("guide_event_loop"):
        erlang.send("guide_event_loop", f"my_async_func({number})")
    if number < 0:
        raise ValueError("negative")
    return number * 2 + 2
