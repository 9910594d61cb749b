"""`codec`: registers how the values of a class that is no message cross the wire.

codec(Money, encode=lambda money: (money.amount, money.currency), decode=lambda row: Money(*row),
      wire=tuple[Decimal, str], name="shop.Money")

@message(name="shop.Pay")
class Pay:
    price: Money
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, TypeVar

from coterie.errors import MessageTypeError
from coterie.runtime.messages.codings import Coding, coding_of, known_coding, register
from coterie.runtime.messages.field_types import PRIMITIVES, CustomType, RecordType, field_type_of, parts_of

__all__ = ["codec"]

T = TypeVar("T")


def codec(
    cls: type[T],
    encode: Callable[[T], Any],
    decode: Callable[[Any], T],
    *,
    wire: Any = str,
    name: str | None = None,
) -> None:
    """Let values of `cls`, and of its subclasses, be in fields, replies and keys of messages that are defined later.

    Both functions are part of the format of what is stored, as `apply` is of its meaning: they must return the same on
    every node, in every release, for as long as there are logs. One value must have one encoding. Values must not
    change, and a value that comes back must be equal to the one that was sent. Another actor of the same process gets
    the value itself.

    Args:
        cls: the class.
        encode: value → encoded value.
        decode: encoded value → value. What it raises refuses the message.
        wire: the type of encoded values, as an annotation: what a field may have, but no messages and no `Ref`s.
        name: stands for the class in the schemas that groups record. Give one: `module.Class`, which is taken unless,
            changes if the class is moved.

    Raises:
        MessageTypeError: values of `cls` cross the wire already, `wire` cannot be used, or another class has the name.
    """
    if not isinstance(cls, type):
        raise MessageTypeError(f"codec: {cls!r:.100} is no class")
    shown = cls.__qualname__
    if cls in (*PRIMITIVES, float, tuple, frozenset) or issubclass(cls, enum.Enum) or "__coterie__" in cls.__dict__:
        raise MessageTypeError(f"{shown} crosses the wire already: it needs no codec")
    if cls is object:
        raise MessageTypeError("a codec of object would be one for everything: register each class")
    if issubclass(cls, (list, dict, set, bytearray)):
        raise MessageTypeError(f"{shown} is mutable: values of messages must not change")
    if not all(map(callable, (encode, decode))):
        raise MessageTypeError(f"the codec of {shown}: encode and decode must be functions")
    if name == "":
        raise MessageTypeError(f"the codec of {shown}: name= must be a text that is not empty")
    kind = field_type_of(wire, f"the wire= of the codec of {shown}")
    if any(isinstance(part, RecordType | CustomType) for part in parts_of(kind)):
        raise MessageTypeError(f"the codec of {shown}: wire= names a message or a Ref, which have codecs of their own")
    coding = Coding(name or f"{cls.__module__}.{cls.__qualname__}", cls, wire, encode, decode)
    known = [one for one in (coding_of(cls), known_coding(coding.name)) if one is not None]
    for one in known:
        is_loaded_again = one.cls is not cls and (one.cls.__module__, one.cls.__qualname__) == (
            cls.__module__,
            cls.__qualname__,
        )
        if not is_loaded_again and _facts(one) != _facts(coding):
            where = f"{one.cls.__module__}.{one.cls.__qualname__}"
            raise MessageTypeError(f"the codec of {shown}: {where} has a codec with the name {one.name!r} already")
    register(coding, known)


def _facts(coding: Coding) -> tuple[object, ...]:
    """Return by what a coding is known again when its module is loaded a second time: the class is another one then."""
    cls = coding.cls
    return (coding.name, coding.wire, cls.__module__, cls.__qualname__, _code(coding.encode), _code(coding.decode))


def _code(function: object) -> object:
    """Return what a function does and where it stands: all lambdas of a module have one name."""
    code = getattr(function, "__code__", None)
    if code is None:
        return (getattr(function, "__module__", None), getattr(function, "__qualname__", function))
    return (code.co_filename, code.co_code, tuple(map(repr, code.co_consts)), code.co_names)
