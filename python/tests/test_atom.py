"""`erlang.Atom` and `erlang.atom`."""

import copy
import enum
import json
import pickle

import pytest

import erlang
from erlang import _atom


@pytest.fixture(autouse=True)
def no_atoms_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_atom, "_made", {})


def test_an_atom_is_a_string_to_everybody() -> None:
    ok = erlang.atom("ok")
    assert ok == "ok"
    assert hash(ok) == hash("ok")
    assert ok in {"ok"}
    assert "ok" in {ok}
    assert str(ok) == "ok"
    assert type(str(ok)) is str
    assert f"{ok}/{ok!r}" == "ok/Atom('ok')"
    assert json.dumps({ok: ok}) == '{"ok": "ok"}'
    assert isinstance(ok, str)


def test_only_the_type_tells_an_atom_from_a_string() -> None:
    assert type(erlang.atom("ok")) is erlang.Atom
    assert type(erlang.atom("ok").upper()) is str


def test_the_same_name_is_the_same_atom() -> None:
    ok = erlang.atom("ok")
    assert erlang.atom("ok") is ok
    assert erlang.Atom("ok") is ok
    assert erlang.atom(ok) is ok


def test_atoms_have_no_room_for_attributes() -> None:
    with pytest.raises(AttributeError):
        erlang.atom("ok").note = "x"  # type: ignore[attr-defined]


def test_atoms_survive_copying_and_pickling() -> None:
    ok = erlang.atom("ok")
    assert type(copy.deepcopy(ok)) is erlang.Atom
    assert pickle.loads(pickle.dumps(ok)) is ok


def test_atoms_match_patterns_and_sort_as_strings() -> None:
    assert sorted([erlang.atom("b"), "a", erlang.atom("c")]) == ["a", "b", "c"]


def test_the_name_of_an_enum_member_is_its_value() -> None:
    class Color(str, enum.Enum):
        RED = "red"

    assert repr(erlang.atom(Color.RED)) == "Atom('red')"


def test_a_name_is_a_str() -> None:
    with pytest.raises(TypeError, match="not from bytes"):
        erlang.atom(b"ok")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not from list"):
        erlang.atom([])  # type: ignore[arg-type]


def test_a_name_has_at_most_255_characters() -> None:
    assert len(erlang.atom("é" * 255)) == 255
    with pytest.raises(ValueError, match="at most 255 characters, this one has 256"):
        erlang.atom("x" * 256)


def test_a_name_is_valid_unicode() -> None:
    with pytest.raises(ValueError, match="valid Unicode"):
        erlang.atom("\ud800")


def test_new_atoms_are_limited_and_known_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_atom, "ATOM_LIMIT", 2)
    first = erlang.atom("first")
    erlang.atom("second")
    with pytest.raises(RuntimeError, match="has made 2 atoms, which is the limit"):
        erlang.atom("third")
    assert erlang.atom("first") is first


def test_atoms_from_the_beam_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_atom, "ATOM_LIMIT", 0)
    received = _atom.existing("ok")
    assert type(received) is erlang.Atom
    assert received == "ok"
    assert erlang.atom(received) is received


def test_atoms_cannot_be_subclassed() -> None:
    with pytest.raises(TypeError, match="cannot be subclassed"):

        class Special(erlang.Atom):
            pass
