"""``sys.stdout``, ``sys.stderr`` and ``sys.stdin`` of an interpreter inside the BEAM.

What is printed goes to the group leader of the process that called Python, log messages go to
Elixir's Logger, and there is no input.
"""

from __future__ import annotations

import io
import sys

from erlang._native import _erlang

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, NoReturn


class _Output(io.RawIOBase):
    """A device of the BEAM. It gathers lines itself, so nothing is buffered on this side."""

    def __init__(self, device: int, name: str) -> None:
        super().__init__()
        self.name = name
        self.mode = "wb"
        self._device = device
        # Kept, since a thread may still print when the globals of this module are gone.
        self._write = _erlang.write
        self._flush = _erlang.flush

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._write(self._device, data)

    def flush(self) -> None:
        """Send a line that has not ended, as ``print(..., flush=True)`` asks for."""
        super().flush()
        self._flush()

    def close(self) -> None:
        """Stay open: all requests that ever run here share it."""


class _NoInput(io.RawIOBase):
    """Nothing to read, for which the end of the file is the wrong word."""

    name = "<stdin>"
    mode = "rb"

    def readable(self) -> bool:
        return True

    def readinto(self, _buffer: object) -> NoReturn:
        raise EOFError(
            "there is no standard input inside the BEAM: input() and sys.stdin have nothing to "
            "read. Pass values as arguments of the call, or call a function of the BEAM"
        )

    def close(self) -> None:
        """Stay open, like the outputs."""


class _Text(io.TextIOWrapper):
    """Text of such a device, which goes there without being encoded first.

    ``print`` finds the native function as an attribute, with no Python in between.
    """

    def __init__(self, output: _Output, write: Callable[[str], int]) -> None:
        super().__init__(
            output, encoding="utf-8", errors="backslashreplace", newline="\n", write_through=True
        )
        self.__dict__["write"] = write

    def reconfigure(self, **settings: Any) -> None:
        """Write as somebody has asked for, which is the wrapper's own way."""
        self.__dict__.pop("write", None)
        super().reconfigure(**settings)

    def detach(self) -> Any:
        """Let somebody else have the device, and take no more text."""
        self.__dict__.pop("write", None)
        return super().detach()


# One of each per interpreter, so that several workers may install them.
_STREAMS: dict[str, io.TextIOWrapper] = {
    "stdin": io.TextIOWrapper(_NoInput(), encoding="utf-8"),
    "stdout": _Text(_Output(1, "<stdout>"), _erlang.write_out),
    "stderr": _Text(_Output(2, "<stderr>"), _erlang.write_err),
}


def install() -> None:
    """Connect this interpreter; the native side calls this for every worker."""
    # A worker that comes later must not undo what user code has redirected by then.
    if sys.__stdout__ is _STREAMS["stdout"]:
        return
    for name, stream in _STREAMS.items():
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    if "logging" in sys.modules:
        _connect_logging()
    sys.meta_path.insert(0, _LoggingFinder())


class _LoggingFinder:
    """A finder that finds nothing but ``logging``, and has it connected to Elixir's Logger.

    So ``logging``, which is not small, is loaded only where it is used. The finder stays: another
    thread that is looking through ``sys.meta_path`` would miss one if it went.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Let the other finders look for ``logging``, and follow what they find."""
        if name != "logging":
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                _follow(spec)
                return spec
        return None


def _follow(spec: ModuleSpec) -> None:
    loader: Any = spec.loader
    # A loader that is shared, as that of frozen modules is, must not be changed.
    if loader is None or isinstance(loader, type):
        return
    execute: Callable[[ModuleType], None] = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        del loader.exec_module
        execute(module)
        _connect_logging()

    loader.exec_module = exec_module


def log_level_changed() -> None:
    """Follow a new level of ``Py.Logger``; what loads ``logging`` later finds it by itself."""
    if "logging" in sys.modules:
        from erlang import _logging

        _logging.follow()


def _connect_logging() -> None:
    from erlang import _logging

    _logging.install()
