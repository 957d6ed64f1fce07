"""What does not work in sub-interpreters, and how code is told.

``REFUSED`` and ``ONCE`` are the lists: standard modules whose C part cannot be loaded there, by
Python version. A test imports the whole standard library in every mode and compares what fails
with these lists.

``SHARED`` lists what can be loaded there once the main interpreter has used it.

CPython itself refuses these modules with "module ... does not support loading in subinterpreters".
``install`` turns that into an ImportError which says what to do, before any of their code runs.
"""

from __future__ import annotations

import atexit
import sys

from erlang._native import _erlang

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

#: Version -> standard modules that an interpreter with its own GIL cannot have. Modules that need
#: one of these (`ctypes.util`, `plistlib`, `turtle`) fail with it. A missing accelerator that has
#: a twin in Python (`_datetime`, `_decimal`, `_elementtree`) is listed too: the twin is used.
REFUSED: dict[tuple[int, int], frozenset[str]] = {
    (3, 12): frozenset(
        {
            "_ctypes",
            "_curses",
            "_curses_panel",
            "_datetime",
            "_decimal",
            "_elementtree",
            "_lsprof",
            "_tkinter",
            "_tracemalloc",
            "_zoneinfo",
            "faulthandler",
            "nis",
            "ossaudiodev",
            "pyexpat",
            "readline",
        }
    ),
    (3, 13): frozenset(
        {
            "_curses",
            "_curses_panel",
            "_suggestions",
            "_tkinter",
            "_tracemalloc",
            "faulthandler",
            "readline",
        }
    ),
    (3, 14): frozenset(
        {
            "_curses",
            "_curses_panel",
            "_suggestions",
            "_tkinter",
            "_tracemalloc",
            "faulthandler",
            "readline",
        }
    ),
}

#: Version -> standard modules that refuse all interpreters but the first that loads them, even
#: under the shared GIL. None but the main one is let, as any of the others may end at any time.
ONCE: dict[tuple[int, int], frozenset[str]] = {
    (3, 14): frozenset({"_curses", "_curses_panel"}),
}

#: Version -> extension modules with data for all interpreters that the first to use them fills in,
#: without keeping the others out meanwhile, and the module whose import is such a use. Interpreters
#: with a GIL each that import `ctypes` at the same time may find half of it, and crash.
SHARED: dict[tuple[int, int], dict[str, str]] = {
    (3, 13): {"_ctypes": "ctypes"},
}

#: From 3.13 on CPython initialises an extension in the main interpreter before it tries another.
FIRST_SAFE = (3, 13)


def refused(mode: str = "own_gil") -> frozenset[str]:
    """Return the standard modules that contexts of ``mode`` cannot have with this Python."""
    lists = {"own_gil": REFUSED, "shared_gil": ONCE}
    return lists.get(mode, {}).get(sys.version_info[:2], frozenset())


def message(name: str) -> str:
    """Return what an import of ``name`` says, with CPython's own words, which tools look for."""
    return (
        f"module {name} does not support loading in subinterpreters: it needs the main "
        "interpreter. Call it without naming a context, which finds one by itself, or use a "
        "context with mode: :worker"
    )


class Refusal:
    """A finder that comes first and raises for refused modules; it finds nothing."""

    def __init__(self, names: frozenset[str]) -> None:
        """Refuse ``names``."""
        self.names = names

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise ImportError for a refused module; leave all others to the finders that follow."""
        if name in self.names:
            raise ImportError(message(name), name=name)
        return None


def install(mode: str) -> None:
    """Prepare the interpreter of a context; the native side calls this before anything else."""
    names = refused(mode)
    version = sys.version_info[:2]
    if names:
        sys.meta_path.insert(0, Refusal(names))
    if mode == "own_gil" and version < FIRST_SAFE:
        _before_loading(_refuse_single_phase)
    if mode == "own_gil" and version in SHARED:
        _before_loading(_let_main_fill)
    if mode == "shared_gil":
        _before_loading(_let_main_be_first)
    if mode in ("own_gil", "shared_gil"):
        # The first to be registered is the last to be called.
        atexit.register(_forget_this_thread)


def _forget_this_thread() -> None:
    """Drop what `threading` notes of a thread it did not start, as ours is, once asked about it.

    From 3.13 on that does its own work when it is dropped. In an interpreter that ends the module
    is in pieces by then, and each context that had written a log would complain on its way out.
    """
    noted = getattr(sys.modules.get("threading"), "_thread_local_info", None)
    if noted is not None:
        vars(noted).clear()


def _refuse_single_phase(spec: ModuleSpec, path: str) -> None:
    if not _erlang.is_multi_phase(spec.name, path):
        raise ImportError(message(spec.name), name=spec.name, path=path)


def _let_main_be_first(spec: ModuleSpec, path: str) -> None:
    # The standard library's own extensions are all made for several interpreters by now.
    if "lib-dynload" not in path:
        _erlang.import_in_main(spec.name)


def _let_main_fill(spec: ModuleSpec, _path: str) -> None:
    user = SHARED[sys.version_info[:2]].get(spec.name)
    if user is not None:
        _erlang.import_in_main(user)


def _before_loading(check: Callable[[ModuleSpec, str], None]) -> None:
    """Call ``check`` before the code of an extension module is run."""
    from importlib.machinery import ExtensionFileLoader

    create_module = ExtensionFileLoader.create_module

    def checked(self: ExtensionFileLoader, spec: ModuleSpec) -> ModuleType:
        check(spec, self.path)
        return create_module(self, spec)

    ExtensionFileLoader.create_module = checked  # type: ignore[method-assign]
