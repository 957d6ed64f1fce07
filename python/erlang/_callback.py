"""Talking to the BEAM: calling its functions, sending messages to its processes."""

from __future__ import annotations

import sys

from erlang._native import _erlang

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from erlang._terms import Fun, Pid, Ref


def call(name: str | Fun, /, *args: object, **kwargs: object) -> Any:
    """Call a function of the BEAM, wait for it, and return its result.

    ``name`` is what the function was registered as (``Py.register_function``), or an
    ``erlang.Fun``. It runs in the process that called Python, which waits anyway.

    Raises ``CallbackError`` if the function raises, throws or exits, or is not there, and
    ``TypeError`` if an argument or the result has no counterpart on the other side.
    """
    if kwargs:
        raise no_keywords(f"erlang.call({name!r}, ...)")
    return _erlang.call(name, args)


def cast(name: str | Fun, /, *args: object, **kwargs: object) -> None:
    """Have a function of the BEAM called without waiting; its result, or failure, is not told."""
    if kwargs:
        raise no_keywords(f"erlang.cast({name!r}, ...)")
    _erlang.cast(name, args)


def send(target: Pid | Ref | str | tuple[str, str], term: object) -> None:
    """Send a message to a process of the BEAM; never waits.

    ``target`` is a pid, the name of a process, ``(name, node)``, or an alias (a ``Ref``). Raises
    ``ProcessError`` if there is no such process, as far as this node can tell.
    """
    _erlang.send(target, term)


def whereis(name: str) -> Pid | None:
    """Return the pid of the process registered under that name, or ``None``."""
    return _erlang.whereis(name)


def self_() -> Pid:
    """Return the pid of the process that called Python (``erlang.self()``)."""
    return _erlang.self_()


def sleep(seconds: float) -> Any:
    """Wait for that long while other Python code runs; a time-out or a cancellation ends it.

    In code that runs in an event loop of asyncio this does not wait but returns an awaitable:
    ``await erlang.sleep(0.5)``.
    """
    # Where asyncio was never imported, no loop runs.
    events = sys.modules.get("asyncio.events")
    if events is not None and events._get_running_loop() is not None:
        from asyncio import sleep as asyncio_sleep

        return asyncio_sleep(seconds)
    return _erlang.sleep(seconds)


class Registered:
    """A function of the BEAM by its registered name: what ``from erlang import name`` gives.

    It is looked up at each call, so it follows when another function takes the name.
    """

    __slots__ = ("__name__",)

    __name__: str

    def __init__(self, name: str) -> None:
        """Stand for the function of that name."""
        self.__name__ = name

    def __call__(self, *args: object, **kwargs: object) -> Any:
        """Call it; see ``erlang.call``."""
        if kwargs:
            raise no_keywords(f"erlang.{self.__name__}(...)")
        return _erlang.call(self.__name__, args)

    def __eq__(self, other: object) -> bool:
        """Compare names."""
        return isinstance(other, Registered) and self.__name__ == other.__name__

    def __hash__(self) -> int:
        """Agree with ``==``."""
        return hash(self.__name__)

    def __reduce__(self) -> tuple[type, tuple[str]]:
        """Pickle the name."""
        return Registered, (self.__name__,)

    def __repr__(self) -> str:
        """Return ``<erlang function 'name'>``."""
        return f"<erlang function {self.__name__!r}>"


def find(name: str) -> Registered:
    """Return the registered function of that name; ``AttributeError`` if there is none."""
    # A name with an underscore is asked for when a file of this package is first imported.
    if name.startswith("_"):
        raise AttributeError(f"module 'erlang' has no attribute {name!r}")
    if _erlang.has_function(name):
        return Registered(name)
    raise AttributeError(
        f"module 'erlang' has no attribute {name!r}; a function of the BEAM gets a name here "
        f'by Py.register_function("{name}", fun)'
    )


def no_keywords(what: str) -> TypeError:
    """Return what to raise for a call with keyword arguments."""
    return TypeError(f"{what}: functions of the BEAM take no keyword arguments")
