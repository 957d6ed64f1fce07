"""Dates and times in both directions."""

import importlib.util
import sys
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Any, Optional
from zoneinfo import ZoneInfo

import pytest

from erlang import _calendar, _convert


def zone_known(name: str) -> bool:
    try:
        ZoneInfo(name)
    except LookupError:
        return False
    return True


needs_tzdata = pytest.mark.skipif(
    not zone_known("Europe/Paris"), reason="this machine has no time zone database"
)


@pytest.fixture(autouse=True)
def no_zones_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_calendar, "_zones", {})


def encode(value: object) -> Any:
    encoder = _convert.encoder_for(type(value))
    assert callable(encoder)
    return encoder(value)


class Zone(tzinfo):
    """A zone of the user's own: an offset, and an attribute that names it, or none."""

    def __init__(self, offset: Optional[timedelta], **names: str) -> None:
        self.offset = offset
        self.__dict__.update(names)

    def utcoffset(self, _when: Optional[datetime]) -> Optional[timedelta]:
        return self.offset

    def dst(self, _when: Optional[datetime]) -> Optional[timedelta]:
        return None

    def tzname(self, _when: Optional[datetime]) -> Optional[str]:
        return None


MOMENT = datetime(2024, 2, 29, 13, 5, 6, 789)
FIELDS = (2024, 2, 29, 13, 5, 6, 789)
UTC = ("Etc/UTC", "UTC", 0, 0)


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (date(2024, 2, 29), ("date", 2024, 2, 29)),
        (date.min, ("date", 1, 1, 1)),
        (date.max, ("date", 9999, 12, 31)),
        (time(13, 5, 6, 789), ("time", 13, 5, 6, 789)),
        (time.max, ("time", 23, 59, 59, 999_999)),
        (MOMENT, ("naive", *FIELDS)),
        (datetime.min, ("naive", 1, 1, 1, 0, 0, 0, 0)),
        (MOMENT.replace(tzinfo=timezone.utc), ("datetime", *FIELDS, *UTC)),
        (datetime.max.replace(tzinfo=timezone.utc), None),
    ],
)
def test_python_to_elixir_and_back(value: Any, parts: Optional[tuple[Any, ...]]) -> None:
    tag, *fields = encode(value)
    assert parts is None or (tag, *fields) == parts
    back = getattr(_convert, tag)(*fields)
    assert back == value
    assert type(back) is type(value)
    assert getattr(back, "tzinfo", None) == getattr(value, "tzinfo", None)


def test_a_subclass_crosses_like_its_base() -> None:
    class Birthday(date):
        pass

    class Stamp(datetime):
        pass

    assert encode(Birthday(2024, 2, 29)) == ("date", 2024, 2, 29)
    assert encode(Stamp(2024, 2, 29)) == ("naive", 2024, 2, 29, 0, 0, 0, 0)


def test_the_python_half_of_datetime_crosses_as_well() -> None:
    library = pytest.importorskip("_pydatetime", reason="has a name of its own since Python 3.12")
    moment = library.datetime(*FIELDS)
    assert encode(moment) == ("naive", *FIELDS)
    assert encode(moment.date()) == ("date", 2024, 2, 29)
    assert encode(moment.time()) == ("time", 13, 5, 6, 789)
    assert encode(moment.replace(tzinfo=library.timezone.utc)) == ("datetime", *FIELDS, *UTC)


@needs_tzdata
@pytest.mark.parametrize(
    ("month", "fold", "abbreviation", "daylight"),
    [(1, 0, "CET", 0), (7, 0, "CEST", 3600), (7, 1, "CEST", 3600)],
)
def test_a_zone_keeps_its_name(month: int, fold: int, abbreviation: str, daylight: int) -> None:
    zone = ZoneInfo("Europe/Paris")
    value = datetime(2024, month, 1, 12, tzinfo=zone, fold=fold)
    parts = encode(value)
    fields = (2024, month, 1, 12, 0, 0, 0)
    assert parts == ("datetime", *fields, "Europe/Paris", abbreviation, 3600, daylight)
    back = _convert.datetime(*parts[1:])
    assert back.tzinfo is zone
    assert back == value


@needs_tzdata
def test_both_readings_of_a_repeated_hour_are_kept_apart() -> None:
    # In New York the clocks went back from 2:00 to 1:00 that night.
    first = datetime(2024, 11, 3, 1, 30, tzinfo=ZoneInfo("America/New_York"))
    second = first.replace(fold=1)
    for value, abbreviation in [(first, "EDT"), (second, "EST")]:
        parts = encode(value)
        assert abbreviation in parts
        back = _convert.datetime(*parts[1:])
        assert back.fold == value.fold
        assert back.utcoffset() == value.utcoffset()


@needs_tzdata
def test_a_zone_that_the_two_sides_see_differently_keeps_the_instant() -> None:
    back = _convert.datetime(2024, 1, 1, 12, 0, 0, 0, "Europe/Paris", "XST", 3600, 7200)
    assert back.utcoffset() == timedelta(hours=3)
    assert back.tzname() == "XST"


@needs_tzdata
@pytest.mark.parametrize("name", ["UTC", "Etc/UTC"])
def test_the_zone_utc_has_one_name(name: str) -> None:
    assert encode(MOMENT.replace(tzinfo=ZoneInfo(name))) == ("datetime", *FIELDS, *UTC)


@needs_tzdata
def test_a_zone_at_utc_with_another_name_keeps_it() -> None:
    parts = encode(datetime(2024, 1, 1, tzinfo=ZoneInfo("Europe/London")))
    assert parts[8:] == ("Europe/London", "GMT", 0, 0)


def test_fixed_offsets_are_shifted_to_utc() -> None:
    value = datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=2), "EET"))
    assert encode(value) == ("datetime", 2023, 12, 31, 23, 0, 0, 0, *UTC)


def test_offsets_below_a_second_are_shifted_exactly() -> None:
    offset = timedelta(seconds=1, microseconds=5)
    for zone in (timezone(offset), Zone(offset, key="Odd/Place")):
        value = datetime(2024, 1, 1, tzinfo=zone)
        assert encode(value) == ("datetime", 2023, 12, 31, 23, 59, 58, 999_995, *UTC)


def test_the_names_of_other_zone_libraries_are_known() -> None:
    value = MOMENT.replace(tzinfo=Zone(timedelta(hours=1), zone="Europe/Paris"))
    assert encode(value) == ("datetime", *FIELDS, "Europe/Paris", "Europe/Paris", 3600, 0)


def test_a_zone_named_utc_that_is_not_utc_is_shifted() -> None:
    value = datetime(2024, 1, 1, 5, tzinfo=Zone(timedelta(hours=1), key="UTC"))
    assert encode(value) == ("datetime", 2024, 1, 1, 4, 0, 0, 0, *UTC)


def test_a_zone_without_an_offset_makes_no_difference() -> None:
    assert encode(MOMENT.replace(tzinfo=Zone(None))) == ("naive", *FIELDS)


def test_an_instant_outside_the_calendar_is_refused() -> None:
    value = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    with pytest.raises(ValueError, match="outside the years 1 to 9999 in UTC"):
        encode(value)


def test_a_time_with_an_offset_crosses_as_text() -> None:
    value = time(10, 30, tzinfo=timezone(timedelta(hours=2)))
    assert encode(value) == ("term", "10:30:00+02:00")


def test_a_time_whose_zone_needs_a_date_is_naive() -> None:
    assert encode(time(10, 30, tzinfo=Zone(None))) == ("time", 10, 30, 0, 0)


@pytest.mark.parametrize(
    "name", ["", "No/Such", "../etc/passwd", "Europe", "a\0b", "é", "x" * 5000]
)
def test_an_unknown_zone_becomes_a_fixed_offset(name: str) -> None:
    back = _convert.datetime(2024, 1, 1, 12, 0, 0, 0, name, "ABC", 3600, 60)
    assert back == datetime(2024, 1, 1, 12, tzinfo=timezone(timedelta(seconds=3660)))
    assert back.tzname() == "ABC"


def test_unknown_zones_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_calendar, "_MAX_ZONES", 5)
    for number in range(20):
        _convert.datetime(2024, 1, 1, 0, 0, 0, 0, f"No/Such{number}", "", 0, 0)
    assert len(_calendar._zones) <= 5


@pytest.mark.parametrize("year", [0, -1, 10_000, 10**30])
def test_years_that_python_lacks_are_refused(year: int) -> None:
    with pytest.raises(ValueError, match=f"Python has no date {year}-1-1"):
        _convert.date(year, 1, 1)
    with pytest.raises(ValueError, match=f"Python has no datetime {year}-1-1"):
        _convert.naive(year, 1, 1, 0, 0, 0, 0)
    with pytest.raises(ValueError, match=f"Python has no datetime {year}-1-1"):
        _convert.datetime(year, 1, 1, 0, 0, 0, 0, *UTC)


def test_a_leap_second_is_refused() -> None:
    with pytest.raises(ValueError, match="Python has no time 23:59:60"):
        _convert.time(23, 59, 60, 0)


def test_an_offset_of_a_day_is_refused() -> None:
    with pytest.raises(ValueError, match="Python has no UTC offset of 86400 seconds"):
        _convert.datetime(2024, 1, 1, 0, 0, 0, 0, "No/Such", "", 86_400, 0)


@needs_tzdata
@pytest.mark.skipif(importlib.util.find_spec("_zoneinfo") is None, reason="no C half to refuse")
def test_zones_work_where_the_c_half_of_zoneinfo_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        """Fails as the C half does in a sub-interpreter of Python 3.12."""

        def __getattr__(self, name: str) -> Any:
            raise AttributeError("module 'datetime' has no attribute 'datetime_CAPI'")

    class Finder:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "_zoneinfo":
                raise AttributeError("module 'datetime' has no attribute 'datetime_CAPI'")

    for name in ("_zoneinfo", "zoneinfo"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    back = _convert.datetime(2024, 7, 1, 12, 0, 0, 0, "Europe/Paris", "CEST", 3600, 3600)
    assert back.utcoffset() == timedelta(hours=2)
    assert type(back.tzinfo).__name__ == "ZoneInfo"
    # Newer versions of zoneinfo cope by themselves.
    assert sys.modules.get("_zoneinfo") is None
