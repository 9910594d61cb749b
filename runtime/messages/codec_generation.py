"""The functions that turn messages into rows and rows into messages, written once for each message class.

A generic loop over fields and codecs costs more than everything else that happens to a message on its way. So each
class gets functions of straight-line code, here for `Note(number: int, text: str)`:

    def write(message):
        return (message.number, message.text,)

    def teller(head, send):                     # for each route one: its number, and what queues rows on its link
        def tell(message):
            send((head, message.number, message.text,))
        return tell

    def read(row, resolver):
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

Filling the slots through their descriptors takes half the time of a frozen dataclass's `__init__`; a named tuple is
made of its values at once. What does not fit goes the slow way, which says what is wrong.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from coterie.runtime.messages.message_codecs import Codec, Resolver

__all__ = ["Read", "Teller", "Write", "compile_read", "compile_teller", "compile_write"]

Write = Callable[[Any], tuple[object, ...]]
"""message → its fields, as MessagePack can carry them."""

Teller = Callable[[object, Callable[[tuple[object, ...]], None]], Callable[[Any], None]]
"""(head, send) → a function of a message that sends (head, *fields)."""

Read = Callable[[Any, "Resolver"], object]
"""(row, resolver) → message; the row is a tuple."""


def compile_write(names: Sequence[str], codecs: Sequence[Codec]) -> Write:
    """Return a `Write`. It raises whatever a codec raises for a value of another type."""
    fields, scope = _fields(names, codecs)
    write: Write = _compile(f"def made(message):\n    return ({fields})", scope)
    return write


def compile_teller(names: Sequence[str], codecs: Sequence[Codec]) -> Teller:
    """Return a `Teller`. What it makes raises whatever a codec raises for a value of another type, and `send`."""
    fields, scope = _fields(names, codecs)
    teller: Teller = _compile(_TELLER.format(fields=fields), scope)
    return teller


_TELLER: Final = """
def made(head, send):
    def tell(message):
        send((head, {fields}))
    return tell
"""


def _fields(names: Sequence[str], codecs: Sequence[Codec]) -> tuple[str, dict[str, Any]]:
    """Return the fields of `message` as a row holds them, each with a comma behind it, and the scope that needs."""
    scope: dict[str, Any] = {}
    parts = []
    for at, (name, codec) in enumerate(zip(names, codecs, strict=True)):
        if codec.passes:
            parts.append(f"message.{name},")
        else:
            scope[f"encode_{at}"] = codec.encode
            parts.append(f"encode_{at}(message.{name}),")
    return " ".join(parts), scope


def compile_read(cls: type, names: Sequence[str], codecs: Sequence[Codec], slow: Read, *, has_head: bool) -> Read:
    """Return a function that makes the message of a row, the head of which (if it has one) it ignores.

    It is `slow` for every class that is more than its fields, and calls `slow` for a row with other fields than the
    class has. A field that needs more than a look at its type raises what its codec raises.
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
    made: Read = _compile(
        _READ.format(row=", ".join(parts), tests=" or ".join(tests) or "False", body=_lines(body)), scope
    )
    return made


_READ: Final = """
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
    """Return what fills the slots of `cls`; None if making one takes more than that."""
    is_plain = all("__new__" not in base.__dict__ for base in cls.__mro__[:-1])
    if not is_plain or hasattr(cls, "__post_init__") or not _has_made_init(cls):
        return None
    slots = [inspect.getattr_static(cls, name, None) for name in names]
    if not all(isinstance(slot, types.MemberDescriptorType) for slot in slots):
        return None
    return [slot.__set__ for slot in slots if isinstance(slot, types.MemberDescriptorType)]


def _is_named_tuple(cls: type, names: Sequence[str]) -> bool:
    """Whether `cls` is a tuple of just these fields, with the `__new__` that was written for it."""
    code = getattr(cls.__new__, "__code__", None)
    is_made = "__new__" in cls.__dict__ and code is not None and code.co_filename.startswith("<")
    return bool(names) and is_made and issubclass(cls, tuple) and getattr(cls, "_fields", ()) == tuple(names)


def _has_made_init(cls: type) -> bool:
    """Whether `dataclass` wrote the `__init__` of `cls`: one written by hand may do more than store its arguments."""
    code = getattr(cls.__init__, "__code__", None)  # type: ignore[misc]
    return code is not None and code.co_filename == "<string>"


def _compile(source: str, scope: dict[str, Any]) -> Any:
    exec(source, scope)  # our own text; names of fields are identifiers
    return scope["made"]
