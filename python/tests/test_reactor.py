"""Protocols as objects, and what serves them, on a stand-in for the native reactor."""

import logging
import socket
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from erlang import _native, reactor
from erlang.reactor import Protocol


class Reactor:
    """Notes what it is told, and lets a test act while it runs."""

    made: ClassVar[list["Reactor"]] = []

    def __init__(self, protocols: Any, report: Any, number: Any, pid: Any = None) -> None:
        self.report, self.pid = report, pid
        self.added: list[Any] = []
        self.factory: Any = None
        self.stopped = False
        self.made.append(self)

    def add(self, fd: int, factory: Any, info: Any) -> None:
        self.added.append((fd, factory, info))

    def set_factory(self, factory: Any) -> None:
        self.factory = factory

    def run(self) -> None:
        if self.pid is not None:
            self.pid(self)

    def stop(self) -> None:
        self.stopped = True

    @staticmethod
    def signal_write_ready(fd: int, serial: int) -> bool:
        return fd == 7 and serial in (0, 70)


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> "Iterator[list[Reactor]]":
    monkeypatch.setattr(_native._erlang, "Reactor", Reactor)
    monkeypatch.setattr(reactor, "_here", reactor._Here())
    Reactor.made = []
    yield Reactor.made


class Echo(Protocol):
    def data_received(self, data: bytes) -> reactor.Action:
        return "continue"


def test_a_protocol_has_answers_of_its_own() -> None:
    protocol = Protocol()
    assert protocol.fd == -1
    assert protocol.connection_made(7, {}) == "continue"
    assert protocol.write_ready() == "read_pending"
    assert protocol.connection_lost() is None
    with pytest.raises(NotImplementedError, match=r"Protocol has no data_received\(self, data\)"):
        protocol.data_received(b"")


def test_without_a_beam_a_protocol_is_tried_but_does_not_write() -> None:
    assert Echo().data_received(b"x") == "continue"
    with pytest.raises(RuntimeError, match=r"erlang.reactor.Protocol.write works only inside"):
        Echo().write(b"x")


def test_serve_takes_a_socket_or_its_number(made: "list[Reactor]") -> None:
    with socket.socket() as sock:
        reactor.serve(sock, Echo)
        reactor.serve(sock.fileno(), Echo)
        assert [each.added for each in made] == [[(sock.fileno(), Echo, {})]] * 2


def test_run_fd_says_what_it_is_told(made: "list[Reactor]") -> None:
    reactor.run_fd(9, Echo, {"type": "tcp"})
    reactor.run_fd(9, Echo)
    assert [each.added for each in made] == [[(9, Echo, {"type": "tcp"})], [(9, Echo, {})]]


def test_the_factory_is_the_contexts_and_may_change_while_the_reactor_runs() -> None:
    seen: list[Any] = []

    def during(running: Reactor) -> None:
        seen.append(running.factory)
        reactor.set_protocol_factory(Protocol)
        seen.append(running.factory)
        reactor.stop()
        seen.append(running.stopped)

    reactor.set_protocol_factory(Echo)
    reactor._attend(during)  # type: ignore[arg-type]
    assert seen == [Echo, Protocol, True]
    other: list[Any] = []
    thread = threading.Thread(target=lambda: other.append(reactor._here.factory))
    thread.start()
    thread.join()
    assert other == [None]
    with pytest.raises(RuntimeError, match="no reactor runs in this context"):
        reactor.stop()


def test_a_factory_is_found_by_name_and_has_to_be_callable() -> None:
    reactor._prepare("erlang.reactor", "Protocol")
    assert reactor._here.factory is Protocol
    with pytest.raises(ModuleNotFoundError):
        reactor._prepare("no_such_module", "Protocol")
    with pytest.raises(TypeError, match="called without arguments, and 42 cannot"):
        reactor.set_protocol_factory(42)  # type: ignore[arg-type]


def test_protocols_are_found_by_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    protocol = Echo()
    monkeypatch.setitem(reactor._protocols, 7, protocol)
    assert reactor.get_protocol(7) is protocol
    assert reactor.get_protocol(8) is None
    assert reactor.signal_write_ready(7)
    assert not reactor.signal_write_ready(8)


def test_a_descriptor_remembers_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_native._erlang.Connection, "fd", 7)
    monkeypatch.setattr(_native._erlang.Connection, "serial", 70)
    fd, protocol = Protocol().fd, Echo()
    monkeypatch.setitem(reactor._protocols, 7, protocol)
    assert (fd, f"{fd}", repr(fd)) == (7, "7", "7")
    assert reactor.get_protocol(fd) is protocol
    assert reactor.signal_write_ready(fd)
    monkeypatch.setattr(_native._erlang.Connection, "serial", 71)
    assert not reactor.signal_write_ready(Protocol().fd)


def test_what_a_protocol_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        reactor._report(ValueError("on purpose"), 7)
    assert "descriptor 7 is closed" in caplog.text
    assert "ValueError: on purpose" in caplog.text
