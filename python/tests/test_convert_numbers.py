"""Ranges and decimals, in both directions."""

from decimal import ROUND_UP, Context, Decimal, InvalidOperation, localcontext
from typing import Any

import pytest

from erlang import _convert
from support.forms import form

# --- ranges ---


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (range(10), (0, 9, 1)),
        (range(1, 11, 3), (1, 10, 3)),
        (range(5, 0, -1), (5, 1, -1)),
        (range(0), (0, -1, 1)),
        (range(0, 0, -1), (0, 1, -1)),
        (range(3, 1), (3, 0, 1)),
        (range(10**30, 10**30 + 2), (10**30, 10**30 + 1, 1)),
    ],
)
def test_ranges_include_their_last_element_in_elixir(
    value: range, parts: tuple[int, int, int]
) -> None:
    assert form(value) == ("range", *parts)
    assert _convert.range_(*parts) == value


def test_a_range_without_a_step_is_refused() -> None:
    with pytest.raises(ValueError, match="zero"):
        _convert.range_(1, 2, 0)


# --- decimals ---


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("12.50", (1, 1250, -2)),
        ("-12.50", (-1, 1250, -2)),
        ("0", (1, 0, 0)),
        ("-0.00", (-1, 0, -2)),
        ("1E+30", (1, 1, 30)),
        ("NaN", (1, "NaN", 0)),
        ("-NaN", (-1, "NaN", 0)),
        ("Infinity", (1, "inf", 0)),
        ("-Infinity", (-1, "inf", 0)),
    ],
)
def test_decimals_in_both_directions(text: str, parts: Any) -> None:
    assert form(Decimal(text)) == ("decimal", *parts)
    assert str(_convert.decimal(*parts)) == text


@pytest.mark.parametrize("text", ["sNaN", "NaN123", "sNaN5"])
def test_every_kind_of_nan_is_nan(text: str) -> None:
    assert form(Decimal(text)) == ("decimal", 1, "NaN", 0)


def test_decimals_keep_every_digit() -> None:
    # More than the context's precision, and more than int() reads from text.
    coefficient = 10**9999 + 7
    with localcontext(Context(prec=3, rounding=ROUND_UP)):
        value = _convert.decimal(-1, coefficient, -5)
        assert form(value) == ("decimal", -1, coefficient, -5)


@pytest.mark.parametrize("exponent", [10**19, -(10**19), 10**40, -(10**40)])
@pytest.mark.parametrize("trapped", [True, False])
def test_exponents_that_python_lacks_are_refused(exponent: int, trapped: bool) -> None:
    with localcontext() as context:
        context.traps[InvalidOperation] = trapped
        with pytest.raises(ValueError, match=f"no Decimal with the exponent {exponent}"):
            _convert.decimal(1, 1, exponent)
