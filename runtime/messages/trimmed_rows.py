"""`TrimmedRecord`: encodes messages without the trailing fields that have their default.

A command of a state machine is sent and stored in this form. A client whose code has a field more than its group knows
is understood as long as it leaves the field at its default; and a message that is itself the default of a field is
encoded in the same way before and after a field is appended to its class.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import msgpack

from coterie.errors import BadMessage, MessageTypeError
from coterie.runtime.messages.codec_generation import compile_encoder
from coterie.runtime.messages.field_types import Record, records_in, with_records
from coterie.runtime.messages.value_codecs import NO_REFS, codec_of

if TYPE_CHECKING:
    from coterie.runtime.messages.message_codecs import DeclaredField, MessageType

__all__ = ["TrimmedRecord", "encoded_default"]


class TrimmedRecord:
    """One message class, whose rows end with the last field that is required or differs from its default.

    The messages in its fields are trimmed, too. It is the `trimmed` of its `MessageType`.
    """

    def __init__(self, described: MessageType) -> None:
        self.name = described.name
        self.cls = described.cls
        self.decode_nested = described.decode_nested
        self._described = described
        self._required = sum(declared.default is None for declared in described.fields)

    @functools.cached_property
    def encode(self) -> Callable[[Any], Sequence[object]]:
        """Message → its row, as MessagePack can carry it. BadMessage if a field cannot cross the wire."""
        has_defaults = any(declared.default for record in _reached(self._described) for declared in record.fields)
        return self._encode_trimmed if has_defaults else self._described.encode

    def _encode_trimmed(self, message: Any) -> Sequence[object]:
        try:
            row = self._encode_whole(message)
        except MessageTypeError:
            raise
        except (AttributeError, TypeError, ValueError) as error:
            raise self._described.encoding_error(message) from error
        count = len(row)
        while count > self._required and self._is_default(count - 1, row[count - 1]):
            count -= 1
        return row[:count]

    @functools.cached_property
    def _encode_whole(self) -> Callable[[Any], tuple[object, ...]]:
        fields = self._described.fields
        kinds = [with_records(declared.type, _trimmed) for declared in fields]
        return compile_encoder([declared.name for declared in fields], [codec_of(kind, self.name) for kind in kinds])

    def _is_default(self, at: int, value: object) -> bool:
        """Return True if this is the default, and not only equal to it, as 1 is to True, and 0.0 to -0.0."""
        default, packed = self._encoded_defaults[at]
        return value == default and msgpack.packb(value) in packed

    @functools.cached_property
    def _encoded_defaults(self) -> dict[int, tuple[object, frozenset[bytes]]]:
        """By position: the default, and its encodings: a float may be an int."""
        found = {}
        for at, declared in enumerate(self._described.fields):
            if declared.default is not None:
                default = encoded_default(self._described, declared)
                found[at] = default, frozenset({msgpack.packb(default), _packed(declared, self.name)})
        return found


def _trimmed(record: Record) -> Record:
    return cast("MessageType", record).trimmed


def _reached(described: MessageType) -> list[MessageType]:
    """Return this message class and all that its fields name, directly or not."""
    found = [described]
    for one in found:  # which grows
        for declared in one.fields:
            named = [cast("MessageType", record) for record in records_in(declared.type)]
            found += [record for record in dict.fromkeys(named) if record not in found]
    return found


def encoded_default(described: MessageType, declared: DeclaredField) -> object:
    """Return the default of a field, trimmed and encoded: what a row means that leaves the field out.

    Raises:
        MessageTypeError: the field has no default; or it is not of the field's type, differs from call to call, or
            needs itself.
    """
    where = f"{described.cls.__qualname__}.{declared.name}"
    try:
        first, second = _encoded(declared, where), _encoded(declared, where)
    except RecursionError as error:
        raise MessageTypeError(f"{where}: its default needs itself") from error
    except MessageTypeError:
        raise
    except (BadMessage, AttributeError, TypeError, ValueError, OverflowError) as error:
        raise MessageTypeError(f"{where}: its default does not fit its type: {error}") from error
    if msgpack.packb(first) != msgpack.packb(second):
        raise MessageTypeError(f"{where}: its default differs from call to call: a row cannot leave it out")
    return first


def _encoded(declared: DeclaredField, where: str) -> object:
    codec = codec_of(with_records(declared.type, _trimmed), where)
    row = msgpack.unpackb(_packed(declared, where), use_list=False, strict_map_key=False)
    return codec.encode(codec.decode(row, NO_REFS))  # decoded once: an int that is declared as a float means a float


def _packed(declared: DeclaredField, where: str) -> bytes:
    if declared.default is None:
        raise MessageTypeError(f"{where} has no default")
    packed: bytes = msgpack.packb(codec_of(with_records(declared.type, _trimmed), where).encode(declared.default()))
    return packed
