"""Which form a Python value has on the other side."""

import array
import collections
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
from typing import Any, Optional

import pytest

from erlang import _convert
from support.forms import form


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


def test_an_encoder_depends_on_the_type_alone() -> None:
    first: Optional[object] = _convert.encoder_for(uuid.UUID)
    assert first is _convert.encoder_for(type("Mine", (uuid.UUID,), {}))
