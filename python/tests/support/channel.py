"""Channels in plain Python, for one thread, where there are no native ones."""

import os
from collections import deque
from typing import Any, Callable

from erlang import ChannelClosed


class Wakeups:
    """What ``_erlang.Wakeups`` does."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self._due: list[tuple[int, bool]] = []

    def fileno(self) -> int:
        return self._read

    def add(self, token: int, accepted: bool) -> None:
        self._due.append((token, accepted))
        os.write(self._write, b"x")

    def take(self) -> list[tuple[int, bool]]:
        os.read(self._read, 1000)
        due, self._due = self._due, []
        return due

    def __del__(self) -> None:
        os.close(self._read)
        os.close(self._write)


class Channel:
    """What ``_erlang.Channel`` does; ``max_size`` is a number of messages."""

    messages: deque[Any]

    def _make(self, is_bytes: bool, max_size: "int | None") -> None:
        self.messages = deque()
        self.is_bytes = is_bytes
        self.max_size = max_size
        self.is_closed = False
        self.tokens = 0
        self.receivers: dict[int, Wakeups] = {}
        self.senders: dict[int, tuple[Wakeups, object]] = {}

    def try_receive(self, default: object = None) -> Any:
        if not self.messages:
            if self.is_closed:
                raise ChannelClosed
            return default
        message = self.messages.popleft()
        if self.senders:
            token = next(iter(self.senders))
            wakeups, waiting = self.senders.pop(token)
            wakeups.add(token, True)
            self.try_send(waiting)
        return message

    def try_send(self, term: object) -> bool:
        if self.is_closed:
            raise ChannelClosed
        if self.max_size is not None and len(self.messages) >= self.max_size:
            return False
        self.messages.append(term)
        self._call_next()
        return True

    def close(self) -> None:
        self.is_closed = True
        while self.receivers:
            self._call_next()
        for token, (wakeups, _term) in self.senders.items():
            wakeups.add(token, False)
        self.senders.clear()

    def info(self) -> "dict[str, Any]":
        kind = "bytes" if self.is_bytes else "term"
        return {"closed": self.is_closed, "messages": len(self.messages), "type": kind}

    def _watch(self, wakeups: Wakeups) -> "int | None":
        if self.messages or self.is_closed:
            return None
        self.tokens += 1
        self.receivers[self.tokens] = wakeups
        return self.tokens

    def _leave(self, token: int) -> None:
        if self.receivers.pop(token, None) is None and self.messages:
            self._call_next()

    def _send_later(self, wakeups: Wakeups, term: object) -> "int | None":
        if self.try_send(term):
            return None
        self.tokens += 1
        self.senders[self.tokens] = (wakeups, term)
        return self.tokens

    def _withdraw(self, token: int) -> bool:
        return self.senders.pop(token, None) is not None

    def _call_next(self) -> None:
        if self.receivers:
            token = next(iter(self.receivers))
            self.receivers.pop(token).add(token, True)


def maker(kind: "Callable[[], type]") -> "Callable[[bool, int | None], Any]":
    """Return what ``_erlang.channel_new`` is, for the class that is made of the one above."""

    def channel_new(is_bytes: bool, max_size: "int | None") -> Any:
        made = object.__new__(kind())
        made._make(is_bytes, max_size)
        return made

    return channel_new
