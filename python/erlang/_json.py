"""JSON: what stands for the values that have no form of their own in it.

The native side writes and reads JSON by itself, and asks here about what is rare.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# `str(int)` and `int(str)` refuse more than 4,300 digits, unless told otherwise.
_MOST_DIGITS = 4300


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
        from decimal import Decimal

        return format(Decimal(number), "f")


def integer(text: str) -> int:
    """Read what ``digits`` writes."""
    if len(text) < _MOST_DIGITS:
        return int(text)
    from decimal import Decimal

    return int(Decimal(text))
