"""The opaque terms ``Pid``, ``Ref``, ``Port``, ``Fun`` and ``Buffer``.

The native module makes them, one set of types per interpreter; Python code passes them on,
compares them and keeps them in dicts. A ``Fun`` can be called. A ``Pid``, ``Ref`` or ``Port`` can
be pickled, and means the same in any interpreter of the same cluster of nodes.
"""

from __future__ import annotations

from erlang._native import _erlang

__all__ = ["Buffer", "Fun", "Pid", "Port", "Ref", "restore"]

Buffer = _erlang.Buffer
Fun = _erlang.Fun
Pid = _erlang.Pid
Port = _erlang.Port
Ref = _erlang.Ref


def restore(data: bytes) -> Pid | Ref | Port:
    """Make a term from its external format; pickles name this function."""
    return _erlang.from_binary(data)
