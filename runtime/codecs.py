"""How messages cross the wire: for each annotation a codec, for each message class a row of them.

A message becomes a row of its fields' values; a field that is None, bool, int, float, str or bytes crosses as it is.
Rows arrive as tuples. What arrives is checked against the annotations before an object is made of it: a wrong field is
a `BadMessage`. A message evolves by appending fields with defaults: missing ones take the default, surplus ones are
ignored.
"""

from __future__ import annotations

import dataclasses
import enum
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NewType, Protocol, get_args, get_origin

from coterie.errors import BadMessage, MessageTypeError
from coterie.runtime.lanes import Lane

__all__ = ["Codec", "MessageType", "Resolver", "WireReference"]

INT64: Final = range(-(2**63), 2**64)
"""What MessagePack can carry in an integer."""


class Resolver(Protocol):
    """What decoding needs to know of the system that decodes: how to make a `Ref`."""

    def ref(self, node: str, incarnation: int, path: str, uid: int) -> object:
        """Return the reference of that name."""
        ...


class WireReference(Protocol):
    """A class whose values cross the wire as a row of primitives (`Ref`, `Address`)."""

    def to_wire(self) -> Sequence[object]:
        """Return the row."""
        ...

    @classmethod
    def from_wire(cls, row: object, resolver: Resolver) -> object:
        """Return the value of a row. BadMessage if it is none."""
        ...


Encode = Callable[[Any], object]
Decode = Callable[[object, Resolver], object]


@dataclasses.dataclass(frozen=True, slots=True)
class Codec:
    """How the values of one annotation cross the wire.

    `exact`: the types that cross as they are, if that is all there is to it; `encode` and `decode` do the same slowly.
    `members`: for an enum of integers, what each integer means; `decode` does the same slowly.
    """

    encode: Encode
    decode: Decode
    exact: tuple[type, ...] = ()
    members: Mapping[object, object] | None = None


class _NoReply:
    """Stands for "this message is no ask"."""


class MessageType:
    """One message class: its wire name, its lane, and how its fields and its reply cross the wire.

    Codecs are built at once, or, where an annotation names a class that does not exist yet, at the first use.
    """

    NO_REPLY: Final = _NoReply

    def __init__(self, cls: type, name: str, lane: Lane, *, reply: object, scope: dict[str, Any]) -> None:
        self.cls = cls
        self.name = name
        self.lane = lane
        self.is_ask = reply is not _NoReply
        self._reply_annotation = reply
        self._scope = scope
        self._names, self._required = _fields_of(cls)
        self._codecs: tuple[Codec, ...] | None = None
        self._reply: Codec | None = None
        self._exact: list[type] | None = None
        self._members: tuple[tuple[int, Mapping[object, object]], ...] = ()
        self._passes = False
        self._get = _getter(cls, self._names)
        try:
            self._build()
        except NameError:
            pass  # a forward reference: `codecs` builds again at the first use
        else:
            self._scope = {}

    def encode(self, value: object) -> Sequence[object]:
        """Return the fields of `value` as MessagePack can carry them. BadMessage if one cannot cross."""
        codecs = self._codecs if self._codecs is not None else self._ready()
        if self._passes:
            return self._get(value)
        return [codec.encode(getattr(value, name)) for codec, name in zip(codecs, self._names, strict=True)]

    def decode(self, row: object, resolver: Resolver) -> object:
        """Return the message of a row of fields. BadMessage names the message, the field and the value."""
        codecs = self._codecs if self._codecs is not None else self._ready()
        if type(row) is not tuple:
            raise BadMessage(f"message {self.name!r}: expected a row of fields, got {_show(row)}")
        if self._exact is not None and list(map(type, row)) == self._exact:
            if not self._members:
                return self.cls(*row)
            fields = list(row)
            if all(fields[at] in members for at, members in self._members):
                for at, members in self._members:
                    fields[at] = members[fields[at]]
                return self.cls(*fields)
        if len(row) < self._required:
            raise BadMessage(f"message {self.name!r}: {len(row)} fields came, at least {self._required} are required")
        values = []
        for codec, name, value in zip(codecs, self._names, row, strict=False):
            try:
                values.append(codec.decode(value, resolver))
            except BadMessage as error:
                raise BadMessage(f"message {self.name!r}, field {name!r}: {error}") from error
        return self.cls(*values)

    @property
    def reply(self) -> Codec:
        """The codec of the reply. MessageTypeError if this message is no ask."""
        if self._codecs is None:
            self._ready()
        if self._reply is None:
            raise MessageTypeError(f"message {self.name!r} is no Ask: it has no reply")
        return self._reply

    def blame(self, value: object) -> BadMessage:
        """Return an error that names the field of `value` that MessagePack cannot carry."""
        for name, codec in zip(self._names, self._codecs or (), strict=False):
            field = getattr(value, name)
            if (codec.exact and type(field) not in codec.exact) or (type(field) is int and field not in INT64):
                return BadMessage(f"message {self.name!r}, field {name!r}: {_show(field)} cannot cross the wire")
        return BadMessage(f"message {self.name!r} cannot cross the wire: {_show(value)}")

    def nested(self) -> tuple[MessageType, ...]:
        """Return the message types that stand in the fields or in the reply, directly."""
        hints = list(self._hints().values())
        if self.is_ask:
            hints.append(_resolve(self._reply_annotation, self.cls, self._scope))
        return tuple(_message_types_in(hints))

    def _ready(self) -> tuple[Codec, ...]:
        try:
            return self._build()
        except NameError as error:
            raise MessageTypeError(
                f"message {self.name!r}: an annotation names what does not exist: {error}"
            ) from error

    def _build(self) -> tuple[Codec, ...]:
        hints = self._hints()
        codecs = tuple(_codec_of(hints[name], f"{self.cls.__qualname__}.{name}") for name in self._names)
        if self.is_ask:
            reply = _resolve(self._reply_annotation, self.cls, self._scope)
            self._reply = _codec_of(reply, f"the reply of {self.cls.__qualname__}")
        if all(len(codec.exact) == 1 or codec.members for codec in codecs):
            self._exact = [codec.exact[0] if codec.exact else int for codec in codecs]
            self._members = tuple((at, codec.members) for at, codec in enumerate(codecs) if codec.members)
        self._passes = all(codec.encode is _same for codec in codecs)
        self._codecs = codecs
        return codecs

    def _hints(self) -> dict[str, Any]:
        # The class may be redefined by dataclass(slots=True), so its own name may not resolve yet: give it.
        return typing.get_type_hints(self.cls, localns={**self._scope, self.cls.__name__: self.cls})


def _fields_of(cls: Any) -> tuple[tuple[str, ...], int]:
    """Return the names of the fields of a dataclass or NamedTuple, and how many of them have no default."""
    names: tuple[str, ...] | None = getattr(cls, "_fields", None)
    if names is not None:
        return names, len(names) - len(cls._field_defaults)
    fields = dataclasses.fields(cls)
    missing = dataclasses.MISSING
    required = sum(field.default is missing and field.default_factory is missing for field in fields)
    return tuple(field.name for field in fields), required


def _getter(cls: type, names: tuple[str, ...]) -> Callable[[Any], Sequence[object]]:
    """Return what makes a row of a message's fields, fast."""
    if issubclass(cls, tuple):
        return _same_row
    if len(names) == 1:
        get_one = attrgetter(names[0])
        return lambda value: (get_one(value),)
    return attrgetter(*names) if names else lambda _: ()


def _same_row(value: Any) -> Sequence[object]:
    row: Sequence[object] = value
    return row


def _resolve(annotation: object, cls: type, scope: dict[str, Any]) -> object:
    """Resolve a reply annotation, which may hold forward references."""
    if not isinstance(annotation, str | typing.ForwardRef):
        return annotation
    holder = types.SimpleNamespace(__annotations__={"reply": annotation})
    module = vars(sys.modules[cls.__module__])
    return typing.get_type_hints(holder, globalns=module, localns={**scope, cls.__name__: cls})["reply"]


def _message_types_in(hints: Sequence[object]) -> list[MessageType]:
    found: list[MessageType] = []
    for hint in hints:
        described = _described(hint)
        if described is not None:
            found.append(described)
        found.extend(_message_types_in(get_args(hint)))
    return found


def _described(annotation: object) -> MessageType | None:
    described = getattr(annotation, "__coterie__", None)
    return described if isinstance(described, MessageType) and isinstance(annotation, type) else None


# --- one codec per annotation ---------------------------------------------------------------------------------------

PRIMITIVES: Final = (type(None), bool, int, str, bytes)


def _codec_of(annotation: object, where: str) -> Codec:
    """Return the codec of an annotation. MessageTypeError names `where` it stands."""
    if annotation is None:
        return _exact(type(None))
    while isinstance(annotation, NewType):
        annotation = annotation.__supertype__
    origin = get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return _union(get_args(annotation), where)
    if origin is tuple:
        return _tuple(get_args(annotation), where)
    if origin in (Mapping, typing.Mapping):
        return _mapping(get_args(annotation), where)
    if isinstance(origin or annotation, type):
        return _of_class(typing.cast("type", origin or annotation), where)
    raise _refused(annotation, where)


def _of_class(cls: type, where: str) -> Codec:
    if cls in PRIMITIVES:
        return _exact(cls)
    if cls is float:
        return Codec(_same, _decode_float, (float,))
    if issubclass(cls, enum.Enum):
        return _enum(cls)
    if (described := _described(cls)) is not None:
        return Codec(described.encode, described.decode)
    if hasattr(cls, "to_wire") and hasattr(cls, "from_wire"):
        return Codec(lambda value: value.to_wire(), cls.from_wire)
    raise _refused(cls, where)


def _refused(annotation: object, where: str) -> MessageTypeError:
    shown = annotation.__name__ if isinstance(annotation, type) else repr(annotation)
    origin = get_origin(annotation) or annotation
    better: dict[object, str] = {
        list: "tuple[…, ...]",
        dict: "Mapping[…, …]",
        set: "tuple[…, ...]",
        bytearray: "bytes",
    }
    hint = better.get(origin)
    advice = f"; use {hint}" if hint else ""
    return MessageTypeError(f"{where}: {shown} is mutable or cannot cross the wire{advice}")


def _same(value: Any) -> object:
    return value


def _exact(cls: type) -> Codec:
    def decode(value: object, _: Resolver) -> object:
        if type(value) is not cls:
            raise BadMessage(f"expected {cls.__name__}, got {_show(value)}")
        return value

    return Codec(_same, decode, (cls,))


def _decode_float(value: object, _: Resolver) -> object:
    if type(value) is float:
        return value
    if type(value) is int:  # 1 is a fair way to write 1.0
        return float(value)
    raise BadMessage(f"expected float, got {_show(value)}")


def _enum(cls: type[enum.Enum]) -> Codec:
    members: dict[object, object] = {member.value: member for member in cls}

    def decode(value: object, _: Resolver) -> object:
        try:
            return members[value]
        except (KeyError, TypeError) as error:
            raise BadMessage(f"expected a {cls.__name__}, got {_show(value)}") from error

    if issubclass(cls, enum.IntEnum):  # MessagePack carries it as the integer it is
        return Codec(_same, decode, members=members)
    return Codec(lambda member: member.value, decode)


def _tuple(arguments: tuple[Any, ...], where: str) -> Codec:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return _homogeneous(_codec_of(arguments[0], where))
    codecs = tuple(_codec_of(argument, where) for argument in arguments if argument != ())

    def encode(value: Any) -> object:
        return [codec.encode(item) for codec, item in zip(codecs, value, strict=True)]

    def decode(value: object, resolver: Resolver) -> object:
        if type(value) is not tuple or len(value) != len(codecs):
            raise BadMessage(f"expected {len(codecs)} items, got {_show(value)}")
        return tuple(codec.decode(item, resolver) for codec, item in zip(codecs, value, strict=True))

    return Codec(encode, decode)


def _homogeneous(codec: Codec) -> Codec:
    encode_item, decode_item = codec.encode, codec.decode
    exact = set(codec.exact)

    def encode(value: Any) -> object:
        return value if exact else [encode_item(item) for item in value]

    def decode(value: object, resolver: Resolver) -> object:
        if type(value) is not tuple:
            raise BadMessage(f"expected a row, got {_show(value)}")
        if exact and exact.issuperset(map(type, value)):
            return value
        return tuple([decode_item(item, resolver) for item in value])

    return Codec(encode, decode)


def _mapping(arguments: tuple[Any, ...], where: str) -> Codec:
    key, value = (_codec_of(argument, where) for argument in arguments)

    def encode(mapping: Any) -> object:
        return {key.encode(k): value.encode(v) for k, v in mapping.items()}

    def decode(mapping: object, resolver: Resolver) -> object:
        if type(mapping) is not dict:
            raise BadMessage(f"expected a mapping, got {_show(mapping)}")
        return {key.decode(k, resolver): value.decode(v, resolver) for k, v in mapping.items()}

    return Codec(encode, decode)


def _union(members: tuple[Any, ...], where: str) -> Codec:
    """A union crosses as it is where its members are primitives; a message in it crosses as [name, row]."""
    tagged = {described.name: described for member in members if (described := _described(member)) is not None}
    plain = [_codec_of(member, where) for member in members if _described(member) is None]
    if not tagged and all(codec.exact for codec in plain):
        return _exact_union(tuple(cls for codec in plain for cls in codec.exact))
    if len([codec for codec in plain if not codec.exact]) + bool(tagged) > 1:
        raise MessageTypeError(f"{where}: this union is ambiguous on the wire; wrap its members in messages")

    def encode(value: Any) -> object:
        described = _described(type(value))
        if described is not None:
            return [described.name, described.encode(value)]
        return value if type(value) in PRIMITIVES or type(value) is float else plain_rich(value)

    def plain_rich(value: Any) -> object:
        return next(codec.encode(value) for codec in plain if not codec.exact)

    exact = frozenset(cls for codec in plain for cls in codec.exact)

    def decode(value: object, resolver: Resolver) -> object:
        if type(value) in exact:
            return value
        for codec in plain:
            if (type(value) in codec.exact) if codec.exact else (type(value) not in PRIMITIVES):
                return codec.decode(value, resolver)
        if type(value) is tuple and len(value) == 2 and value[0] in tagged:
            return tagged[value[0]].decode(value[1], resolver)
        raise BadMessage(f"expected one of the union's members, got {_show(value)}")

    return Codec(encode, decode)


def _exact_union(allowed: tuple[type, ...]) -> Codec:
    def decode(value: object, _: Resolver) -> object:
        if type(value) not in allowed:
            raise BadMessage(f"expected {' or '.join(cls.__name__ for cls in allowed)}, got {_show(value)}")
        return value

    return Codec(_same, decode, allowed)


def _show(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '…'}"
