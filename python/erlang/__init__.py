"""The BEAM, seen from Python.

This package is importable in every interpreter that runs inside the BEAM. In an editor, a type
checker or a test run without the BEAM it imports just as well, with stand-ins for the types that
only the BEAM can make.

    import erlang

    def reply(ok: bool) -> tuple[erlang.Atom, int]:
        return erlang.atom("ok" if ok else "error"), 42

Elixir receives ``{:ok, 42}``: an ``Atom`` crosses as an atom, where a plain ``str`` is a binary.

Functions that Elixir has registered are here under their names:

    from erlang import lookup    # Py.register_function("lookup", fn key -> ... end)

    def price(key: str) -> float:
        return lookup(key)["price"] * 1.19
"""

from erlang._atom import Atom, atom
from erlang._callback import call, cast, find, send, sleep, whereis
from erlang._callback import self_ as self
from erlang._errors import CallbackError, ChannelClosed, ProcessError
from erlang._schedule import consume_time_slice, schedule, schedule_py
from erlang._terms import Buffer, Fun, Pid, Port, Ref

# `typing` is not imported here, and `enum` (which `_mode` needs) and `asyncio` only when they are
# asked for: this file runs at the start of every interpreter, and they cost more than the rest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from erlang import channel, reactor
    from erlang._logging import setup_logging
    from erlang._loop import (
        ErlangEventLoop,
        EventLoopPolicy,
        async_call,
        install,
        new_event_loop,
        run,
    )
    from erlang._mode import ExecutionMode, detect_mode, execution_mode
    from erlang._spawn import SpawnedTask, spawn_task
    from erlang._state import (
        state_clear,
        state_decr,
        state_delete,
        state_get,
        state_incr,
        state_keys,
        state_set,
    )
    from erlang._trace import Span, trace

__all__ = [
    "Atom",
    "Buffer",
    "CallbackError",
    "ChannelClosed",
    "ErlangEventLoop",
    "EventLoopPolicy",
    "ExecutionMode",
    "Fun",
    "Pid",
    "Port",
    "ProcessError",
    "Ref",
    "Span",
    "SpawnedTask",
    "async_call",
    "atom",
    "call",
    "cast",
    "channel",
    "consume_time_slice",
    "detect_mode",
    "execution_mode",
    "install",
    "new_event_loop",
    "reactor",
    "run",
    "schedule",
    "schedule_py",
    "self",
    "send",
    "setup_logging",
    "sleep",
    "spawn_task",
    "state_clear",
    "state_decr",
    "state_delete",
    "state_get",
    "state_incr",
    "state_keys",
    "state_set",
    "trace",
    "whereis",
]

# Which file each comes from; the modules of the package are there as they are.
_LATE = {
    "ErlangEventLoop": "_loop",
    "EventLoopPolicy": "_loop",
    "ExecutionMode": "_mode",
    "Span": "_trace",
    "SpawnedTask": "_spawn",
    "async_call": "_loop",
    "channel": "channel",
    "detect_mode": "_mode",
    "execution_mode": "_mode",
    "install": "_loop",
    "new_event_loop": "_loop",
    "reactor": "reactor",
    "run": "_loop",
    "setup_logging": "_logging",
    "spawn_task": "_spawn",
    "state_clear": "_state",
    "state_decr": "_state",
    "state_delete": "_state",
    "state_get": "_state",
    "state_incr": "_state",
    "state_keys": "_state",
    "state_set": "_state",
    "trace": "_trace",
}

# Hidden from type checkers, which would otherwise accept every misspelt `erlang.name`.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Load what is needed late at its first use; find what the BEAM has registered."""
        if name in _LATE:
            from importlib import import_module

            module = import_module(f"erlang.{_LATE[name]}")
            found = globals()[name] = module if _LATE[name] == name else getattr(module, name)
            return found
        # Not kept, as the function may be unregistered again.
        return find(name)

    def __dir__() -> list:
        """List the names not loaded yet beside the others."""
        return sorted({*globals(), *__all__})
