"""The exceptions by which the BEAM answers Python: ``CallbackError`` and ``ProcessError``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_HEADING = "Stacktrace in the BEAM:"


class CallbackError(Exception):
    """A function of the BEAM that Python called did not return.

    - ``kind``: how it ended, ``"error"``, ``"exit"`` or ``"throw"``.
    - ``message``: what it said.
    - ``stacktrace``: where in the BEAM that was, a line for each call, innermost first. A printed
      traceback shows them below the exception.

    When the function failed because of a Python exception, that is the ``__cause__``.
    """

    __module__ = "erlang"

    kind: str
    message: str
    stacktrace: list[str]

    def __init__(
        self,
        kind: str,
        message: str,
        stacktrace: Sequence[str] = (),
        cause: BaseException | None = None,
    ) -> None:
        """Keep what happened; the native side makes these."""
        # It arrives as an atom, which would be one again in Elixir.
        self.kind = str.__str__(kind)
        # The arguments that a pickle makes the copy from. It leaves out causes, as it always does.
        super().__init__(self.kind, message, list(stacktrace))
        self.message = message
        self.stacktrace = list(stacktrace)
        # Python prints notes since 3.11; before, `__str__` has to show them.
        if self.stacktrace and hasattr(self, "add_note"):
            self.add_note(self._located())
        if isinstance(cause, BaseException):
            self.__cause__ = cause

    def __str__(self) -> str:
        """Return ``kind: message``, with the stack trace where Python knows no notes."""
        text = f"{self.kind}: {self.message}"
        if self.stacktrace and not hasattr(self, "add_note"):
            return f"{text}\n{self._located()}"
        return text

    def _located(self) -> str:
        return "\n  ".join([_HEADING, *self.stacktrace])


class ProcessError(Exception):
    """A message could not be sent: there is no such process, name or node."""

    __module__ = "erlang"


class ChannelClosed(Exception):
    """A channel takes no more messages, or has no more to give."""

    __module__ = "erlang"
