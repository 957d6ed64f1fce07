"""What stands for the rarer values in JSON."""

import datetime
import decimal

import pytest

from erlang import _convert, _json


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime.date(2024, 2, 29), "2024-02-29"),
        (datetime.time(1, 2, 3), "01:02:03"),
        (datetime.datetime(2024, 1, 2, 3), "2024-01-02T03:00:00"),
        (datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone.utc), "2024-01-02T00:00:00+00:00"),
        (decimal.Decimal("1.50"), "1.50"),
        (range(1, 6, 2), [1, 3, 5]),
        (bytearray(b"abc"), b"abc"),
    ],
)
def test_every_encoder_has_a_form(value: object, expected: object) -> None:
    encode = _convert.encoder_for(type(value))
    assert callable(encode)
    assert _json.form(value, encode(value)) == expected


@pytest.mark.parametrize(
    "digits", ["7", "-7", "9" * 4300, "-" + "9" * 4301, "1" + "0" * 20_000, "-12" + "034" * 5_000]
)
def test_integers_of_any_length_are_written_and_read(digits: str) -> None:
    number = _json.integer(digits)
    assert number == int(decimal.Decimal(digits))
    assert _json.digits(number) == digits
