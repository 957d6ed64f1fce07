"""Dataclasses cross as maps."""

import dataclasses
import sys
import typing
from typing import Any

import pytest

from support.forms import form


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
