"""Finding shared libraries without starting a program.

``ctypes.util.find_library`` asks ``ldconfig`` on Linux, which the sandbox refuses to start. But
the cache that ``ldconfig`` would print can be read as well.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

#: What the dynamic linker knows: names and paths, each with a NUL after it.
CACHE = "/etc/ld.so.cache"


def find_soname(name: str) -> str | None:
    """Return ``"libm.so.6"`` for ``"m"``, or ``None``."""
    import os
    import re

    try:
        with open(CACHE, "rb") as file:
            names = file.read()
    except OSError:
        return None
    pattern = rb"(?<=[\0/])lib%s\.[^\0/]+(?=\0)" % re.escape(os.fsencode(name))
    found = re.findall(pattern, names)
    # Of several the newest, like `ldconfig`, and the one without a version last.
    newest = max(found, key=lambda soname: [*map(int, re.findall(rb"\d+", soname))], default=None)
    return None if newest is None else os.fsdecode(newest)


class Amendment:
    """A finder that comes first, for one module, which is amended once it has been loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Have `ctypes.util` found as always; leave all others to the finders that follow."""
        if name != "ctypes.util":
            return None
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        exec_module = spec.loader.exec_module

        def exec_and_amend(module: ModuleType) -> None:
            exec_module(module)
            amend(module)

        spec.loader.exec_module = exec_and_amend  # type: ignore[method-assign]
        return spec


def amend(module: ModuleType) -> None:
    """Let ``find_library`` look into the cache, where it would ask ``ldconfig``."""
    if hasattr(module, "_findSoname_ldconfig"):
        module.__dict__["_findSoname_ldconfig"] = find_soname


def install() -> None:
    """Amend the module when this interpreter imports it; twice is once."""
    if not any(isinstance(finder, Amendment) for finder in sys.meta_path):
        sys.meta_path.insert(0, Amendment())
