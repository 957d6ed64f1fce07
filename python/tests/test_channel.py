"""Channels and event loops, on channels in plain Python. The native ones are tested by ExUnit."""

import asyncio
import gc
import importlib
from collections.abc import Iterator
from typing import Any

import pytest

import erlang
import erlang.channel
from erlang import ChannelClosed, _native
from support import channel as plain

OUTSIDE = _native._erlang.channel_new


@pytest.fixture(autouse=True)
def native(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        for name, value in [
            ("Channel", plain.Channel),
            ("Wakeups", plain.Wakeups),
            ("channel_new", plain.maker(lambda: erlang.channel.Channel)),
        ]:
            patch.setattr(_native._erlang, name, value)
        importlib.reload(erlang.channel)
        yield
    importlib.reload(erlang.channel)


@pytest.fixture
def channel() -> Any:
    return erlang.channel.Channel()


def waiting(channel: Any) -> int:
    return len(channel.receivers)


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(3):
        await asyncio.sleep(0)


def test_a_channel_is_made_with_what_it_is_told() -> None:
    made: Any = erlang.channel.Channel(max_size=None, type="bytes")
    assert (made.is_bytes, made.max_size, made.closed) == (True, None, False)
    assert erlang.channel.Channel(made) is made
    assert repr(made) == "<Channel of bytes, open, 0 messages>"


@pytest.mark.parametrize("wrong", [{"channel": 1}, {"type": "text"}])
def test_a_channel_is_not_made_of_anything_else(wrong: "dict[str, Any]") -> None:
    with pytest.raises((TypeError, ValueError)):
        erlang.channel.Channel(**wrong)


def test_outside_the_beam_a_channel_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_native._erlang, "channel_new", OUTSIDE)
    with pytest.raises(RuntimeError, match="only inside the BEAM"):
        erlang.channel.Channel()


def test_a_with_block_closes(channel: Any) -> None:
    with channel as same:
        assert same is channel
    assert channel.closed


def test_what_is_there_is_received_at_once(channel: Any) -> None:
    async def main() -> "list[Any]":
        channel.try_send(None)
        channel.try_send(2)
        return [await channel.async_receive(), await channel.async_receive()]

    assert asyncio.run(main()) == [None, 2]


def test_tasks_are_called_in_their_order(channel: Any) -> None:
    async def main() -> "list[Any]":
        tasks = [asyncio.ensure_future(channel.async_receive()) for _ in range(3)]
        await settle()
        for n in range(3):
            channel.try_send(n)
        return await asyncio.gather(*tasks)

    assert asyncio.run(main()) == [0, 1, 2]


def test_async_for_ends_with_the_channel(channel: Any) -> None:
    async def receive() -> "list[Any]":
        return [message async for message in channel]

    async def main() -> "list[Any]":
        task = asyncio.ensure_future(receive())
        await settle()
        channel.try_send(1)
        await settle()
        channel.try_send(2)
        channel.close()
        return await task

    assert asyncio.run(main()) == [1, 2]


def test_receiving_from_a_closed_channel_raises(channel: Any) -> None:
    channel.close()
    with pytest.raises(ChannelClosed):
        asyncio.run(channel.async_receive())


def test_a_cancelled_task_waits_no_longer(channel: Any) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(channel.async_receive())
        await settle()
        assert waiting(channel) == 1
        task.cancel()
        # At once, since an interrupted loop does not run its tasks any more.
        assert waiting(channel) == 0
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_a_task_cancelled_when_it_has_been_called_hands_on(channel: Any) -> None:
    async def main() -> Any:
        first = asyncio.ensure_future(channel.async_receive())
        await settle()
        second = asyncio.ensure_future(channel.async_receive())
        await settle()
        channel.try_send("message")
        # Its call is delivered in the next round of the loop, and it is cancelled before it runs.
        asyncio.get_running_loop().call_soon(lambda: first.cancel())
        message = await second
        assert first.cancelled()
        return message

    assert asyncio.run(main()) == "message"


def test_a_message_taken_by_another_is_waited_for_again(channel: Any) -> None:
    async def main() -> Any:
        task = asyncio.ensure_future(channel.async_receive())
        await settle()
        channel.try_send(1)
        assert channel.try_receive() == 1
        await settle()
        channel.try_send(2)
        return await task

    assert asyncio.run(main()) == 2


def test_a_sender_waits_for_room() -> None:
    async def main() -> "list[Any]":
        channel: Any = erlang.channel.Channel(max_size=1)
        await channel.async_send(1)
        task = asyncio.ensure_future(channel.async_send(2))
        await settle()
        assert not task.done()
        received = [await channel.async_receive()]
        await task
        return [*received, await channel.async_receive()]

    assert asyncio.run(main()) == [1, 2]


def test_a_cancelled_sender_has_not_sent() -> None:
    async def main() -> None:
        channel: Any = erlang.channel.Channel(max_size=1)
        await channel.async_send(1)
        task = asyncio.ensure_future(channel.async_send(2))
        await settle()
        task.cancel()
        await settle()
        assert list(channel.messages) == [1]
        assert not channel.senders

    asyncio.run(main())


def test_a_waiting_sender_hears_that_the_channel_is_closed() -> None:
    async def main() -> None:
        channel: Any = erlang.channel.Channel(max_size=1)
        await channel.async_send(1)
        task = asyncio.ensure_future(channel.async_send(2))
        await settle()
        channel.close()
        with pytest.raises(ChannelClosed):
            await task

    asyncio.run(main())


def test_a_loop_that_is_gone_leaves_nothing_behind(channel: Any) -> None:
    from erlang._calls import _loops

    async def main() -> None:
        task = asyncio.ensure_future(channel.async_receive())
        await settle()
        channel.try_send(1)
        await task

    gc.collect()
    before = len(_loops)
    asyncio.run(main())
    gc.collect()
    assert len(_loops) == before
