"""The opaque terms ``Pid``, ``Ref``, ``Port``, ``Fun`` and ``Buffer``.

The native module makes them, one set of types per interpreter; Python code passes them on,
compares them and keeps them in dicts. Without a BEAM there is nothing to make them from, so the
stand-ins below only serve annotations and ``isinstance``.
"""

from __future__ import annotations

# The stub file of `_erlang` lies in this package, so that type checkers find it wherever the
# package is installed; the built-in module itself is a top-level one.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from erlang import _erlang
else:
    try:
        import _erlang
    except ImportError:
        _erlang = None

__all__ = ["Buffer", "Fun", "Pid", "Port", "Ref"]

if TYPE_CHECKING or _erlang is not None:
    Buffer = _erlang.Buffer
    Fun = _erlang.Fun
    Pid = _erlang.Pid
    Port = _erlang.Port
    Ref = _erlang.Ref
else:

    def _stand_in(name: str, doc: str) -> type:
        """Make a type that has no instances, as only the BEAM could give it one."""

        def refuse(cls: type, *_args: object) -> object:
            raise TypeError(f"only the BEAM makes an erlang.{name}, and this is plain Python")

        namespace = {"__slots__": (), "__doc__": doc, "__module__": "erlang", "__new__": refuse}
        return type(name, (), namespace)

    Buffer = _stand_in("Buffer", "A binary of the BEAM, readable in place through memoryview().")
    Fun = _stand_in("Fun", "A function of the BEAM.")
    Pid = _stand_in("Pid", "The identifier of a BEAM process.")
    Port = _stand_in("Port", "A port of the BEAM.")
    Ref = _stand_in("Ref", "A reference of the BEAM.")
