"""Channels: ordered streams of messages between processes of the BEAM and Python code.

    from erlang.channel import Channel

    def total(orders: Channel, totals: Channel) -> None:
        for order in orders:                 # waits for each message; ends when it is closed
            totals.send(sum(order.values()))

Elixir makes channels (``Py.Channel.new()``) and passes them as arguments or in messages, and
Python code makes some itself. Any number of senders and receivers may share one, in processes,
threads, contexts and event loops: each message goes to one receiver, in the order of sending.
"""

from __future__ import annotations

from erlang._callback import send as reply
from erlang._errors import ChannelClosed
from erlang._native import _erlang

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Literal

    from erlang._calls import Calls

__all__ = ["Channel", "ChannelClosed", "reply"]

#: What a channel holds unless it is told otherwise: 16 MiB, like those of Elixir.
MAX_SIZE = 16 * 1024 * 1024

_NOTHING: Any = object()


class Channel(_erlang.Channel):
    """One channel. Two of these are equal when they stand for the same one.

    - ``receive(timeout=None)`` waits for a message, so many seconds at most. Raises
      ``TimeoutError`` after that, and ``ChannelClosed`` when the channel is closed and empty.
    - ``try_receive(default=None)`` returns the default when there is no message now.
    - ``for message in channel`` and ``async for`` receive until the channel is closed.
    - ``send(term, timeout=None)`` waits for room; ``try_send(term)`` returns whether there was.
    - ``info()`` returns a dict: ``size`` and ``max_size`` in bytes (``None`` is no limit), how many
      ``messages`` are queued and how many ``receivers`` and ``senders`` wait, ``closed``, ``type``.
    - ``close()``: nothing more can be sent, and what has been can still be received.

    Code that waits lets other Python code run, and a timeout or a cancellation in Elixir ends the
    wait. A channel of bytes takes bytes-like objects and gives ``bytes``.
    """

    __slots__ = ()

    def __new__(
        cls,
        channel: Channel | None = None,
        *,
        max_size: int | None = MAX_SIZE,
        type: Literal["term", "bytes"] = "term",
    ) -> Channel:
        """Make a channel that closes with this context; a channel as the argument is itself."""
        if channel is not None:
            if isinstance(channel, Channel):
                return channel
            raise TypeError(f"a Channel was expected, got {channel!r}")
        if type not in ("term", "bytes"):
            raise ValueError(f"the type of a channel is 'term' or 'bytes', not {type!r}")
        return _erlang.channel_new(type == "bytes", max_size)

    async def async_receive(self) -> Any:
        """Wait for a message while the event loop goes on, whichever loop it is."""
        while True:
            message = self.try_receive(_NOTHING)
            if message is not _NOTHING:
                return message
            calls = _calls()
            await calls.wait(self._watch(calls.native), self._leave)

    async def async_send(self, term: object) -> None:
        """Wait for room while the event loop goes on, and send."""
        calls = _calls()
        accepted = await calls.wait(self._send_later(calls.native, term), self._withdraw)
        if not accepted:
            raise ChannelClosed("the channel is closed")

    @property
    def closed(self) -> bool:
        """Whether it is closed; there may be messages in it all the same."""
        return bool(self.info()["closed"])

    def __aiter__(self) -> Channel:
        """Receive until it is closed."""
        return self

    async def __anext__(self) -> Any:
        """Return the next message."""
        try:
            return await self.async_receive()
        except ChannelClosed:
            raise StopAsyncIteration from None

    def __enter__(self) -> Channel:
        """Close it at the end of the block."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close it."""
        self.close()

    def __repr__(self) -> str:
        """Return what ``info()`` says of it."""
        info = self.info()
        state = "closed" if info["closed"] else "open"
        kind = info["type"].rstrip("s") + "s"
        return f"<Channel of {kind}, {state}, {info['messages']} messages>"

    reply = staticmethod(reply)


def _calls() -> Calls:
    # asyncio takes long to import, and most channels never see a loop.
    from erlang._calls import of_this_loop

    return of_this_loop()
