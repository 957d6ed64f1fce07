"""JSON: what stands for the values that have no form of their own in it.

The native side writes and reads JSON by itself, and asks here about what is rare.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# `str(int)` and `int(str)` refuse more than 4,300 digits, unless told otherwise; this many are
# never too many. `decimal` is no way out, as it is written in Python in some interpreters.
_CHUNK = 640


def form(value: Any, tagged: tuple[Any, ...]) -> object:
    """Give the value to write for ``value``, of which ``erlang._convert`` has made ``tagged``."""
    tag = tagged[0]
    if tag == "term":
        return tagged[1]
    if tag == "range":
        return list(value)
    # Any number of digits may matter in a decimal, and floats would lose them.
    return str(value) if tag == "decimal" else value.isoformat()


def digits(number: int) -> str:
    """Write an integer of any size in decimal."""
    try:
        return int.__repr__(number)
    except ValueError:
        sign, rest = ("-", -number) if number < 0 else ("", number)
    chunks = []
    while rest:
        rest, chunk = divmod(rest, 10**_CHUNK)
        chunks.append(str(chunk).zfill(_CHUNK))
    return sign + "".join(reversed(chunks)).lstrip("0")


def integer(text: str) -> int:
    """Read what ``digits`` writes."""
    try:
        return int(text)
    except ValueError:
        unsigned = text.lstrip("-")
    number = 0
    for start in range(0, len(unsigned), _CHUNK):
        chunk = unsigned[start : start + _CHUNK]
        number = number * 10 ** len(chunk) + int(chunk)
    return -number if text.startswith("-") else number
