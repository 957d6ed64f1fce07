"""Values of libraries that may not be installed: their classes are known by name."""

import pytest

from support.forms import form


def numpy_class(name: str, *bases: type) -> type:
    return type(name, bases, {"__module__": "numpy", "item": lambda self: 7})


def test_numpy_scalars_cross_as_the_numbers_they_hold() -> None:
    generic = numpy_class("generic")
    integer = numpy_class("integer", generic)
    floating = numpy_class("floating", generic)
    for cls in (
        numpy_class("int64", integer),
        numpy_class("bool", generic),
        numpy_class("bool_", generic),
        numpy_class("float32", floating),
    ):
        assert form(cls()) == ("term", 7)
    assert form(numpy_class("float64", floating, float)()) == "float"


def test_numpy_values_that_would_lose_something_are_objects() -> None:
    integer = numpy_class("integer")
    for cls in (
        numpy_class("timedelta64", integer),
        numpy_class("datetime64"),
        numpy_class("longdouble", numpy_class("floating")),
        numpy_class("ndarray"),
    ):
        assert form(cls()) is None


def test_numpy_itself() -> None:
    numpy = pytest.importorskip("numpy")
    assert form(numpy.int64(-3)) == ("term", -3)
    assert form(numpy.uint64(2**64 - 1)) == ("term", 2**64 - 1)
    assert form(numpy.bool_(True)) == ("term", True)
    assert form(numpy.float32(0.5)) == ("term", 0.5)
    assert form(numpy.float64(0.5)) == "float"
    assert form(numpy.str_("x")) == "str"
    assert form(numpy.longdouble(1)) is None
    assert form(numpy.timedelta64(1, "s")) is None
    assert form(numpy.array([1])) is None


def test_missing_values_of_pandas_are_none() -> None:
    from datetime import datetime

    nat = type("_NaT", (datetime,), {"__module__": "pandas._libs.tslibs.nattype"})
    assert form(type("NaTType", (nat,), {})(2024, 1, 1)) == ("term", None)
    missing = type("C_NAType", (), {"__module__": "pandas._libs.missing"})
    assert form(type("NAType", (missing,), {})()) == ("term", None)


def test_pandas_itself() -> None:
    pandas = pytest.importorskip("pandas")
    stamp = pandas.Timestamp("2024-07-01 12:00", tz="Europe/Paris")
    fields = (2024, 7, 1, 12, 0, 0, 0)
    assert form(stamp) == ("datetime", *fields, "Europe/Paris", "CEST", 3600, 3600)
    assert form(pandas.NaT) == ("term", None)
    assert form(pandas.NA) == ("term", None)
