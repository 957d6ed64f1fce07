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
from erlang._errors import CallbackError, ProcessError
from erlang._schedule import consume_time_slice, schedule, schedule_py
from erlang._terms import Buffer, Fun, Pid, Port, Ref

# `typing` is not imported here, and `enum` (which `_mode` needs) only when it is asked for: this
# file runs at the start of every interpreter, and those two would cost more than all the rest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from erlang._mode import ExecutionMode, execution_mode

__all__ = [
    "Atom",
    "Buffer",
    "CallbackError",
    "ExecutionMode",
    "Fun",
    "Pid",
    "Port",
    "ProcessError",
    "Ref",
    "atom",
    "call",
    "cast",
    "consume_time_slice",
    "execution_mode",
    "schedule",
    "schedule_py",
    "self",
    "send",
    "sleep",
    "whereis",
]

_FROM_MODE = ("ExecutionMode", "execution_mode")

# Hidden from type checkers, which would otherwise accept every misspelt `erlang.name`.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Load what lives in `_mode` at its first use; find what the BEAM has registered."""
        if name in _FROM_MODE:
            from erlang import _mode

            for each in _FROM_MODE:
                globals()[each] = getattr(_mode, each)
            return globals()[name]
        # Not kept, as the function may be unregistered again.
        return find(name)

    def __dir__() -> list:
        """List the names not loaded yet beside the others."""
        return sorted({*globals(), *__all__})
