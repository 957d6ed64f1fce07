"""What ``Py.Repl`` asks of Python: to run what has been typed, and to complete a word."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

_FILE = "<stdin>"


def run(source: str, namespace: dict[str, Any]) -> str | None:
    """Run source like a prompt does, which shows the values of expressions.

    ``None`` asks for more lines; otherwise the answer is the text of the exception it ended with,
    or nothing. ``SystemExit`` and interrupts go on to the caller.
    """
    # Imported here, since most contexts never meet a prompt.
    import codeop

    try:
        code = codeop.compile_command(source, _FILE, "single")
    except (SyntaxError, ValueError, OverflowError) as error:
        return _printed(error.with_traceback(None))
    if code is None:
        return None
    try:
        exec(code, namespace)
    except Exception as error:
        traceback = error.__traceback__
        # Without the frame of this function.
        return _printed(error.with_traceback(traceback and traceback.tb_next))
    return ""


def complete(word: str, namespace: dict[str, Any]) -> list[str]:
    """Complete a name, or an attribute after a dot, to what it may become."""
    completer = _rlcompleter().Completer(namespace)
    find = completer.attr_matches if "." in word else completer.global_matches
    try:
        # An expression before a dot is evaluated, and may be anything.
        return sorted({str(match) for match in find(word)})
    except Exception:
        return []


def _rlcompleter() -> ModuleType:
    # It would load readline, which takes hold of a terminal that is the BEAM's.
    hidden = "readline" not in sys.modules
    if hidden:
        sys.modules["readline"] = None  # type: ignore[assignment]
    try:
        import rlcompleter
    finally:
        if hidden:
            del sys.modules["readline"]
    return rlcompleter


def _printed(error: BaseException) -> str:
    import traceback

    return "".join(traceback.TracebackException.from_exception(error).format())
