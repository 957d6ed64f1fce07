"""Python values and BEAM terms: what has a natural form, and which.

The native side converts the built-in types by itself. It asks ``encoder_for`` once for every
other type and keeps the answer, and calls the decoders at the end of this file for the Elixir
structs that have a class in the standard library.

====================================================  ===========================================
Python                                                crosses as
====================================================  ===========================================
subclass of int, float, str, bytes                    that built-in value
subclass of list, tuple (both kinds of namedtuple)    list, tuple
subclass of dict (OrderedDict, defaultdict, Counter)  map
frozenset, subclass of set or frozenset               MapSet
enum member, IntEnum, StrEnum and Flag too            its value
dataclass instance                                    map of its fields; not ClassVar, InitVar
mappingproxy, SimpleNamespace                         map
dict_keys, dict_values, dict_items                    list
bytearray, memoryview, array.array                    binary: the bytes in memory
UUID, PurePath                                        binary: the text
date, naive time, naive datetime                      Date, Time, NaiveDateTime
datetime in a named zone (zoneinfo, pytz)             DateTime in that zone
datetime in any other zone                            DateTime, shifted to Etc/UTC
time with a UTC offset                                binary: ISO 8601
Decimal                                               Decimal
range                                                 Range
numpy integer, bool, float16 and float32 scalars      integer, boolean, float (float64 is a float)
pandas NaT and NA                                     nil
====================================================  ===========================================

Everything else stays in Python, behind a ``Py.Object``: functions, modules, generators, files,
complex, timedelta, Fraction, ... So does what could only cross with a loss (numpy's longdouble,
datetime64 and timedelta64), what may be large or on disk (arrays, mappings that are no dict), and
``collections.deque``, which is chosen for what it does rather than for what it holds:
``list(queue)`` sends a copy of its elements.

A pandas Timestamp is a datetime, so its nanoseconds below the microsecond are cut, as Elixir has
no room for them. ``Atom`` and the opaque terms never come here: the native side knows them.

A class is recognised by the module and name of its bases, never by importing that module, so a
conversion loads nothing that the user's own code did not load.
"""

from __future__ import annotations

import sys

from erlang import _calendar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal
    from typing import Any, Union

    Encoded = tuple[Any, ...]
    Encoder = Callable[[Any], Encoded]
    Form = Union[str, Encoder, None]


def encoder_for(cls: type) -> Form:
    """Tell how instances of ``cls`` cross to the BEAM.

    A string names the built-in type to treat them as. A function turns one instance into a tagged
    tuple: ``("term", value)`` with a value to convert instead, or the parts of an Elixir struct.
    ``None`` means that they stay in Python as objects. Never raises an ``Exception``.
    """
    try:
        return _form_of(cls)
    except Exception:
        # A metaclass that hides the name or the bases of its classes: what cannot be recognised
        # has no natural form.
        return None


def _form_of(cls: type) -> Form:
    names = [(base.__module__, base.__qualname__) for base in cls.__mro__]
    # Before the walk, since an IntEnum is an int first and an Enum last in that order.
    if ("enum", "Enum") in names:
        return _enum_member
    for base, name in zip(cls.__mro__, names):
        if base in _BUILTIN:
            return _BUILTIN[base]
        if "__dataclass_fields__" in base.__dict__:
            return _dataclass_encoder(cls)
        if name in _NAMED:
            return _NAMED[name]
    return None


# --- encoders: one instance to a tagged tuple ---


def _as_bytes(value: Any) -> Encoded:
    return ("term", bytes(value))


def _as_dict(value: Any) -> Encoded:
    return ("term", dict(value))


def _as_list(value: Any) -> Encoded:
    return ("term", list(value))


def _as_text(value: Any) -> Encoded:
    return ("term", str(value))


def _as_nothing(_value: Any) -> Encoded:
    return ("term", None)


def _attributes(value: Any) -> Encoded:
    return ("term", dict(value.__dict__))


def _enum_member(member: Any) -> Encoded:
    return ("term", member._value_)


def _numpy_scalar(value: Any) -> Encoded:
    return ("term", value.item())


def _dataclass_encoder(cls: type) -> Encoder | None:
    dataclasses = sys.modules.get("dataclasses")
    if dataclasses is None:
        # Another library imitates dataclasses; what it means by that is not known here.
        return None
    names = tuple(field.name for field in dataclasses.fields(cls))

    def encode(value: Any) -> Encoded:
        return ("term", {name: getattr(value, name) for name in names})

    return encode


def _range(value: range) -> Encoded:
    # Elixir's ranges include their last element, Python's do not.
    return ("range", value.start, value.stop - (1 if value.step > 0 else -1), value.step)


def _decimal(value: Decimal) -> Encoded:
    negative, digits, exponent = value.as_tuple()
    sign = -1 if negative else 1
    if isinstance(exponent, str):
        return ("decimal", sign, "inf" if exponent == "F" else "NaN", 0)
    from decimal import Decimal

    # By way of Decimal, because int(text) refuses more than 4,300 digits.
    return ("decimal", sign, int(Decimal((0, digits, 0))), exponent)


# Looked up by identity, never by name: the native side reads these through their own layout.
_BUILTIN: dict[type, str] = {
    int: "int",
    float: "float",
    str: "str",
    bytes: "bytes",
    list: "list",
    tuple: "tuple",
    dict: "dict",
    set: "set",
    frozenset: "set",
}

# By module and qualified name. `None` shields a class from the row of one of its bases. Module
# names with an underscore are where some versions of Python keep what they also show elsewhere;
# `_pydatetime` is what `datetime` has in the sub-interpreters of Python 3.12.
_NAMED: dict[tuple[str, str], Encoder | None] = {
    ("_pydatetime", "date"): _calendar.encode_date,
    ("_pydatetime", "datetime"): _calendar.encode_datetime,
    ("_pydatetime", "time"): _calendar.encode_time,
    ("array", "array"): _as_bytes,
    ("builtins", "bytearray"): _as_bytes,
    ("builtins", "dict_items"): _as_list,
    ("builtins", "dict_keys"): _as_list,
    ("builtins", "dict_values"): _as_list,
    ("builtins", "mappingproxy"): _as_dict,
    ("builtins", "memoryview"): _as_bytes,
    ("builtins", "odict_items"): _as_list,
    ("builtins", "odict_keys"): _as_list,
    ("builtins", "odict_values"): _as_list,
    ("builtins", "range"): _range,
    ("datetime", "date"): _calendar.encode_date,
    ("datetime", "datetime"): _calendar.encode_datetime,
    ("datetime", "time"): _calendar.encode_time,
    ("decimal", "Decimal"): _decimal,
    ("numpy", "bool"): _numpy_scalar,
    ("numpy", "bool_"): _numpy_scalar,
    ("numpy", "float16"): _numpy_scalar,
    ("numpy", "float32"): _numpy_scalar,
    ("numpy", "integer"): _numpy_scalar,
    ("numpy", "timedelta64"): None,
    ("pandas._libs.missing", "C_NAType"): _as_nothing,
    ("pandas._libs.tslibs.nattype", "_NaT"): _as_nothing,
    ("pathlib", "PurePath"): _as_text,
    ("pathlib._local", "PurePath"): _as_text,
    ("types", "SimpleNamespace"): _attributes,
    ("uuid", "UUID"): _as_text,
}


# --- decoders: the parts of an Elixir struct to an object ---

date = _calendar.decode_date
time = _calendar.decode_time
naive = _calendar.decode_naive
datetime = _calendar.decode_datetime


def range_(first: int, last: int, step: int) -> range:
    """Make the ``range`` with the elements of Elixir's ``first..last//step``."""
    return range(first, last + (1 if step > 0 else -1), step)


def decimal(sign: int, coefficient: int | str, exponent: int) -> Decimal:
    """Make the ``decimal.Decimal`` sign * coefficient * 10 ** exponent, without rounding.

    The coefficient is an integer, at least 0, or ``"NaN"`` or ``"inf"``. Raises ``ValueError``
    for an exponent that Python cannot represent.
    """
    from decimal import Decimal

    if isinstance(coefficient, str):
        return Decimal("-" + coefficient if sign < 0 else coefficient)
    try:
        # From a tuple of digits, because str(int) refuses more than 4,300 of them.
        digits = Decimal(coefficient).as_tuple().digits
        number = Decimal((int(sign < 0), digits, exponent))
        # With that trap of the decimal context switched off, an impossible exponent gives NaN.
        representable = number.is_finite()
    except (ArithmeticError, ValueError):
        representable = False
    if not representable:
        raise ValueError(f"Python has no Decimal with the exponent {exponent}")
    return number
