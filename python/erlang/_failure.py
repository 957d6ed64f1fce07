"""What went wrong, as plain data: an exception described for the BEAM.

``describe`` runs user code (``__str__``, ``__notes__``, ...) on objects in any state, so every
step expects to fail. The result consists of exact ``str``, ``int``, ``list`` and ``dict``, is
bounded in size, and contains no character that UTF-8 cannot hold.
"""

from __future__ import annotations

# `traceback` and `linecache` are imported by the first exception, as they cost ten times what the
# rest of this package does.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from traceback import TracebackException
    from typing import TypedDict, TypeVar

    T = TypeVar("T")
    U = TypeVar("U")

    class Frame(TypedDict):
        """One line of Python that was being run."""

        file: str
        line: int
        function: str
        code: str

    class Description(TypedDict):
        """An exception; the keys are the fields of Elixir's ``Py.Error``."""

        type: str
        message: str
        traceback: list[str]
        frames: list[Frame]
        cause: Description | None
        context: Description | None
        notes: list[str]
        exceptions: list[Description]


# A description nests at most this deep, holds at most so many exceptions in all, ...
_MAX_DEPTH = 16
_MAX_EXCEPTIONS = 100
# ... and of each exception so many frames, notes, characters in a text, lines of a traceback and
# characters in such a line. A traceback is there to be read; the message has the text in full.
_MAX_FRAMES = 100
_MAX_NOTES = 100
_MAX_TEXT = 1 << 20
_MAX_LINES = 4_000
_MAX_LINE = 10_000
# The innermost ones. Python itself prints 1000, for which 3.13 takes seconds after a recursion.
_MAX_PRINTED_FRAMES = 100

_CAUSE = "The above exception was the direct cause of the following exception:"
_CONTEXT = "During handling of the above exception, another exception occurred:"

# Frames of this package say nothing to the reader of a traceback.
_PACKAGE = __file__[: __file__.rindex("_failure")]


def describe(exc: BaseException) -> Description:
    """Describe an exception, with its cause, context, notes and members. Never raises.

    - ``type``: the name, with its module unless that is ``builtins`` or ``__main__``.
    - ``message``: ``str(exc)``.
    - ``traceback``: the lines Python would print, chained exceptions included.
    - ``frames``: the innermost 100 stack frames, outermost first.
    - ``cause``, ``context``: the same for ``__cause__`` and for ``__context__`` (``None`` if
      suppressed); ``exceptions`` for the members of a group.
    """
    try:
        return _describe(exc, (), [_MAX_EXCEPTIONS])
    except BaseException:
        # Out of memory or stack, or interrupted.
        return _bare(exc)


def _describe(exc: BaseException, above: tuple[int, ...], left: list[int]) -> Description:
    left[0] -= 1
    above = (*above, id(exc))

    def below(other: object) -> Description | None:
        # A cycle is cut where it would close, like Python's own printing does.
        if not isinstance(other, BaseException) or id(other) in above:
            return None
        if left[0] <= 0 or len(above) >= _MAX_DEPTH:
            return None
        return _describe(other, above, left)

    cause, context, *members = _guarded(_linked, exc, [None, None])
    description: Description = {
        "type": _type_name(type(exc)),
        "message": _text(exc, "exception"),
        "traceback": [],
        "frames": _guarded(_frames, exc, []),
        "cause": below(cause),
        "context": below(context),
        "notes": _guarded(_notes, exc, []),
        "exceptions": [member for each in members if (member := below(each))],
    }
    lines = _guarded(_as_printed, exc, None) or _in_short(description)
    description["traceback"] = _bounded([*_chain(description), *lines])
    return description


def _bare(exc: BaseException) -> Description:
    """Describe with what cannot fail, or with nothing but constants."""
    try:
        known: Description = {
            **_NOTHING_KNOWN,
            "type": _type_name(type(exc)),
            "message": _text(exc, "exception"),
        }
        return {**known, "traceback": _bounded(_in_short(known))}
    except BaseException:
        return _NOTHING_KNOWN


_NOTHING_KNOWN: Description = {
    "type": "RuntimeError",
    "message": "an exception that could not be described",
    "traceback": ["RuntimeError: an exception that could not be described"],
    "frames": [],
    "cause": None,
    "context": None,
    "notes": [],
    "exceptions": [],
}


def _guarded(step: Callable[[BaseException], T], exc: BaseException, otherwise: U) -> T | U:
    try:
        return step(exc)
    except BaseException:
        return otherwise


# --- the parts ---


def _type_name(cls: type) -> str:
    try:
        module, name = cls.__module__, cls.__qualname__
        if module in ("builtins", "__main__"):
            return _clean(name)
        return _clean(f"{module}.{name}")
    except BaseException:
        return "<unknown>"


def _text(value: object, what: str) -> str:
    try:
        return _clean(str(value))
    except BaseException:
        return f"<{what} str() failed>"


def _linked(exc: BaseException) -> list[object]:
    context = None if exc.__suppress_context__ else exc.__context__
    return [exc.__cause__, context, *_members(exc)]


def _frames(exc: BaseException) -> list[Frame]:
    points = []
    trace = exc.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            points.append((frame, trace.tb_lineno or 0))
        trace = trace.tb_next

    from linecache import checkcache, getline

    points = points[-_MAX_FRAMES:]
    for file in {frame.f_code.co_filename for frame, _line in points}:
        checkcache(file)
    return [
        {
            "file": _clean(frame.f_code.co_filename),
            "line": line,
            "function": _clean(frame.f_code.co_name),
            "code": _clean(
                getline(frame.f_code.co_filename, line, frame.f_globals).strip(), _MAX_LINE
            ),
        }
        for frame, line in points
    ]


def _notes(exc: BaseException) -> list[str]:
    notes = getattr(exc, "__notes__", None)
    if notes is None:
        return []
    if isinstance(notes, (list, tuple)):
        return [_text(note, "note") for note in notes[:_MAX_NOTES]]
    return [_clean(repr(notes))]


def _members(exc: BaseException) -> tuple[object, ...]:
    # By name, to know the back-port for Python 3.9 and 3.10 as well. Exceptions of other
    # libraries have attributes of that name with other meanings.
    if any(base.__name__ == "BaseExceptionGroup" for base in type(exc).__mro__):
        members = getattr(exc, "exceptions", ())
        if isinstance(members, tuple):
            return members
    return ()


# --- the text ---


def _chain(description: Description) -> list[str]:
    """Return what comes before the traceback of an exception that has a cause or a context."""
    if description["cause"]:
        return [*description["cause"]["traceback"], "", _CAUSE, ""]
    if description["context"]:
        return [*description["context"]["traceback"], "", _CONTEXT, ""]
    return []


def _as_printed(exc: BaseException) -> list[str] | None:
    """Return the lines that Python prints for the exception, without our own frames."""
    if _is_too_much(exc):
        return None
    from traceback import TracebackException

    report = TracebackException(type(exc), exc, exc.__traceback__, limit=-_MAX_PRINTED_FRAMES)
    # `_chain` has the lines of these two already, and a frame's lines are costly to make.
    report.__cause__ = report.__context__ = None
    for part in _parts(report):
        part.stack[:] = [frame for frame in part.stack if not frame.filename.startswith(_PACKAGE)]
    return _lines("".join(report.format()))


def _is_too_much(exc: BaseException) -> bool:
    """Tell whether ``traceback`` would take too long over all that hangs on the exception.

    It visits every exception, without a bound: thousands in a chain take seconds, groups that
    share their members (2 ** n visits) forever.
    """
    seen = {id(exc)}
    todo = [exc]
    visits = 0
    while todo and visits <= _MAX_EXCEPTIONS:
        visits += 1
        current = todo.pop()
        for linked in (current.__cause__, current.__context__):
            if linked is not None and id(linked) not in seen:
                seen.add(id(linked))
                todo.append(linked)
        todo.extend(each for each in _members(current) if isinstance(each, BaseException))
    return visits > _MAX_EXCEPTIONS


def _parts(report: TracebackException) -> Iterator[TracebackException]:
    todo = [report]
    while todo:
        part = todo.pop()
        yield part
        todo.extend(each for each in (part.__cause__, part.__context__) if each is not None)
        todo.extend(getattr(part, "exceptions", None) or ())


def _in_short(description: Description) -> list[str]:
    """Return a traceback made from the description alone, which is bounded already."""
    lines = ["Traceback (most recent call last):"] if description["frames"] else []
    for frame in description["frames"]:
        lines.append('  File "{file}", line {line}, in {function}'.format(**frame))
        if frame["code"]:
            lines.append("    " + frame["code"])
    message = description["message"]
    lines += _lines(f"{description['type']}: {message}" if message else description["type"])
    for note in description["notes"]:
        lines += _lines(note)
    for number, member in enumerate(description["exceptions"], 1):
        lines.append(f"  +---------------- {number} ----------------")
        lines += ["  | " + line for line in member["traceback"]]
    return lines


def _lines(text: str) -> list[str]:
    # Not `splitlines`, which also splits at form feeds and the like in somebody's message.
    return [_clean(line, _MAX_LINE) for line in text.rstrip("\n").split("\n")]


def _bounded(lines: list[str]) -> list[str]:
    if len(lines) <= _MAX_LINES:
        return lines
    half = _MAX_LINES // 2
    return [*lines[:half], f"... ({len(lines) - 2 * half} more lines) ...", *lines[-half:]]


def _clean(text: str, limit: int = _MAX_TEXT) -> str:
    """Return an exact ``str`` of bounded length, lone surrogates written as escapes."""
    length = str.__len__(text)
    if length > limit:
        text = f"{str.__getitem__(text, slice(limit))}... ({length - limit} more characters)"
    if str.isascii(text):
        return str.__str__(text)
    return str.encode(text, "utf-8", "backslashreplace").decode()
