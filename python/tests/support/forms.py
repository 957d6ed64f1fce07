"""Which form a value takes."""

from typing import Any

from erlang import _convert


def form(value: object) -> Any:
    """What becomes of the value: a built-in's name, the tuple its encoder makes, or None."""
    encoder = _convert.encoder_for(type(value))
    return encoder(value) if callable(encoder) else encoder
