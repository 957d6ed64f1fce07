"""Which form a Python value has on the other side, and what is made of Elixir's structs."""

import array
import collections
import dataclasses
import enum
import fractions
import io
import os
import pathlib
import sys
import types
import typing
import uuid
from datetime import timedelta
from decimal import ROUND_UP, Context, Decimal, InvalidOperation, localcontext
from typing import Any, Optional

import pytest

from erlang import _convert


def form(value: object) -> Any:
    """What becomes of the value: a built-in's name, the tuple its encoder makes, or None."""
    encoder = _convert.encoder_for(type(value))
    return encoder(value) if callable(encoder) else encoder


class Celsius(float):
    pass


class Name(str):
    pass


class Rows(list):  # type: ignore[type-arg]
    pass


class Point(typing.NamedTuple):
    x: int
    y: int


Pair = collections.namedtuple("Pair", "left right")


class Tags(frozenset):  # type: ignore[type-arg]
    pass


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (type("Count", (int,), {})(3), "int"),
        (Celsius(3.5), "float"),
        (Name("x"), "str"),
        (type("Raw", (bytes,), {})(b"x"), "bytes"),
        (Rows([1]), "list"),
        (Point(1, 2), "tuple"),
        (Pair(1, 2), "tuple"),
        (os.stat("."), "tuple"),
        (collections.OrderedDict(a=1), "dict"),
        (collections.Counter("aab"), "dict"),
        (collections.defaultdict(list), "dict"),
        (frozenset({1}), "set"),
        (Tags({1}), "set"),
        (type("Bag", (set,), {})(), "set"),
    ],
)
def test_subclasses_cross_as_the_built_in_they_extend(value: object, name: str) -> None:
    assert form(value) == name


class Color(enum.Enum):
    RED = "red"
    PAIR = (1, [2])


class Level(enum.IntEnum):
    HIGH = 3


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Mask(enum.IntFlag):
    LOW = 1
    HIGH = 8


class Word(str, enum.Enum):
    YES = "yes"


class Odd(int, enum.Enum):
    """An enum whose members differ from their values."""

    ONE = (1, "first")

    def __new__(cls, number: int, label: str) -> "Odd":
        member = int.__new__(cls, number)
        member._value_ = label
        return member


@pytest.mark.parametrize(
    ("member", "value"),
    [
        (Color.RED, "red"),
        (Color.PAIR, (1, [2])),
        (Level.HIGH, 3),
        (Access.READ | Access.WRITE, 3),
        (Access(0), 0),
        (Mask.LOW | Mask.HIGH, 9),
        (Word.YES, "yes"),
        (Odd.ONE, "first"),
    ],
)
def test_an_enum_member_crosses_as_its_value(member: enum.Enum, value: object) -> None:
    tag, sent = form(member)
    assert (tag, sent) == ("term", value)
    assert type(sent) is type(value)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="StrEnum came with Python 3.11")
def test_a_str_enum_member_crosses_as_its_value() -> None:
    make: Any = vars(enum)["StrEnum"]
    assert form(make("Modern", ["ON"]).ON) == ("term", "on")


@dataclasses.dataclass
class Address:
    street: str


@dataclasses.dataclass
class Person:
    name: str
    address: Address
    scale: dataclasses.InitVar[int] = 1
    age: int = 0
    kind: typing.ClassVar[str] = "person"

    def __post_init__(self, scale: int) -> None:
        self.age *= scale
        self.extra = "not a field"


def test_a_dataclass_crosses_as_the_map_of_its_fields() -> None:
    home = Address("Main St")
    tag, fields = form(Person("Ada", home, 2, 18))
    assert (tag, fields) == ("term", {"name": "Ada", "address": home, "age": 36})
    # One level at a time: what is inside is converted in its turn.
    assert fields["address"] is home


def test_dataclasses_of_every_make() -> None:
    @dataclasses.dataclass(frozen=True)
    class Frozen:
        x: int

    @dataclasses.dataclass
    class Child(Frozen.__base__):  # type: ignore[name-defined,misc]
        __slots__ = ("x",)
        x: int

    @dataclasses.dataclass
    class Base:
        x: int

    @dataclasses.dataclass
    class Derived(Base):
        y: int

    class Plain(Derived):
        pass

    @dataclasses.dataclass
    class Empty:
        pass

    assert form(Frozen(1)) == ("term", {"x": 1})
    assert form(Child(1)) == ("term", {"x": 1})
    assert form(Derived(1, 2)) == ("term", {"x": 1, "y": 2})
    assert form(Plain(1, 2)) == ("term", {"x": 1, "y": 2})
    assert form(Empty()) == ("term", {})


@pytest.mark.skipif(sys.version_info < (3, 10), reason="slots=True came with Python 3.10")
def test_a_dataclass_with_slots_crosses_like_any_other() -> None:
    options: dict[str, Any] = {"slots": True, "kw_only": True}
    slotted = dataclasses.make_dataclass("Slotted", ["x", "y"], **options)
    assert form(slotted(x=1, y=2)) == ("term", {"x": 1, "y": 2})


def test_a_dataclass_that_extends_a_built_in_is_a_dataclass() -> None:
    @dataclasses.dataclass
    class Output(dict):  # type: ignore[type-arg]
        score: int

    class Special(Output):
        pass

    assert form(Output(3)) == ("term", {"score": 3})
    assert form(Special(3)) == ("term", {"score": 3})


def test_a_dataclass_itself_is_an_object() -> None:
    assert form(Person) is None


def test_a_field_that_was_never_set_is_an_error() -> None:
    @dataclasses.dataclass
    class Late:
        x: int = dataclasses.field(init=False)

    with pytest.raises(AttributeError, match="x"):
        form(Late())


def test_what_merely_looks_like_a_dataclass_is_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    class Imitation:
        __dataclass_fields__ = "no mapping"

    assert form(Imitation()) is None
    monkeypatch.delitem(sys.modules, "dataclasses")
    assert form(Imitation()) is None


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (bytearray(b"\xff\0"), b"\xff\0"),
        (memoryview(b"abcd")[::2], b"ac"),
        (array.array("B", [1, 2]), b"\1\2"),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        (types.SimpleNamespace(a=1), {"a": 1}),
        ({"a": 1}.keys(), ["a"]),
        ({"a": 1}.values(), [1]),
        ({"a": 1}.items(), [("a", 1)]),
        (collections.OrderedDict(a=1).keys(), ["a"]),
        (collections.OrderedDict(a=1).values(), [1]),
        (collections.OrderedDict(a=1).items(), [("a", 1)]),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (pathlib.PureWindowsPath("c:/a"), "c:\\a"),
        (pathlib.Path("a") / "b", os.path.join("a", "b")),
    ],
)
def test_values_with_a_natural_form(value: object, sent: object) -> None:
    tag, actual = form(value)
    assert (tag, actual) == ("term", sent)
    assert type(actual) is type(sent)


def test_a_released_memoryview_is_an_error() -> None:
    view = memoryview(b"x")
    view.release()
    with pytest.raises(ValueError, match="released"):
        form(view)


@pytest.mark.parametrize(
    "value",
    [
        object(),
        len,
        lambda: None,
        sys,
        int,
        Color,
        (number for number in [1]),
        iter([]),
        io.StringIO(),
        1j,
        timedelta(1),
        fractions.Fraction(1, 2),
        collections.deque([1]),
        collections.ChainMap({}),
        collections.UserDict(a=1),
        os.environ,
        slice(1),
        ...,
        NotImplemented,
        ValueError("x"),
    ],
)
def test_everything_else_is_an_object(value: object) -> None:
    assert form(value) is None


def test_classes_that_hide_what_they_are_stay_objects() -> None:
    class Secretive(type):
        def __getattribute__(cls, name: str) -> Any:
            raise RuntimeError("no")

    class Nameless(type):
        @property
        def __module__(cls) -> Any:  # type: ignore[override]
            return []

    assert _convert.encoder_for(Secretive("Hidden", (), {})) is None
    assert _convert.encoder_for(Nameless("Hidden", (), {})) is None


def test_a_class_that_takes_the_name_of_a_built_in_is_not_read_as_one() -> None:
    impostor = type("int", (), {"__module__": "builtins", "__qualname__": "int"})
    assert _convert.encoder_for(impostor) is None


# --- libraries that may not be installed: their classes are known by name ---


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


def test_an_encoder_depends_on_the_type_alone() -> None:
    first: Optional[object] = _convert.encoder_for(uuid.UUID)
    assert first is _convert.encoder_for(type("Mine", (uuid.UUID,), {}))
