"""From ``logging`` to Elixir's Logger. Loaded when ``logging`` is; see ``erlang._output``.

Code that configures nothing, or calls ``logging.basicConfig`` without naming a place to write
to, logs through ``BeamHandler``. Handlers that it sets up by itself are left alone.
"""

from __future__ import annotations

import logging

from erlang._native import _erlang

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LEVELS = (
    (logging.CRITICAL, "critical"),
    (logging.ERROR, "error"),
    (logging.WARNING, "warning"),
    (logging.INFO, "info"),
)

# The arguments of `logging.basicConfig` that say where to write.
_PLACES = ("handlers", "stream", "filename")


class BeamHandler(logging.Handler):
    """Sends records to Elixir's Logger, with their level, and where they come from as metadata."""

    def createLock(self) -> None:
        """Have no lock: there is nothing to protect, and the BEAM may take its time to answer."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Emit the record unless a filter drops it."""
        # Since Python 3.12 a filter may put another record in its place.
        passed: Any = self.filter(record)
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record. One whose arguments do not fit its format is sent as it is."""
        try:
            text = self.format(record)
        except RecursionError:
            raise
        except Exception as error:
            text = _unformatted(record, error)
        _erlang.log(_level(record.levelno), text, _metadata(record))


def install() -> None:
    """Make the handler what ``logging`` uses when nobody says otherwise."""
    handler = BeamHandler()
    logging.lastResort = handler
    basic_config = logging.basicConfig

    def basicConfig(**kwargs: Any) -> None:
        if all(kwargs.get(place) is None for place in _PLACES):
            for place in (*_PLACES, "filemode"):
                kwargs.pop(place, None)
            kwargs["handlers"] = [_handler(plain="format" not in kwargs)]
        basic_config(**kwargs)

    basicConfig.__doc__ = basic_config.__doc__
    logging.basicConfig = basicConfig
    follow()


def follow() -> None:
    """Give the root logger the level that ``Py.Logger`` has set, if it has."""
    level = _erlang.log_level()
    if level >= 0:
        logging.getLogger().setLevel(level)


def setup_logging(level: int | str | None = None, format: str | None = None) -> None:
    """Send all that is logged in this interpreter to Elixir's Logger.

    That happens by itself for code that configures nothing. This takes the place of what some
    code has configured, and may set the level from which on records are sent, such as ``"INFO"``,
    and their format.
    """
    options = {"level": level, "format": format}
    given = {name: value for name, value in options.items() if value is not None}
    logging.basicConfig(force=True, handlers=[_handler(plain=format is None)], **given)  # type: ignore[arg-type]


def _handler(plain: bool) -> BeamHandler:
    handler = BeamHandler()
    if plain:
        # The default format would repeat the level and the name of the logger.
        handler.setFormatter(logging.Formatter())
    return handler


def _level(number: int) -> str:
    for least, name in _LEVELS:
        if number >= least:
            return name
    return "debug"


def _metadata(record: logging.LogRecord) -> dict[str, object]:
    fields: dict[str, object] = {
        "logger": record.name,
        "module": record.module,
        "function": record.funcName,
        "file": record.pathname,
        "line": record.lineno,
        "process": record.process,
        "thread": record.threadName,
    }
    # What `logging` was told not to collect is None.
    return {name: value for name, value in fields.items() if isinstance(value, (str, int))}


def _unformatted(record: logging.LogRecord, error: Exception) -> str:
    parts = [_safe(record.msg)]
    if record.args:
        parts.append(f"with the arguments {_safe(record.args)}")
    return f"{' '.join(parts)} (not formatted: {type(error).__name__}: {_safe(error, str)})"


def _safe(value: object, show: type[str] | Any = repr) -> str:
    try:
        return str(show(value))
    except Exception:
        return f"<{type(value).__name__}>"
