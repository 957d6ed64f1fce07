"""A poller for event loops in plain Python, where there is no native one."""

import os
import select


class Poller:
    """What ``_erlang.Poller`` does, as far as a loop can tell; it has no requests to serve."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._closed = False
        self._answers: list[tuple[int, BaseException | None, object]] = []
        self._woken, self._wake = os.pipe()
        self.register(self._woken, 1)

    def register(self, fd: int, events: int) -> None:
        self._poll.register(fd, _flags(events))

    def modify(self, fd: int, events: int) -> None:
        self._poll.modify(fd, _flags(events))

    def unregister(self, fd: int) -> None:
        self._poll.unregister(fd)

    def select(self, seconds: "float | None") -> "list[tuple[int, int]]":
        ready = []
        for fd, flags in self._poll.poll(None if seconds is None else seconds * 1000):
            if fd == self._woken:
                os.read(fd, 1000)
                continue
            read = 1 if flags & ~select.POLLOUT else 0
            write = 2 if flags & ~select.POLLIN else 0
            ready.append((fd, read | write))
        return ready

    def wake(self) -> None:
        if self._closed:
            raise ValueError("this poller is closed")
        os.write(self._wake, b"!")

    def ask(self, number: int, target: object, args: "tuple[object, ...]") -> None:
        """Stands for a BEAM whose only function gives its arguments back, but for ``fail``."""
        error = RuntimeError(target) if target == "fail" else None
        self._answers.append((number, error, None if error else args))
        self.wake()

    def answers(self) -> "list[tuple[int, BaseException | None, object]]":
        answers, self._answers = self._answers, []
        return answers

    def address(self) -> int:
        return id(self)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            os.close(self._woken)
            os.close(self._wake)


def _flags(events: int) -> int:
    return (select.POLLIN if events & 1 else 0) | (select.POLLOUT if events & 2 else 0)
