"""Codec generation: compiles, for each message class, functions that turn a message into a tuple for the wire and back.

A generic loop over fields and codecs costs more than everything else that happens to a message on its way. So each
class gets functions of straight-line code, here for `Note(number: int, text: str)`:

    def encode(message):
        return (message.number, message.text,)

    def make_sender(head, send):                # once per route: its number, and the function that queues rows
        def tell(message):
            send((head, message.number, message.text,))
        return tell

    def decode(row, resolver):
        try:
            head, v0, v1 = row
        except ValueError:
            return slow(row, resolver)
        if type(v0) is not int or type(v1) is not str:
            return slow(row, resolver)
        message = new(cls)
        set_0(message, v0)
        set_1(message, v1)
        return message

Setting the slots through their descriptors takes half the time of a frozen dataclass's `__init__`; a named tuple is
made from its values at once. A row that does not fit is passed to `slow`, which reports the error.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from coterie.runtime.messages.value_codecs import Codec, Resolver

__all__ = ["RowDecoder", "RowEncoder", "SenderFactory", "compile_decoder", "compile_encoder", "compile_sender_factory"]

RowEncoder = Callable[[Any], tuple[object, ...]]
"""message → its row: the values of its fields, as MessagePack can carry them."""

SenderFactory = Callable[[object, Callable[[tuple[object, ...]], None]], Callable[[Any], None]]
"""(head, send) → a function of a message that sends (head, *fields)."""

RowDecoder = Callable[[Any, "Resolver"], object]
"""(row, resolver) → message; the row is a tuple."""


def compile_encoder(names: Sequence[str], codecs: Sequence[Codec]) -> RowEncoder:
    """Return a `RowEncoder`. It raises what a codec raises for a value of another type."""
    fields, scope = _fields(names, codecs)
    encode: RowEncoder = _compile(f"def made(message):\n    return ({fields})", scope)
    return encode


def compile_sender_factory(names: Sequence[str], codecs: Sequence[Codec]) -> SenderFactory:
    """Return a `SenderFactory`. Its senders raise what a codec raises for a value of another type, or `send` raises."""
    fields, scope = _fields(names, codecs)
    make_sender: SenderFactory = _compile(_SENDER_FACTORY.format(fields=fields), scope)
    return make_sender


_SENDER_FACTORY: Final = """
def made(head, send):
    def tell(message):
        send((head, {fields}))
    return tell
"""


def _fields(names: Sequence[str], codecs: Sequence[Codec]) -> tuple[str, dict[str, Any]]:
    """Return the source of the encoded fields of `message`, each followed by a comma, and the scope that it needs."""
    scope: dict[str, Any] = {}
    parts = []
    for at, (name, codec) in enumerate(zip(names, codecs, strict=True)):
        if codec.is_identity:
            parts.append(f"message.{name},")
        else:
            scope[f"encode_{at}"] = codec.encode
            parts.append(f"encode_{at}(message.{name}),")
    return " ".join(parts), scope


def compile_decoder(
    cls: type, names: Sequence[str], codecs: Sequence[Codec], slow: RowDecoder, *, has_head: bool
) -> RowDecoder:
    """Return a `RowDecoder`. With `has_head` it ignores the first item of a row.

    It is `slow` itself for a class whose construction does more than store its fields, and it calls `slow` for a row
    whose number or types of fields differ. A field with a codec of its own raises what that codec raises.
    """
    setters = _setters(cls, names)
    is_tuple = _is_named_tuple(cls, names)
    if setters is None and not is_tuple:
        return slow
    scope: dict[str, Any] = {"cls": cls, "new": tuple.__new__ if is_tuple else object.__new__, "slow": slow}
    tests: list[str] = []
    values: list[str] = []
    for at, codec in enumerate(codecs):
        value = f"v{at}"
        if len(codec.exact) == 1:
            scope[f"type_{at}"] = codec.exact[0]
            tests.append(f"type({value}) is not type_{at}")
        elif codec.exact:
            scope[f"types_{at}"] = frozenset(codec.exact)
            tests.append(f"type({value}) not in types_{at}")
        else:
            scope[f"decode_{at}"] = codec.decode
            value = f"decode_{at}({value}, resolver)"
        values.append(value)
    if setters is None:
        body = [f"message = new(cls, ({', '.join(values)},))"]
    else:
        scope |= {f"set_{at}": setter for at, setter in enumerate(setters)}
        body = ["message = new(cls)", *(f"set_{at}(message, {value})" for at, value in enumerate(values))]
    parts = ["head"] * has_head + [f"v{at}" for at in range(len(names))]
    decode: RowDecoder = _compile(
        _DECODER.format(row=", ".join(parts), tests=" or ".join(tests) or "False", body=_lines(body)), scope
    )
    return decode


_DECODER: Final = """
def made(row, resolver):
    try:
        [{row}] = row
    except ValueError:
        return slow(row, resolver)
    if {tests}:
        return slow(row, resolver)
    {body}
    return message
"""


def _lines(statements: Sequence[str]) -> str:
    return "\n    ".join(statements)


def _setters(cls: type, names: Sequence[str]) -> list[Callable[[object, object], None]] | None:
    """Return the setters of the slots of `cls`; None if its construction does more than set them."""
    is_plain = all("__new__" not in base.__dict__ for base in cls.__mro__[:-1])
    if not is_plain or hasattr(cls, "__post_init__") or not _has_made_init(cls):
        return None
    slots = [inspect.getattr_static(cls, name, None) for name in names]
    if not all(isinstance(slot, types.MemberDescriptorType) for slot in slots):
        return None
    return [slot.__set__ for slot in slots if isinstance(slot, types.MemberDescriptorType)]


def _is_named_tuple(cls: type, names: Sequence[str]) -> bool:
    """Return True if `cls` is a tuple of exactly these fields, with the generated `__new__`."""
    code = getattr(cls.__new__, "__code__", None)
    is_made = "__new__" in cls.__dict__ and code is not None and code.co_filename.startswith("<")
    return bool(names) and is_made and issubclass(cls, tuple) and getattr(cls, "_fields", ()) == tuple(names)


def _has_made_init(cls: type) -> bool:
    """Return True if `dataclass` generated the `__init__` of `cls`: a written one may do more than store arguments."""
    code = getattr(cls.__init__, "__code__", None)  # type: ignore[misc]
    return code is not None and code.co_filename == "<string>"


def _compile(source: str, scope: dict[str, Any]) -> Any:
    exec(source, scope)  # the source is generated here; field names are identifiers
    return scope["made"]
