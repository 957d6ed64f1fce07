"""What takes the place of ``_erlang`` in a plain Python process: an editor, a test, a script.

The types serve annotations and ``isinstance``; nothing could make instances of them. The
functions say what is missing.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn


def _type(name: str, doc: str) -> type:
    def refuse(cls: type, *_args: object) -> object:
        raise TypeError(f"only the BEAM makes an erlang.{name}, and this is plain Python")

    namespace = {"__slots__": (), "__doc__": doc, "__module__": "erlang", "__new__": refuse}
    return type(name, (), namespace)


def _function(name: str) -> Callable[..., NoReturn]:
    def refuse(*_args: object) -> NoReturn:
        raise RuntimeError(f"erlang.{name} works only inside the BEAM, and this is plain Python")

    return refuse


Buffer = _type("Buffer", "A binary of the BEAM, readable in place through memoryview().")
Channel = _type("Channel", "A channel of the BEAM.")
Fun = _type("Fun", "A function of the BEAM.")
Pid = _type("Pid", "The identifier of a BEAM process.")
Port = _type("Port", "A port of the BEAM.")
Ref = _type("Ref", "A reference of the BEAM.")

call = _function("call")
cast = _function("cast")
send = _function("send")
whereis = _function("whereis")
self_ = _function("self")
sleep = _function("sleep")
write = _function("write")
write_out = _function("write")
write_err = _function("write")
log = _function("log")
state_get = _function("state_get")
state_set = _function("state_set")
state_delete = _function("state_delete")
state_add = _function("state_incr")
state_keys = _function("state_keys")
state_clear = _function("state_clear")
to_binary = _function("to_binary")
from_binary = _function("from_binary")
Poller = _function("new_event_loop")
Wakeups = _function("channel.Channel")
channel_new = _function("channel.Channel")
Reactor = _function("reactor.serve")


class Connection:
    """The base of ``erlang.reactor.Protocol``, whose functions a test may call by itself."""

    fd = -1
    serial = 0
    peer = None
    write_buffer_size = 0
    write = _function("reactor.Protocol.write")
    read = _function("reactor.Protocol.read")
    flush = _function("reactor.Protocol.flush")
    close = _function("reactor.Protocol.close")
    signal_write_ready = _function("reactor.Protocol.signal_write_ready")


def has_function(name: str) -> bool:
    """Nobody could have registered any."""
    return False


def execution_mode() -> str:
    """Answer for the main interpreter, which is the only one."""
    gil_enabled = getattr(sys, "_is_gil_enabled", None)
    return "free_threaded" if gil_enabled is not None and not gil_enabled() else "worker"


def is_tracing() -> bool:
    """Nobody is there to whom spans could be reported."""
    return False


def log_level() -> int:
    """Nobody has set any."""
    return -1


def flush() -> None:
    """Nothing is kept back here."""
