"""The selector of ``erlang.ErlangEventLoop``: file descriptors, the clock and the BEAM in one wait.

It does what the selectors of the standard module ``selectors`` do, on a native poller. While that
waits, other Python threads run, and requests of the BEAM that come to this context are served on
this very thread.
"""

from __future__ import annotations

import selectors
from asyncio.events import _get_running_loop, _set_running_loop
from itertools import count
from selectors import EVENT_READ, EVENT_WRITE, SelectorKey

from erlang._native import _erlang

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Mapping
    from typing import Any, NoReturn, Union

    from typing_extensions import Protocol

    from erlang._terms import Fun

    class _HasFileno(Protocol):
        def fileno(self) -> int: ...

    _File = Union[int, _HasFileno]
    _Base = dict[_File, SelectorKey]
else:
    _Base = dict


class Selector(selectors.BaseSelector):
    """Files and their keys, and the poller that watches them."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._poller = _erlang.Poller()
        self._keys = _Keys()
        self._asked: dict[int, Future[Any]] = {}
        self._numbers = count()

    def register(self, fileobj: _File, events: int, data: Any = None) -> SelectorKey:
        """Watch a file; ``KeyError`` if it is watched already."""
        fd = _descriptor(fileobj)
        if not events or events & ~(EVENT_READ | EVENT_WRITE):
            raise ValueError(f"Invalid events: {events!r}")
        if fd in self._keys:
            raise KeyError(f"{fileobj!r} (FD {fd}) is already registered")
        self._poller.register(fd, events)
        key = self._keys[fd] = SelectorKey(fileobj, fd, events, data)
        return key

    def unregister(self, fileobj: _File) -> SelectorKey:
        """Stop watching a file, which may be closed by now; ``KeyError`` if it is not watched."""
        key = self._keys[fileobj]
        del self._keys[key.fd]
        # The kernel has forgotten a file that is closed, of which it tells by an error.
        try:  # noqa: SIM105 - suppress() would take longer than all the rest.
            self._poller.unregister(key.fd)
        except OSError:
            pass
        return key

    def modify(self, fileobj: _File, events: int, data: Any = None) -> SelectorKey:
        """Watch for other events, or keep other data; ``KeyError`` if it is not watched."""
        key = self._keys[fileobj]
        if events != key.events:
            if not events or events & ~(EVENT_READ | EVENT_WRITE):
                raise ValueError(f"Invalid events: {events!r}")
            try:
                self._poller.modify(key.fd, events)
            except OSError:
                del self._keys[key.fd]
                raise
        key = self._keys[key.fd] = SelectorKey(key.fileobj, key.fd, events, data)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Return what is ready, after ``timeout`` seconds at most; may return early with nothing.

        Requests that are served meanwhile are not part of the loop that waits here. Were it the
        running loop for them too, they could run none of their own.
        """
        loop = _get_running_loop()
        _set_running_loop(None)
        try:
            found = self._poller.select(timeout)
        finally:
            _set_running_loop(loop)
        if self._asked:
            self._take_answers()
        ready = []
        for fd, events in found:
            # A request that was served has perhaps stopped watching it.
            key = self._keys.get(fd)
            if key is not None and events & key.events:
                ready.append((key, events & key.events))
        return ready

    def ask(self, target: str | Fun, args: tuple[object, ...], future: Future[Any]) -> None:
        """Have a function of the BEAM called; the future gets the result during a ``select``."""
        number = next(self._numbers)
        self._poller.ask(number, target, args)
        self._asked[number] = future

    def _take_answers(self) -> None:
        for number, error, value in self._poller.answers():
            future = self._asked.pop(number)
            if future.done():
                # Cancelled, that is: nobody waits for the answer.
                continue
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)

    def wake(self) -> None:
        """End the wait that is under way, or the next one; from any thread, and at any time."""
        try:  # noqa: SIM105 - as above.
            self._poller.wake()
        except ValueError:
            # Closed: nobody waits.
            pass

    def address(self) -> int:
        """Return what names this selector to the native side."""
        return self._poller.address()

    def close(self) -> None:
        """Give the poller back. Idempotent."""
        self._keys.clear()
        self._asked.clear()
        self._poller.close()

    def get_map(self) -> Mapping[_File, SelectorKey]:
        """Return the keys by file."""
        return self._keys

    def get_key(self, fileobj: _File) -> SelectorKey:
        """Return the key of a file; ``KeyError`` if it is not watched."""
        return self._keys[fileobj]


class _Keys(_Base):
    """Keys by descriptor, found by file objects too."""

    def __missing__(self, fileobj: _File) -> SelectorKey:
        """Find the key of a file object, if need be of one that has no descriptor any more."""
        if isinstance(fileobj, int):
            _not_registered(fileobj)
        try:
            fd = _descriptor(fileobj)
        except ValueError:
            for key in self.values():
                if key.fileobj is fileobj:
                    return key
            _not_registered(fileobj)
        return self[fd]

    def get(self, fileobj: _File, default: Any = None) -> Any:
        """Find the key of a descriptor or a file object."""
        if isinstance(fileobj, int):
            return super().get(fileobj, default)
        try:
            return self[fileobj]
        except KeyError:
            return default


def _descriptor(fileobj: _File) -> int:
    fd = fileobj
    if not isinstance(fd, int):
        try:
            fd = int(fd.fileno())
        except (AttributeError, TypeError, ValueError):
            raise ValueError(f"Invalid file object: {fileobj!r}") from None
    if fd < 0:
        raise ValueError(f"Invalid file descriptor: {fd}")
    return fd


def _not_registered(fileobj: _File) -> NoReturn:
    raise KeyError(f"{fileobj!r} is not registered")
