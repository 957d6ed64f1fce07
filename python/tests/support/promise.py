"""What stands for a request of the BEAM that waits for a task."""

import asyncio
from itertools import count
from typing import Any

_numbers = count(1)


class Promise:
    """What ``_erlang.Promise`` does; the answer is kept here."""

    def __init__(self) -> None:
        self._id = next(_numbers)
        self.answer: Any = None
        self.stopped: list[str] = []
        self.cancelled = False

    def settle(self, task: "asyncio.Task[Any]") -> None:
        assert self.answer is None
        try:
            self.answer = ("ok", task.result())
        except BaseException as error:
            self.answer = ("error", type(error))

    def stop(self, reason: str) -> None:
        self.stopped.append(reason)

    def is_cancelled(self) -> bool:
        return self.cancelled

    def id(self) -> int:
        return self._id
