"""Protocols on raw descriptors: TCP, UDP and Unix sockets, and pipes.

A protocol is an object per connection whose functions are called when something happens. Reading
and writing is native code's, while other Python threads run; data arrives as the very ``bytes``
that it was read into.

    from erlang.reactor import Protocol, serve

    class EchoProtocol(Protocol):
        def data_received(self, data):
            self.write(data)
            return "continue"

    serve(sock, EchoProtocol)

``Py.Reactor`` in Elixir, and ``py_reactor_context`` in Erlang, run reactors that connections are
handed off to, after the BEAM has accepted them.
"""

from __future__ import annotations

import logging
import threading

from erlang._native import _erlang

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Literal, Union

    from typing_extensions import Protocol as _Interface

    from erlang import Pid

    class _HasFileno(_Interface):
        def fileno(self) -> int: ...

    #: What a protocol answers with, to say what comes next.
    Action = Literal["continue", "write_pending", "read_pending", "async_pending", "close"]
    Factory = Callable[[], "Protocol"]
    _File = Union[int, _HasFileno]
else:
    # For annotations, which may be looked at when a program runs.
    Action = str

__all__ = [
    "Action",
    "Protocol",
    "get_protocol",
    "run_fd",
    "serve",
    "set_protocol_factory",
    "signal_write_ready",
    "stop",
]

_logger = logging.getLogger("erlang.reactor")


class _Number(int):
    """The number of a descriptor, which remembers the connection that it is the number of.

    The next connection may well get the same one, and is not to be taken for that.
    """

    serial: int


def _number(fd: int, serial: int) -> _Number:
    number = _Number(fd)
    number.serial = serial
    return number


class Protocol(_erlang.Connection):
    """One connection, from ``connection_made`` to ``connection_lost``.

    The functions below are for subclasses to define. The first three answer with an action:

    - ``"continue"``: go on. After ``data_received`` that is to read, after ``write_ready`` to
      write.
    - ``"write_pending"``: call ``write_ready`` once everything is written, and read nothing until
      it says so.
    - ``"read_pending"``, or ``None``: read.
    - ``"async_pending"``: do nothing until ``signal_write_ready`` is called, from wherever the
      answer is being prepared. Then it is as with ``"write_pending"``.
    - ``"close"``: write the rest and close.

    An exception is logged and closes its own connection.

    ``fd`` is the descriptor; ``client_info`` what was said of the connection when it was handed
    off, or who has connected; ``peer`` the address of the other end, ``(host, port)`` on the
    internet, and for datagrams that of the one at hand, to whom ``write`` answers.
    """

    client_info: Mapping[str, Any]

    @property
    def fd(self) -> int:
        """The descriptor, -1 without a connection; it stays the same when that has ended."""
        return _number(super().fd, self.serial)

    def connection_made(self, fd: int, client_info: Mapping[str, Any]) -> Action | None:
        """Begin. What is written here goes out before anything is read."""
        return "continue"

    def data_received(self, data: bytes) -> Action | None:
        """Take what has come: some bytes of a stream, or one datagram."""
        raise NotImplementedError(f"{type(self).__name__} has no data_received(self, data)")

    def write_ready(self) -> Action | None:
        """Write more: everything from before has gone."""
        return "read_pending"

    def connection_lost(self) -> None:
        """End. It is over, for whatever reason, and nothing more can be written."""


_protocols: dict[int, Protocol] = {}


class _Here(threading.local):
    """What belongs to one context, which is one thread."""

    def __init__(self) -> None:
        self.factory: Factory | None = None
        #: The reactor of a `Py.Reactor`, while it runs here.
        self.attended: Any = None
        #: All that run on this thread, the innermost last.
        self.running: list[Any] = []


_here = _Here()


def serve(sock: _File, protocol_factory: Factory) -> None:
    """Accept connections from a listening socket and run a protocol for each.

    It returns after ``stop()``, or is interrupted with the request it runs in. Meanwhile other
    requests to the context are served. A socket that does not listen, such as one for datagrams,
    gets one protocol, and then it returns when that one's connection is over.

    The socket stays the caller's, but is not blocking any more.
    """
    _run(_descriptor(sock), protocol_factory, {})


def run_fd(
    fd: _File, protocol_factory: Factory, client_info: Mapping[str, Any] | None = None
) -> None:
    """Run a protocol on one descriptor and return when its connection is over.

    A descriptor that ``Py.dup_fd`` has made is closed at the end; any other stays the caller's,
    though a connected socket is shut down.
    """
    _run(_descriptor(fd), protocol_factory, dict(client_info or {}))


def set_protocol_factory(factory: Factory) -> None:
    """Say what makes the protocols of the connections that are handed off to this context.

    It is called without arguments and makes a new one each time, so a subclass of ``Protocol``
    will do.
    """
    if not callable(factory):
        raise TypeError(f"a protocol factory is called without arguments, and {factory!r} cannot")
    _here.factory = factory
    if _here.attended is not None:
        _here.attended.set_factory(factory)


def get_protocol(fd: int) -> Protocol | None:
    """Return the protocol of an open connection of this interpreter."""
    return _protocols.get(fd)


def signal_write_ready(fd: int) -> bool:
    """Go on with a connection whose protocol answered ``"async_pending"``.

    It may be called from any thread, and from the contexts of other interpreters. ``False`` says
    that there is no such connection any more.

    What ``connection_made`` was given and ``fd`` stands for that connection alone. Any other int
    of that value, such as one that has been to Elixir, stands for whichever has the descriptor.
    """
    return _erlang.Reactor.signal_write_ready(fd, getattr(fd, "serial", 0))


def stop() -> None:
    """End the innermost ``serve`` of this context, or its ``Py.Reactor``.

    Protocols call it, and requests that come meanwhile.
    """
    if not _here.running:
        raise RuntimeError("no reactor runs in this context")
    _here.running[-1].stop()


def _run(fd: int, factory: Factory, info: dict[str, Any]) -> None:
    reactor = _erlang.Reactor(_protocols, _report, _number)
    reactor.add(fd, factory, info)
    _go(reactor)


def _go(reactor: _erlang.Reactor) -> None:
    _here.running.append(reactor)
    try:
        reactor.run()
    finally:
        _here.running.remove(reactor)


def _prepare(module: str, name: str) -> None:
    """Find the factory that the option ``protocol:`` names, for ``Py.Reactor``."""
    from importlib import import_module

    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    set_protocol_factory(found)


def _attend(pid: Pid) -> None:
    """Run the reactor of a process, for ``Py.Reactor``."""
    reactor = _erlang.Reactor(_protocols, _report, _number, pid)
    if _here.factory is not None:
        reactor.set_factory(_here.factory)
    _here.attended = reactor
    try:
        _go(reactor)
    finally:
        _here.attended = None


def _report(error: BaseException, fd: int) -> None:
    _logger.error(
        "the connection with descriptor %d is closed, as its protocol failed", fd, exc_info=error
    )


def _descriptor(file: _File) -> int:
    return file if isinstance(file, int) else file.fileno()
