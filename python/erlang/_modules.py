"""Loading modules before they are needed, and again after their source has changed."""

from __future__ import annotations

import importlib
import sys

__all__ = ["load", "reload"]


def load(name: str) -> None:
    """Import a module, for what that does."""
    importlib.import_module(name)


def reload(name: str) -> list[str]:
    """Reload a module, and those below it, that this interpreter has; return their names.

    ``sys.modules`` has them in the order in which they were done loading, so what one has taken
    names from comes before it.
    """
    importlib.invalidate_caches()
    loaded = [each for each in sys.modules if each == name or each.startswith(name + ".")]
    for each in loaded:
        importlib.reload(sys.modules[each])
    return loaded
