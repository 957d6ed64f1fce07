"""The built-in module ``_erlang``, or its stand-in without a BEAM; all other files take it here.

The built-in module is a top-level one. Its stub file lies in this package, where type checkers
find it wherever the package is installed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from erlang import _erlang
else:
    try:
        import _erlang
    except ImportError:
        from erlang import _outside as _erlang

__all__ = ["_erlang"]
