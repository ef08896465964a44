"""Whether options are of the types that their dataclass states: one check for all fields of all of them."""

import numbers
from dataclasses import fields
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from inrcodec.errors import RequestError

_NAMES = {int: "a whole number", float: "a number", str: "a string", bool: "True or False", type(None): "None"}


def check_types(options: Any, prefix: str = "") -> None:
    """Raise RequestError, the field's name after `prefix` in it, unless each field of a dataclass is of its type.

    NumPy's scalars are numbers, but no bool is one.
    """
    hints = get_type_hints(type(options))
    for field in fields(options):
        check_type(f"{prefix}{field.name}", getattr(options, field.name), hints[field.name])


def check_type(name: str, value: object, hint: Any) -> None:
    """Raise RequestError unless a value is of a type: a class, a tuple of numbers or of strings, or a union of such."""
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if not any(_is(value, kind) for kind in kinds):
        expected = " or ".join(_name(kind) for kind in kinds)
        raise RequestError(f"{name}: {_shown(value)} is not {expected}")


def _is(value: object, kind: Any) -> bool:
    if get_origin(kind) is tuple:
        inner, *more = get_args(kind)
        long_enough = isinstance(value, tuple | list) and (more == [...] or len(value) == 1 + len(more))
        return long_enough and all(_is(item, inner) for item in value)  # type: ignore[attr-defined]
    if kind in (int, float):
        number = numbers.Integral if kind is int else numbers.Real
        return isinstance(value, number) and not isinstance(value, bool)
    return isinstance(value, get_origin(kind) or kind)


def _name(kind: Any) -> str:
    if get_origin(kind) is tuple:
        inner, *more = get_args(kind)
        many = "" if more == [...] else f"{1 + len(more)} "
        return f"a tuple of {many}{'strings' if inner is str else 'whole numbers'}"
    return _NAMES.get(kind) or str((get_origin(kind) or kind).__name__)


def _shown(value: object) -> str:
    """A value in a few characters of one line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
