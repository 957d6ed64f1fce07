"""Atoms: ``erlang.Atom``, a ``str`` that crosses to the BEAM as an atom.

An atom equals its name, hashes like it and prints like it, so code that expects text need not
know. Only the type tells: ``str`` becomes a binary, ``Atom`` an atom.
"""

from __future__ import annotations

#: How many different atoms Python code may make in one interpreter. The BEAM never frees an atom
#: and stops when its table (1,048,576 entries by default) is full, so names that come from data
#: must not become atoms without end. Atoms that arrive from the BEAM exist already: not counted.
ATOM_LIMIT = 10_000

#: Longest name of an atom, in characters; a limit of the BEAM itself.
MAX_ATOM_LENGTH = 255


class Atom(str):
    """An atom of the BEAM: ``Atom("ok") == "ok"``, printed ``ok``, with the repr ``Atom('ok')``.

    Calling the class is the same as calling ``erlang.atom``. It cannot be subclassed, because an
    instance of a subclass would lose the subclass on its way to the BEAM and back.
    """

    __slots__ = ()
    # Shown in messages and stored in pickles: the public name, not that of this file.
    __module__ = "erlang"

    def __new__(cls, name: str) -> Atom:
        """Return the atom of that name; see ``erlang.atom``."""
        if type(name) is Atom:
            return name
        if not isinstance(name, str):
            raise TypeError(f"an atom is made from a str, not from {type(name).__name__}")
        # Not `str(name)`: a str subclass (an enum member, say) may print as something else.
        text = str.__str__(name)
        known = _made.get(text)
        return _make(text) if known is None else known

    def __init_subclass__(cls) -> None:
        """Refuse subclasses."""
        raise TypeError("erlang.Atom cannot be subclassed")

    def __repr__(self) -> str:
        """Return ``Atom('ok')``."""
        return f"Atom({str.__repr__(self)})"


_made: dict[str, Atom] = {}


def atom(name: str) -> Atom:
    """Return the atom called ``name``, making it if need be.

    Raises ``ValueError`` for a name the BEAM would refuse (over 255 characters, or with lone
    surrogates) and ``RuntimeError`` once this interpreter has made ``ATOM_LIMIT`` different atoms.

    >>> atom("ok")
    Atom('ok')
    """
    return Atom(name)


def existing(name: str) -> Atom:
    """Return the atom ``name`` that the BEAM has just sent; the native side calls this.

    It is not counted, and not checked: the BEAM has it already.
    """
    return str.__new__(Atom, name)


def _make(text: str) -> Atom:
    if len(text) > MAX_ATOM_LENGTH:
        raise ValueError(
            f"an atom's name has at most {MAX_ATOM_LENGTH} characters, this one has {len(text)}"
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"an atom's name must be valid Unicode text: {error}") from None
    if len(_made) >= ATOM_LIMIT:
        raise RuntimeError(
            f"this interpreter has made {ATOM_LIMIT} atoms, which is the limit: the BEAM never "
            "frees an atom, so pass names that come from data as str"
        )
    return _made.setdefault(text, str.__new__(Atom, text))
