"""`Codec`: encodes and decodes the values of one field type.

None, bool, int, float, str and bytes cross unchanged, an enum's member as its value, a tuple or a message as a row, a
frozenset as a row in ascending order, and other classes as their `Coding` says. In a union a message crosses as (name,
row), and the other members are distinguished by the type of the encoded value.
"""

from __future__ import annotations

import dataclasses
import enum
import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, NoReturn, Protocol, TypeVar, assert_never

from coterie.errors import BadMessage, MessageTypeError
from coterie.runtime.messages.codings import in_order, is_ascending
from coterie.runtime.messages.field_types import (
    CodedType,
    CustomType,
    EnumType,
    ExactType,
    FieldType,
    FlagType,
    FloatType,
    MappingType,
    Record,
    RecordType,
    SequenceType,
    SetType,
    TupleType,
    UnionType,
    type_text,
)
from coterie.runtime.messages.short_values import short_value
from coterie.runtime.messages.unpacking import INT_KEYS_MAX
from coterie.runtime.observing.error_texts import error_line
from coterie.runtime.user_code import is_exit, is_of

__all__ = [
    "INT64",
    "NO_REFS",
    "Codec",
    "HoldsRef",
    "RefusedByUser",
    "Resolver",
    "codec_of",
    "show",
    "why_not_encodable",
]

T = TypeVar("T")

INT64: Final = range(-(2**63), 2**64)
"""The integers that MessagePack can carry."""


class Resolver(Protocol):
    """Makes the `Ref` objects of a decoded message: see `WiredRefs`."""

    def ref(self, node: str, incarnation: int, path: str, uid: int, *, as_client: bool = False) -> object:
        """Return the ref with that name. `as_client`: it acts with the rights of a client."""
        ...


class HoldsRef(BadMessage):
    """A value that is stored holds a `Ref`."""


class RefusedByUser(BadMessage):
    """A value that a message's `__post_init__`, or a codec that a user has registered, refuses: its cause says why."""


class _NoRefs:
    def ref(self, node: str, incarnation: int, path: str, uid: int, *, as_client: bool = False) -> NoReturn:
        raise HoldsRef(f"a command cannot hold a Ref ({path!r} on {node!r}): it outlives the actor")


NO_REFS: Final = _NoRefs()
"""The resolver of what is stored, such as commands: it outlives processes, so it cannot hold refs."""

EncodeValue = Callable[[Any], object]
DecodeValue = Callable[[object, Resolver], object]


@dataclasses.dataclass(frozen=True, slots=True)
class Codec:
    """The wire format of one field type.

    `exact`: the types whose values cross unchanged, if a test of the type is all that is needed; `encode` and `decode`
    then do the same more slowly. `wire_types`: the types of the encoded value, which distinguish the members of a
    union. `instances`: the types whose values `encode` accepts; used for the members of a union. `has_open_hash`: a
    peer can compute the hashes of decoded values that are no ints, so that few of them may be keys (see `unpacking`).
    """

    encode: EncodeValue
    decode: DecodeValue
    exact: tuple[type, ...] = ()
    wire_types: frozenset[type] = frozenset()
    instances: type | tuple[type, ...] = ()
    has_open_hash: bool = False

    @property
    def is_identity(self) -> bool:
        """True if values cross unchanged: `encode` returns its argument."""
        return self.encode is _same


_ROW: Final = frozenset({tuple})
_MAP: Final = frozenset({dict})


def codec_of(kind: FieldType, where: str) -> Codec:
    """Return the codec of a field type. MessageTypeError, naming `where`, if two members of a union look the same."""
    match kind:
        case ExactType(cls):
            return _exact(cls)
        case FloatType():
            return Codec(_same, _decode_float, (float,), frozenset({float}))
        case EnumType():
            return _enum(kind)
        case FlagType():
            return _flag(kind, where)
        case SequenceType(item) | SetType(item):
            return (_set if isinstance(kind, SetType) else _sequence)(codec_of(item, where))
        case TupleType(items):
            return _tuple([codec_of(item, where) for item in items])
        case MappingType():
            return _mapping(codec_of(kind.key, where), codec_of(kind.value, where))
        case UnionType(members):
            return _union(members, where)
        case CodedType():
            return _coded(kind, codec_of(kind.wire, where))
        case RecordType(record):
            return _record(record)
        case CustomType(cls):
            return Codec(lambda value: value.to_wire(), cls.from_wire, wire_types=_ROW, instances=cls)
        case _:
            assert_never(kind)


def _same(value: Any) -> object:
    return value


def _exact(cls: type) -> Codec:
    def decode(value: object, _: Resolver) -> object:
        if type(value) is not cls:
            raise BadMessage(f"expected {cls.__name__}, got {show(value)}")
        return value

    return Codec(_same, decode, (cls,), frozenset({cls}))


def _decode_float(value: object, _: Resolver) -> object:
    if type(value) is float:
        return value
    if type(value) is int:  # 1 is accepted as 1.0
        return float(value)
    raise BadMessage(f"expected float, got {show(value)}")


def _enum(kind: EnumType) -> Codec:
    """Return the codec of an enum: a member crosses as its value."""
    cls = kind.cls
    members: dict[object, enum.Enum] = {member.value: member for member in kind.members}
    wire_types = frozenset(map(type, members))

    def encode(member: Any) -> object:
        value: object = member.value
        if members.get(value) is not member:
            raise BadMessage(f"expected a {cls.__name__}, got {show(member)}")
        return value

    def decode(value: object, _: Resolver) -> object:
        member = members.get(value) if type(value) in wire_types else None
        if member is None:
            raise BadMessage(f"expected a {cls.__name__}, got {show(value)}")
        return member

    if len(kind.members) < len(cls):
        return Codec(encode, decode, wire_types=wire_types, instances=cls)
    if issubclass(cls, enum.IntEnum):  # MessagePack carries it as the integer it is
        return Codec(_same, decode, wire_types=wire_types, instances=cls)
    return Codec(lambda member: member.value, decode, wire_types=wire_types, instances=cls)


FLAG_BITS_MAX: Final = 16
"""A class of flags that are no integers may have so many bits: Python keeps each combination for ever."""


def _flag(kind: FlagType, where: str) -> Codec:
    """Return the codec of a flag: it crosses as an integer, since members may be combined.

    An enum class keeps each combination that it has made once, so that equal ones are the same object. A peer must not
    fill that table. Flags that are integers (IntFlag) are compared by value: those that were decoded are taken out of
    it again. Other flags may have `FLAG_BITS_MAX` bits.
    """
    cls, mask = kind.cls, kind.mask
    is_kept = not issubclass(cls, int)
    bits = sum(member.value.bit_count() == 1 for member in cls.__members__.values())
    if is_kept and bits > FLAG_BITS_MAX:
        raise MessageTypeError(
            f"{where}: the flags {cls.__name__} have {bits} bits: make it an IntFlag, or at most {FLAG_BITS_MAX} bits"
        )
    kept = cls._value2member_map_

    def encode(flags: Any) -> object:
        value: int = flags.value
        if mask is not None and value & ~mask:
            raise BadMessage(f"expected a {cls.__name__}, got {show(flags)}")
        return value

    def decode(value: object, _: Resolver) -> object:
        if type(value) is not int or (mask is not None and value & ~mask):
            raise BadMessage(f"expected a {cls.__name__}, got {show(value)}")
        count = len(kept)
        try:
            return cls(value)
        except ValueError as error:
            raise BadMessage(f"expected a {cls.__name__}, got {show(value)}") from error
        finally:
            while not is_kept and len(kept) > count:
                kept.popitem()

    return Codec(encode, decode, wire_types=frozenset({int}), instances=cls)


def _tuple(codecs: Sequence[Codec]) -> Codec:
    def encode(value: Any) -> object:
        # A tuple, not a list: it may be a key of a mapping.
        return tuple([codec.encode(item) for codec, item in zip(codecs, value, strict=True)])

    def decode(value: object, resolver: Resolver) -> object:
        if type(value) is not tuple or len(value) != len(codecs):
            raise BadMessage(f"expected {len(codecs)} items, got {show(value)}")
        return tuple(codec.decode(item, resolver) for codec, item in zip(codecs, value, strict=True))

    return Codec(encode, decode, wire_types=_ROW, instances=tuple)


def _sequence(codec: Codec) -> Codec:
    encode_item, decode_item = codec.encode, codec.decode
    exact = set(codec.exact)

    def encode(value: Any) -> object:
        return value if exact else tuple([encode_item(item) for item in value])

    def decode(value: object, resolver: Resolver) -> object:
        if type(value) is not tuple:
            raise BadMessage(f"expected a row, got {show(value)}")
        if exact and exact.issuperset(map(type, value)):
            return value
        return tuple([decode_item(item, resolver) for item in value])

    return Codec(encode, decode, wire_types=_ROW, instances=tuple)


def _set(codec: Codec) -> Codec:
    """Return the codec of a frozenset: the row of its encoded items, in ascending order, so that each set has one."""
    encode_item, decode_item, exact = codec.encode, codec.decode, frozenset(codec.exact)

    def encode(value: Any) -> object:
        if not isinstance(value, frozenset):
            raise BadMessage(f"expected a frozenset, got {show(value)}")
        row: tuple[Any, ...] = tuple(map(encode_item, value))
        if codec.exact and not exact.issuperset(map(type, row)):
            raise BadMessage(f"an item of a frozenset is of another type than declared: {show(value)}")
        row = in_order(row)
        _check_keys("a frozenset", row, codec)
        if codec.has_open_hash:
            _check_hashes("a frozenset", value)
        if not codec.exact and not is_ascending(row):
            raise BadMessage(f"two items of a frozenset are encoded alike: {show(row)}")
        return row

    def decode(row: object, resolver: Resolver) -> object:
        if type(row) is not tuple:
            raise BadMessage(f"expected the row of a frozenset, got {show(row)}")
        if not row:
            return frozenset()
        _check_keys("a frozenset", row, codec)
        decoded = [decode_item(item, resolver) for item in row]
        if codec.has_open_hash:
            _check_hashes("a frozenset", decoded)
        items: frozenset[object] = _hashed(frozenset, decoded)
        if len(items) < len(row) or not is_ascending(row):
            raise BadMessage(f"expected items of a frozenset, each once, in ascending order, got {show(row)}")
        return items

    return Codec(encode, decode, wire_types=_ROW, instances=frozenset)


def _hashed(make: Callable[[Any], T], items: list[Any]) -> T:
    """Return a set or a dict of items; BadMessage if the class of one cannot hash or compare it."""
    try:
        return make(items)
    except BaseException as error:
        raise _refusal(error, "a key cannot be used") from error


def _check_keys(what: str, keys: Collection[object], codec: Codec) -> None:
    """Raise a BadMessage if too many of these encoded keys, or items of a set, may collide once they are decoded."""
    if len(keys) > INT_KEYS_MAX:
        count = len(keys) if codec.has_open_hash else sum(type(key) is int for key in keys)
        if count > INT_KEYS_MAX:
            kind = "of a type with a codec" if codec.has_open_hash else "ints"
            why = f"{what} with {len(keys)} keys, more than {INT_KEYS_MAX} of them {kind}, which may collide"
            raise BadMessage(f"{why}: use a tuple{' of pairs' if isinstance(keys, dict) else ''}")


ALIKE_MAX: Final = 8
"""So many keys may have the hash of another one: each costs comparisons, by the code of its class, with all others."""


def _check_hashes(what: str, keys: Collection[object]) -> None:
    """Raise a BadMessage if more keys than happens by chance have one hash."""
    hashes: list[int] = _hashed(lambda items: list(map(hash, items)), list(keys))
    if len(hashes) - len(set(hashes)) > ALIKE_MAX:
        raise BadMessage(f"{what} with more than {ALIKE_MAX} keys that have the hash of another one")


def _mapping(key: Codec, value: Codec) -> Codec:
    def encode(mapping: Any) -> object:
        encoded = {key.encode(k): value.encode(v) for k, v in mapping.items()}
        if len(encoded) < len(mapping):
            raise BadMessage(f"two keys of a mapping are encoded alike: {show(mapping)}")
        _check_keys("a mapping", encoded, key)
        if key.has_open_hash:
            _check_hashes("a mapping", mapping)
        return encoded

    def decode(mapping: object, resolver: Resolver) -> object:
        if type(mapping) is not dict:
            raise BadMessage(f"expected a mapping, got {show(mapping)}")
        if key.has_open_hash:  # ints were counted when the map was made
            _check_keys("a mapping", mapping, key)
        decoded = [(key.decode(k, resolver), value.decode(v, resolver)) for k, v in mapping.items()]
        if key.has_open_hash:
            _check_hashes("a mapping", [k for k, _ in decoded])
        made: dict[object, object] = _hashed(dict, decoded)
        if len(made) < len(mapping):
            raise BadMessage(f"two keys of a mapping are equal: {show(mapping)}")
        return made

    return Codec(encode, decode, wire_types=_MAP, instances=Mapping)


def _coded(kind: CodedType, wire: Codec) -> Codec:
    """Return the codec of a class with a `Coding`, whose functions may raise anything."""
    coding = kind.coding
    cls, exact = coding.cls, wire.exact

    def encode(value: Any) -> object:
        if (type(value) is not cls) if coding.is_exact else (not isinstance(value, cls)):
            raise BadMessage(f"expected {type_text(kind)}, got {show(value)}")
        try:
            plain = coding.encode(value)
            encoded = wire.encode(plain)
        except BaseException as error:
            raise _refusal(error, f"{show(value)} cannot cross the wire") from error
        if not coding.is_exact:
            try:
                wire.decode(encoded, NO_REFS)
            except BadMessage as error:
                made = f"the codec {coding.name!r} makes {show(plain)}"
                raise BadMessage(f"{made}: expected {type_text(kind.wire)} ({error})") from error
        return encoded

    def decode(value: object, resolver: Resolver) -> object:
        plain = value if type(value) in exact else wire.decode(value, resolver)
        try:
            made = coding.decode(plain)
        except BaseException as error:
            kind_of_refusal = BadMessage if coding.is_exact else RefusedByUser
            raise _refusal(error, f"expected {type_text(kind)}, got {show(value)}", kind_of_refusal) from error
        if not isinstance(made, cls):
            raise BadMessage(f"the codec {coding.name!r} makes {show(made)} of {show(value)}")
        return made

    return Codec(encode, decode, wire_types=wire.wire_types, instances=cls, has_open_hash=not coding.has_secret_hash)


def _refusal(error: BaseException, what: str, kind: type[BadMessage] = BadMessage) -> BaseException:
    """Return what to raise for an error of a codec's function: a BadMessage, unless the error ends the program."""
    if is_exit(error) or is_of(error, RecursionError):
        return error
    return kind(f"{what}: {error_line(error)}")


def _record(record: Record) -> Codec:
    """Return the codec of a message: it crosses as its row."""

    def encode(value: object) -> object:
        if type(value) is not record.cls:
            raise BadMessage(f"expected {record.name!r}, got {show(value)}")
        return record.encode(value)

    return Codec(encode, record.decode_nested, wire_types=_ROW, instances=record.cls)


def _union(members: Sequence[FieldType], where: str) -> Codec:
    """Return the codec of a union: each member crosses in its own form, messages as (name, row).

    The decoder distinguishes members by their wire type. MessageTypeError if two members have the same one.
    """
    plain = [codec_of(member, where) for member in members if not isinstance(member, RecordType)]
    coded = [member.coding.cls for member in members if isinstance(member, CodedType) and not member.coding.is_exact]
    if any(issubclass(one, other) for one, other in itertools.permutations(coded, 2)):
        raise MessageTypeError(f"{where}: this union has a class and a subclass of it, each with a codec of its own")
    records = [member.record for member in members if isinstance(member, RecordType)]
    codecs = plain + ([_tagged(records)] if records else [])
    by_wire_type = _by_wire_type(codecs, where)
    exact = tuple(cls for codec in codecs for cls in codec.exact)
    others = [codec for codec in codecs if not codec.exact]
    names = " or ".join(map(type_text, members))

    def encode(value: Any) -> object:
        if type(value) in exact:
            return value
        for codec in others:
            if isinstance(value, codec.instances):
                return codec.encode(value)
        if type(value) is int and float in exact:
            return float(value)
        raise BadMessage(f"expected {names}, got {show(value)}")

    def decode(value: object, resolver: Resolver) -> object:
        codec = by_wire_type.get(type(value))
        if codec is None:
            raise BadMessage(f"expected {names}, got {show(value)}")
        return codec.decode(value, resolver)

    found = frozenset(by_wire_type)
    if not others:
        return Codec(_same, decode, exact, found)
    has_open_hash = any(codec.has_open_hash for codec in codecs)
    return Codec(encode, decode, wire_types=found, instances=object, has_open_hash=has_open_hash)


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


def _tagged(records: Sequence[Record]) -> Codec:
    """Return the codec of the messages of a union: they cross as (name, row)."""
    by_name = {record.name: record for record in records}
    by_class = {record.cls: record for record in records}

    def encode(value: Any) -> object:
        record = by_class.get(type(value))
        if record is None:
            raise BadMessage(f"expected {' or '.join(by_name)}, got {show(value)}")
        return (record.name, record.encode(value))

    def decode(value: object, resolver: Resolver) -> object:
        if type(value) is tuple and len(value) == 2 and type(value[0]) is str and value[0] in by_name:
            return by_name[value[0]].decode_nested(value[1], resolver)
        raise BadMessage(f"expected {' or '.join(by_name)}, got {show(value)}")

    return Codec(encode, decode, wire_types=_ROW, instances=tuple(by_class))


def why_not_encodable(kind: FieldType, codec: Codec, value: object) -> str | None:
    """Return why a value cannot cross the wire as one of a type; None if it can, as far as can be determined."""
    try:
        codec.encode(value)
        if isinstance(value, str):
            value.encode()
    except UnicodeEncodeError:
        return f"{show(value)} has lone surrogates"
    except BadMessage as error:
        return str(error)
    except (AttributeError, TypeError, ValueError):
        return f"expected {type_text(kind)}, got {show(value)}"
    if type(value) is int and float in codec.exact and value in INT64:
        return None  # 1 is accepted as 1.0
    if codec.exact and type(value) not in codec.exact:
        return f"expected {type_text(kind)}, got {show(value)}"
    if type(value) is int and value not in INT64:
        return f"{show(value)} is beyond 64 bits: MessagePack carries {INT64.start} … {INT64.stop - 1}"
    return None


def show(value: object) -> str:
    """Return the type and a short form of a value, for errors."""
    return f"{type(value).__name__} {short_value(value)}"
