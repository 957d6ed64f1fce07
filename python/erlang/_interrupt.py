"""What an interrupt has left half done, put right.

An interrupt is an exception that lands anywhere, also in the middle of code that restores what it
has changed. Two such places would spoil a context for all that comes after: the end of an event
loop, which would go on being the one that runs, and an import.
"""

from __future__ import annotations

import sys
from importlib.machinery import SourceFileLoader


def put_right() -> None:
    """Called when a request that was interrupted has ended, and nothing else runs here."""
    put_right_within_loop()
    sys.set_asyncgen_hooks(None, None)


def put_right_within_loop() -> None:
    """The same for a request that was served by an event loop, which goes on."""
    set_running_loop = getattr(sys.modules.get("asyncio.events"), "_set_running_loop", None)
    if set_running_loop is not None:
        set_running_loop(None)
    put_imports_right()


def put_imports_right() -> None:
    """Have the modules imported again that were left behind by the package they belong to.

    A package whose import fails is taken out of `sys.modules`, what it had imported of itself is
    not. The next import of the package finds that, and does not make it an attribute.
    """
    for name, module in list(sys.modules.items()):
        package = name.rpartition(".")[0]
        if package and package not in sys.modules and _is_source(module):
            sys.modules.pop(name, None)


def _is_source(module: object) -> bool:
    """Can it be imported as often as one likes? Of C extensions one never knows."""
    return isinstance(getattr(module, "__loader__", None), SourceFileLoader)
