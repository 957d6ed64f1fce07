"""Data that all contexts of the node share, with each other and with the BEAM (``Py.State``).

Keys and values are copied: what comes back is a new object, and changing it changes nothing in
the state. They may be whatever crosses to the BEAM. Keys are compared as the BEAM does, so that
``1`` and ``1.0`` are two keys.

    from erlang import state_get, state_incr, state_set

    state_set("config", {"depth": 3})
    state_get("config")["depth"]
    state_incr("hits")

The data outlives contexts and goes when the application stops.
"""

from __future__ import annotations

from erlang._native import _erlang

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def state_get(key: object, default: Any = None) -> Any:
    """Return what is kept under ``key``, or ``default``."""
    return _erlang.state_get(key, default)


def state_set(key: object, value: object) -> None:
    """Keep a copy of ``value`` under ``key``.

    Raises ``TypeError`` if one of them does not cross. An object without a counterpart on the
    BEAM is kept itself; only the context that it lives in can get it.
    """
    _erlang.state_set(key, value)


def state_delete(key: object) -> None:
    """Forget ``key``, if there is anything under it."""
    _erlang.state_delete(key)


def state_keys() -> list[Any]:
    """Return all keys, in no order."""
    return _erlang.state_keys()


def state_clear() -> None:
    """Forget everything, for all contexts."""
    _erlang.state_clear()


def state_incr(key: object, by: int = 1) -> int:
    """Add to the integer under ``key`` and return the sum; where there is nothing, begin at 0.

    Nothing comes in between, whoever else counts. Raises ``TypeError`` if something else is
    there, and ``OverflowError`` where 64 bits end.
    """
    return _erlang.state_add(key, by)


def state_decr(key: object, by: int = 1) -> int:
    """Subtract from the integer under ``key``, like ``state_incr``."""
    return _erlang.state_add(key, -by)
