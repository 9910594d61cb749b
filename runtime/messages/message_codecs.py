"""`MessageType`: encodes and decodes messages of one class; `Codec`: encodes and decodes values of one field type.

A message becomes a row of its fields' values; a field that is None, bool, int, float, str or bytes crosses unchanged.
A row arrives as a tuple and is checked against the annotations before an object is made: a wrong field is a
`BadMessage`. A message evolves by appending fields with defaults: missing ones take them, surplus ones are ignored.

Encoding is decided here per annotation (`_codec_of`) and in `codec_generation` per message. It is carried out in
`remote` (`OutgoingRoute` encodes, `IncomingRoute` decodes); rows become bytes in `transport.framing.items`.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NewType, Protocol, get_args, get_origin

from coterie.errors import BadMessage, MessageTypeError
from coterie.runtime.messages.codec_generation import compile_decoder, compile_encoder, compile_sender_factory
from coterie.runtime.messages.lanes import Lane

if typing.TYPE_CHECKING:
    from coterie.runtime.messages.codec_generation import RowDecoder, RowEncoder, SenderFactory
    from coterie.runtime.messages.declared_errors import DeclaredErrors

__all__ = ["Codec", "MessageType", "Resolver", "message_type_of"]

INT64: Final = range(-(2**63), 2**64)
"""The integers that MessagePack can carry."""


class Resolver(Protocol):
    """Makes the `Ref` objects of a decoded message; the system that decodes implements it."""

    def ref(self, node: str, incarnation: int, path: str, uid: int) -> object:
        """Return the ref with that name."""
        ...


EncodeValue = Callable[[Any], object]
DecodeValue = Callable[[object, Resolver], object]


@dataclasses.dataclass(frozen=True, slots=True)
class Codec:
    """The wire format of one annotation.

    `exact`: the types whose values cross unchanged, if a test of the type is all that is needed; `encode` and `decode`
    then do the same more slowly. `wire_types`: the types of the encoded value, which distinguish the members of a
    union. `instances`: the types whose values `encode` accepts; used for the members of a union.
    """

    encode: EncodeValue
    decode: DecodeValue
    exact: tuple[type, ...] = ()
    wire_types: frozenset[type] = frozenset()
    instances: type | tuple[type, ...] = ()

    @property
    def is_identity(self) -> bool:
        """True if values cross unchanged: `encode` returns its argument."""
        return self.encode is _same


_ROW: Final = frozenset({tuple})
_MAP: Final = frozenset({dict})


class _NoReply:
    """Marks a message that is not an ask."""


class MessageType:
    """One message class: its wire name, lane, declared errors, and the codecs of its fields and its reply.

    Codecs are built by `prepare`, or, if an annotation names a class that does not exist yet, at the first use. The
    encoder, decoder and sender are compiled at the first use: see `coterie.runtime.messages.codec_generation`.
    """

    NO_REPLY: Final = _NoReply

    def __init__(
        self, cls: type, name: str, lane: Lane, *, reply: object, raises: DeclaredErrors, scope: dict[str, Any]
    ) -> None:
        self.cls = cls
        self.name = name
        self.lane = lane
        self.is_ask = reply is not _NoReply
        self.raises = raises
        self._reply_annotation = reply
        self._scope = scope
        self._names, self._required = _fields_of(cls)
        self._codecs: tuple[Codec, ...] | None = None
        self._reply: Codec | None = None

    def prepare(self) -> None:
        """Build the codecs if every annotation can already be resolved. MessageTypeError if one cannot cross the wire.

        This object must be attached to the class before: a message may be a field of itself.
        """
        try:
            self._build()
        except NameError:
            pass  # a forward reference: `codecs` builds again at the first use
        else:
            self._scope = {}

    def encode(self, value: object) -> Sequence[object]:
        """Return the row of `value`, as MessagePack can carry it. BadMessage if a field cannot cross the wire.

        RecursionError if messages are nested too deeply.
        """
        try:
            return self.encode_unchecked(value)
        except (AttributeError, TypeError, ValueError) as error:
            raise self.encoding_error(value) from error

    def encode_nested(self, value: object) -> Sequence[object]:
        """Return the row of a message in a field of another one. BadMessage if it is not of this class."""
        if type(value) is not self.cls:
            raise BadMessage(f"expected {self.name!r}, got {_show(value)}")
        return self.encode(value)

    def decode(self, row: object, resolver: Resolver) -> object:
        """Return the message in a row of fields. BadMessage names the message, the field and the value.

        RecursionError if messages are nested too deeply.
        """
        if type(row) is not tuple:
            raise BadMessage(f"message {self.name!r}: expected a row of fields, got {_show(row)}")
        try:
            return self._decode_row(row, resolver)
        except BadMessage:
            return self._decode_slowly(row, resolver)  # which names the field

    @functools.cached_property
    def make_sender(self) -> SenderFactory:
        """(head, send) → a function that sends (head, *fields) of a message. On its errors see `encoding_error`."""
        return compile_sender_factory(self._names, self._ready_codecs)

    @functools.cached_property
    def decode_with_head(self) -> RowDecoder:
        """((head, *fields), resolver) → message; faster than `decode`. Its BadMessage may name only the value."""
        return compile_decoder(self.cls, self._names, self._ready_codecs, self._decode_after_head, has_head=True)

    @functools.cached_property
    def encode_unchecked(self) -> RowEncoder:
        """Message → its row; faster than `encode`. It raises the errors of the codecs: see `encoding_error`."""
        return compile_encoder(self._names, self._ready_codecs)

    @functools.cached_property
    def _decode_row(self) -> RowDecoder:
        return compile_decoder(self.cls, self._names, self._ready_codecs, self._decode_slowly, has_head=False)

    def _decode_after_head(self, row: Sequence[object], resolver: Resolver) -> object:
        return self._decode_slowly(row[1:], resolver)

    def _decode_slowly(self, row: Sequence[object], resolver: Resolver) -> object:
        """Decode field by field: appended fields may be missing or unknown; an error names its field."""
        if len(row) < self._required:
            raise BadMessage(f"message {self.name!r}: got {len(row)} fields, at least {self._required} are required")
        values = []
        for codec, name, value in zip(self._ready_codecs, self._names, row, strict=False):
            try:
                values.append(codec.decode(value, resolver))
            except BadMessage as error:
                raise BadMessage(f"message {self.name!r}, field {name!r}: {error}") from error
        return self._make(values)

    def _make(self, fields: Sequence[object]) -> object:
        try:
            return self.cls(*fields)
        except RecursionError:
            raise
        except Exception as error:  # a message may check its fields in __post_init__ and raise anything
            raise BadMessage(f"message {self.name!r} refuses its fields: {type(error).__name__}: {error}") from error

    @property
    def reply(self) -> Codec:
        """The codec of the reply. MessageTypeError if this message is not an ask."""
        self._ready_codecs  # noqa: B018 (builds the reply's codec too)
        if self._reply is None:
            raise MessageTypeError(f"message {self.name!r} is not an Ask: it has no reply")
        return self._reply

    def encoding_error(self, value: object) -> BadMessage:
        """Return the error that names the field of `value` that cannot cross the wire."""
        for name, codec in zip(self._names, self._ready_codecs, strict=True):
            field = getattr(value, name, None)
            if (why := _why_not_encodable(codec, field)) is not None:
                return BadMessage(f"message {self.name!r}, field {name!r}: {why}")
        return BadMessage(f"message {self.name!r} cannot cross the wire: {_show(value)}")

    @property
    def _ready_codecs(self) -> tuple[Codec, ...]:
        if self._codecs is not None:
            return self._codecs
        try:
            return self._build()
        except NameError as error:
            raise MessageTypeError(
                f"message {self.name!r}: an annotation uses a name that does not exist: {error}"
            ) from error

    def _build(self) -> tuple[Codec, ...]:
        hints = self._hints()
        codecs = tuple(_codec_of(hints[name], f"{self.cls.__qualname__}.{name}") for name in self._names)
        if self.is_ask:
            reply = _resolve(self._reply_annotation, self.cls, self._scope)
            self._reply = _codec_of(reply, f"the reply of {self.cls.__qualname__}")
        self._codecs = codecs
        return codecs

    def _hints(self) -> dict[str, Any]:
        # dataclass(slots=True) makes a new class, so the class's own name may not resolve yet: supply it here.
        return typing.get_type_hints(self.cls, localns={**self._scope, self.cls.__name__: self.cls})


def _fields_of(cls: Any) -> tuple[tuple[str, ...], int]:
    """Return the field names of a dataclass or NamedTuple, and the number of fields without a default."""
    names: tuple[str, ...] | None = getattr(cls, "_fields", None)
    if names is not None:
        return names, len(names) - len(cls._field_defaults)
    fields = dataclasses.fields(cls)
    for field in fields:
        if field.kw_only or not field.init:
            raise MessageTypeError(f"{cls.__qualname__}.{field.name}: every field of a message must be positional")
    missing = dataclasses.MISSING
    required = sum(field.default is missing and field.default_factory is missing for field in fields)
    return tuple(field.name for field in fields), required


def _resolve(annotation: object, cls: type, scope: dict[str, Any]) -> object:
    """Resolve a reply annotation, which may hold forward references, at any depth."""
    holder = types.SimpleNamespace(__annotations__={"reply": annotation})
    module = vars(sys.modules[cls.__module__])
    return typing.get_type_hints(holder, globalns=module, localns={**scope, cls.__name__: cls})["reply"]


def message_type_of(cls: object) -> MessageType | None:
    """Return the `MessageType` attached to `cls` itself; None if it has none, even if one of its bases has."""
    described = cls.__dict__.get("__coterie__") if isinstance(cls, type) else None
    return described if isinstance(described, MessageType) else None


# --- one codec per annotation ---------------------------------------------------------------------------------------

PRIMITIVES: Final = (type(None), bool, int, str, bytes)


def _codec_of(annotation: object, where: str) -> Codec:
    """Return the codec of an annotation. `where`: the class and field, named by a MessageTypeError."""
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
        return Codec(_same, _decode_float, (float,), frozenset({float}))
    if issubclass(cls, enum.Enum):
        return _enum(cls, where)
    if (described := message_type_of(cls)) is not None:
        return Codec(described.encode_nested, described.decode, wire_types=_ROW, instances=cls)
    if hasattr(cls, "to_wire") and hasattr(cls, "from_wire"):
        return Codec(lambda value: value.to_wire(), cls.from_wire, wire_types=_ROW, instances=cls)
    raise _refused(cls, where)


def _refused(annotation: object, where: str) -> MessageTypeError:
    shown = annotation.__name__ if isinstance(annotation, type) else repr(annotation)
    origin = get_origin(annotation) or annotation
    better: dict[object, str] = {
        list: "tuple[…, ...]",
        dict: "Mapping[…, …]",
        set: "tuple[…, ...]",
        bytearray: "bytes",
        tuple: "tuple[…, ...]",
        frozenset: "tuple[…, ...]",
        Sequence: "tuple[…, ...]",
        Mapping: "Mapping[…, …]",
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

    return Codec(_same, decode, (cls,), frozenset({cls}))


def _decode_float(value: object, _: Resolver) -> object:
    if type(value) is float:
        return value
    if type(value) is int:  # 1 is accepted as 1.0
        return float(value)
    raise BadMessage(f"expected float, got {_show(value)}")


def _enum(cls: type[enum.Enum], where: str) -> Codec:
    """Return the codec of an enum: a member crosses as its value."""
    members: dict[object, object] = {}
    for member in cls:
        if type(member.value) not in PRIMITIVES:
            raise MessageTypeError(
                f"{where}: a value of the enum {cls.__name__} is {_show(member.value)}; use str or int"
            )
        members[member.value] = member
    if issubclass(cls, enum.Flag):
        return _flag(cls)

    def decode(value: object, _: Resolver) -> object:
        member = members.get(value) if type(value) in wire_types else None
        if member is None:
            raise BadMessage(f"expected a {cls.__name__}, got {_show(value)}")
        return member

    wire_types = frozenset(map(type, members))
    if issubclass(cls, enum.IntEnum):  # MessagePack carries it as the integer it is
        return Codec(_same, decode, wire_types=wire_types, instances=cls)
    return Codec(lambda member: member.value, decode, wire_types=wire_types, instances=cls)


def _flag(cls: type[enum.Flag]) -> Codec:
    """Return the codec of a flag: it crosses as an integer, since members may be combined."""

    def decode(value: object, _: Resolver) -> object:
        if type(value) is not int:
            raise BadMessage(f"expected a {cls.__name__}, got {_show(value)}")
        try:
            return cls(value)
        except ValueError as error:
            raise BadMessage(f"expected a {cls.__name__}, got {_show(value)}") from error

    return Codec(lambda member: member.value, decode, wire_types=frozenset({int}), instances=cls)


def _tuple(arguments: tuple[Any, ...], where: str) -> Codec:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return _homogeneous(_codec_of(arguments[0], where))
    codecs = tuple(_codec_of(argument, where) for argument in arguments if argument != ())

    def encode(value: Any) -> object:
        # A tuple, not a list: it may be a key of a mapping.
        return tuple([codec.encode(item) for codec, item in zip(codecs, value, strict=True)])

    def decode(value: object, resolver: Resolver) -> object:
        if type(value) is not tuple or len(value) != len(codecs):
            raise BadMessage(f"expected {len(codecs)} items, got {_show(value)}")
        return tuple(codec.decode(item, resolver) for codec, item in zip(codecs, value, strict=True))

    return Codec(encode, decode, wire_types=_ROW, instances=tuple)


def _homogeneous(codec: Codec) -> Codec:
    encode_item, decode_item = codec.encode, codec.decode
    exact = set(codec.exact)

    def encode(value: Any) -> object:
        return value if exact else tuple([encode_item(item) for item in value])

    def decode(value: object, resolver: Resolver) -> object:
        if type(value) is not tuple:
            raise BadMessage(f"expected a row, got {_show(value)}")
        if exact and exact.issuperset(map(type, value)):
            return value
        return tuple([decode_item(item, resolver) for item in value])

    return Codec(encode, decode, wire_types=_ROW, instances=tuple)


def _mapping(arguments: tuple[Any, ...], where: str) -> Codec:
    key, value = (_codec_of(argument, where) for argument in arguments)

    def encode(mapping: Any) -> object:
        return {key.encode(k): value.encode(v) for k, v in mapping.items()}

    def decode(mapping: object, resolver: Resolver) -> object:
        if type(mapping) is not dict:
            raise BadMessage(f"expected a mapping, got {_show(mapping)}")
        decoded = [(key.decode(k, resolver), value.decode(v, resolver)) for k, v in mapping.items()]
        try:
            return dict(decoded)
        except TypeError as error:
            raise BadMessage(f"a key of a mapping is not hashable: {error}") from error

    return Codec(encode, decode, wire_types=_MAP, instances=Mapping)


def _union(members: tuple[Any, ...], where: str) -> Codec:
    """Return the codec of a union: each member crosses in its own form, messages as (name, row).

    The decoder distinguishes members by their wire type. MessageTypeError if two members have the same one.
    """
    plain = [_codec_of(member, where) for member in members if message_type_of(member) is None]
    tagged = [described for member in members if (described := message_type_of(member)) is not None]
    codecs = plain + ([_tagged(tagged)] if tagged else [])
    by_wire_type = _by_wire_type(codecs, where)
    exact = tuple(cls for codec in codecs for cls in codec.exact)
    others = [codec for codec in codecs if not codec.exact]
    names = " or ".join(getattr(member, "__name__", str(member)) for member in members)

    def encode(value: Any) -> object:
        if type(value) in exact:
            return value
        for codec in others:
            if isinstance(value, codec.instances):
                return codec.encode(value)
        if type(value) is int and float in exact:
            return float(value)
        raise BadMessage(f"expected {names}, got {_show(value)}")

    def decode(value: object, resolver: Resolver) -> object:
        codec = by_wire_type.get(type(value))
        if codec is None:
            raise BadMessage(f"expected {names}, got {_show(value)}")
        return codec.decode(value, resolver)

    found = frozenset(by_wire_type)
    return Codec(encode, decode, wire_types=found, instances=object) if others else Codec(_same, decode, exact, found)


def _by_wire_type(codecs: Sequence[Codec], where: str) -> dict[type, Codec]:
    """Return the codec for each wire type. MessageTypeError if two codecs have the same one."""
    found: dict[type, Codec] = {}
    for codec in codecs:
        for wire_type in codec.wire_types:
            known = found.setdefault(wire_type, codec)
            if known is not codec and not (known.exact and codec.exact):
                raise MessageTypeError(f"{where}: this union is ambiguous on the wire; wrap its members in messages")
    if float in found:
        found.setdefault(int, found[float])  # 1 is accepted as 1.0
    return found


def _tagged(members: Sequence[MessageType]) -> Codec:
    """Return the codec of the messages of a union: they cross as (name, row)."""
    by_name = {described.name: described for described in members}

    def encode(value: Any) -> object:
        described = message_type_of(type(value))
        if described is None or by_name.get(described.name) is not described:
            raise BadMessage(f"expected {' or '.join(by_name)}, got {_show(value)}")
        return (described.name, described.encode(value))

    def decode(value: object, resolver: Resolver) -> object:
        if type(value) is tuple and len(value) == 2 and type(value[0]) is str and value[0] in by_name:
            return by_name[value[0]].decode(value[1], resolver)
        raise BadMessage(f"expected {' or '.join(by_name)}, got {_show(value)}")

    return Codec(encode, decode, wire_types=_ROW, instances=tuple(described.cls for described in members))


def _why_not_encodable(codec: Codec, value: object) -> str | None:
    """Return the reason why a field cannot cross the wire; None if it can, as far as can be determined."""
    try:
        codec.encode(value)
        if isinstance(value, str):
            value.encode()
    except UnicodeEncodeError:
        return f"{_show(value)} has lone surrogates"
    except BadMessage as error:
        return str(error)
    except (AttributeError, TypeError, ValueError):
        return f"{_show(value)} cannot cross the wire"
    if type(value) is int and float in codec.exact and value in INT64:
        return None  # 1 is accepted as 1.0
    fits = type(value) in codec.exact if codec.exact else True
    return None if fits and (type(value) is not int or value in INT64) else f"{_show(value)} cannot cross the wire"


def _show(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '…'}"
