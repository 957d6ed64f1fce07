"""Shared state in plain Python, where there is none; what it does in the BEAM is tested there."""

import pytest

import erlang


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("state_get", ("key",)),
        ("state_get", ("key", 1)),
        ("state_set", ("key", 1)),
        ("state_delete", ("key",)),
        ("state_keys", ()),
        ("state_clear", ()),
        ("state_incr", ("key",)),
        ("state_incr", ("key", 2)),
    ],
)
def test_it_says_that_the_beam_is_missing(name: str, arguments: tuple[object, ...]) -> None:
    with pytest.raises(RuntimeError, match=rf"^erlang\.{name} works only inside the BEAM"):
        getattr(erlang, name)(*arguments)
