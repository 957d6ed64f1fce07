"""Dates and times, from Python and to Python.

The tuples hold the fields of Elixir's ``Date``, ``Time``, ``NaiveDateTime`` and ``DateTime`` in
their order, behind a tag. An Elixir ``DateTime`` names its zone; a Python one may only have an
offset, so a zone without a name is shifted to UTC, which keeps the instant.
"""

from __future__ import annotations

import sys

# `datetime` and `zoneinfo` are imported where they are used: most interpreters never need them.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import date, datetime, time, timedelta, tzinfo
    from typing import Any
    from zoneinfo import ZoneInfo

_UTC = frozenset({"UTC", "Etc/UTC"})


# --- to the BEAM ---


def encode_date(value: date) -> tuple[Any, ...]:
    """``("date", year, month, day)``."""
    return ("date", value.year, value.month, value.day)


def encode_time(value: time) -> tuple[Any, ...]:
    """``("time", hour, minute, second, microsecond)``; ISO 8601 text if it has an offset."""
    # A zone whose offset depends on the date says nothing about a time alone: that time is naive
    # by Python's own definition.
    if value.tzinfo is None or value.utcoffset() is None:
        return ("time", value.hour, value.minute, value.second, value.microsecond)
    return ("term", value.isoformat())


def encode_datetime(value: datetime) -> tuple[Any, ...]:
    """``("naive", 7 fields)`` or ``("datetime", 7 fields, zone, abbreviation, utc, std)``."""
    zone = value.tzinfo
    offset = None if zone is None else value.utcoffset()
    if offset is None:
        return ("naive", *_fields(value))
    # `key` names a zone of zoneinfo, `zone` one of pytz.
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)
    if type(name) is str and name not in _UTC:
        daylight = value.dst()
        # Elixir counts offsets in whole seconds.
        if not offset.microseconds and not (daylight and daylight.microseconds):
            std_offset = _seconds(daylight) if daylight else 0
            utc_offset = _seconds(offset) - std_offset
            return (
                "datetime", *_fields(value), name, value.tzname() or name, utc_offset, std_offset
            )  # fmt: skip
    if offset:
        # Subtracted from the naive reading: on aware values some subclasses (pandas) count
        # across the clock changes of their zone.
        try:
            value = value.replace(tzinfo=None) - offset
        except OverflowError:
            raise ValueError(f"{value} is outside the years 1 to 9999 in UTC") from None
    return ("datetime", *_fields(value), "Etc/UTC", "UTC", 0, 0)


def _fields(value: datetime) -> tuple[int, int, int, int, int, int, int]:
    return (
        value.year, value.month, value.day,
        value.hour, value.minute, value.second, value.microsecond,
    )  # fmt: skip


def _seconds(delta: timedelta) -> int:
    return delta.days * 86_400 + delta.seconds


# --- from the BEAM ---


def decode_date(year: int, month: int, day: int) -> date:
    """Make a ``datetime.date``; ``ValueError`` outside the years 1 to 9999."""
    from datetime import date

    try:
        return date(year, month, day)
    except (ValueError, OverflowError) as error:
        raise _impossible(f"date {year}-{month}-{day}", error) from None


def decode_time(hour: int, minute: int, second: int, microsecond: int) -> time:
    """Make a naive ``datetime.time``."""
    from datetime import time

    try:
        return time(hour, minute, second, microsecond)
    except (ValueError, OverflowError) as error:
        raise _impossible(f"time {hour}:{minute}:{second}", error) from None


def decode_naive(
    year: int, month: int, day: int, hour: int, minute: int, second: int, microsecond: int
) -> datetime:
    """Make a ``datetime.datetime`` without a zone; ``ValueError`` outside the years 1 to 9999."""
    from datetime import datetime

    try:
        return datetime(year, month, day, hour, minute, second, microsecond)
    except (ValueError, OverflowError) as error:
        raise _impossible(f"datetime {year}-{month}-{day}", error) from None


def decode_datetime(
    year: int,
    month: int,
    day: int,
    hour: int,
    minute: int,
    second: int,
    microsecond: int,
    zone: str,
    abbreviation: str,
    utc_offset: int,
    std_offset: int,
) -> datetime:
    """Make an aware ``datetime.datetime``; the offsets are in seconds.

    UTC becomes ``timezone.utc``, and a zone that ``zoneinfo`` knows a ``ZoneInfo``. Where the two
    sides disagree about the zone's offset, or Python does not know the zone, the offset alone is
    kept, and with it the instant.
    """
    from datetime import timedelta, timezone

    reading = decode_naive(year, month, day, hour, minute, second, microsecond)
    offset = utc_offset + std_offset
    if offset == 0 and zone in _UTC:
        return reading.replace(tzinfo=timezone.utc)
    delta = timedelta(seconds=offset)
    known = _zone(zone)
    if known is not None:
        # `fold` tells the second of two equal readings, when the clocks went back, from the first.
        for fold in (0, 1):
            local = reading.replace(tzinfo=known, fold=fold)
            if local.utcoffset() == delta:
                return local
    try:
        return reading.replace(tzinfo=timezone(delta, abbreviation))
    except ValueError as error:
        raise _impossible(f"UTC offset of {offset} seconds", error) from None


def _impossible(what: str, error: Exception) -> ValueError:
    return ValueError(f"Python has no {what}: {error}")


# Misses are kept too, as each would cost a search of the file system. Bounded, since the name of
# a zone can come from anywhere.
_zones: dict[str, tzinfo | None] = {}
_MAX_ZONES = 1000


def _zone(name: str) -> tzinfo | None:
    if name in _zones:
        return _zones[name]
    found: tzinfo | None
    try:
        found = _zone_info()(name)
    except (ImportError, LookupError, OSError, ValueError):
        # This interpreter has no zoneinfo, or no such zone, or no tzdata, or that is no name.
        found = None
    if len(_zones) >= _MAX_ZONES:
        _zones.clear()
    _zones[name] = found
    return found


def _zone_info() -> type[ZoneInfo]:
    try:
        from zoneinfo import ZoneInfo
    except AttributeError:
        # A sub-interpreter of Python 3.12 refuses the C half of datetime, and then the C half of
        # zoneinfo fails in this way. Marked as missing, it makes room for the Python half.
        sys.modules["_zoneinfo"] = None  # type: ignore[assignment]
        from zoneinfo import ZoneInfo
    return ZoneInfo
