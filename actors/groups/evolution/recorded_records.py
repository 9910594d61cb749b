"""`RecordedRecord`: encodes and decodes one message class as a recorded schema describes it, whatever the code adds.

    recorded: (sku, amount = 1)          the code: (sku, amount = 1, gift = False)

    row ("tea",)         → ("tea", 1, False)     `amount` as recorded; `gift` as the code has it
    row ("tea", 2)       → ("tea", 2, False)
    row ("tea", 2, True) → refused               so every replica refuses it, also one whose code knows the third field
    a message            → ("tea", 2)            a reply holds what is recorded

All of it is exact: a row that is too long is refused in a nested message too, unlike in messages between actors.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Final, cast

from coterie.actors.groups.evolution.schema_typing import schema_type
from coterie.errors import BadMessage
from coterie.protocols.evolution.schema import MessageSchema, Schema
from coterie.protocols.evolution.schema_types import (
    ChoiceType,
    CodecType,
    FlagsType,
    ListType,
    MapType,
    NamedType,
    OneOfType,
    RowType,
    ScalarType,
    SchemaType,
    UniqueType,
    type_text,
)
from coterie.protocols.evolution.schema_values import value_of_text
from coterie.protocols.evolution.type_comparison import counterpart
from coterie.runtime.messages.codec_generation import RowDecoder, RowEncoder, compile_decoder, compile_encoder
from coterie.runtime.messages.field_types import (
    PRIMITIVES,
    EnumType,
    ExactType,
    FieldType,
    FlagType,
    FloatType,
    MappingType,
    RecordType,
    SequenceType,
    SetType,
    TupleType,
    UnionType,
)
from coterie.runtime.messages.message_codecs import MessageType
from coterie.runtime.messages.trimmed_rows import encoded_default
from coterie.runtime.messages.value_codecs import Codec, HoldsRef, RefusedByUser, Resolver, codec_of, show
from coterie.runtime.observing.error_texts import error_line

__all__ = ["NotActiveRow", "RecordedRecord", "RecordedTypes"]


class NotActiveRow(BadMessage):
    """A row has a length that the recorded message does not have (yet): its text names the message alone."""


class _FieldRefused(BadMessage):
    """The text says which field of which message is wrong, as it was recorded."""


class RecordedTypes:
    """The types of a recorded schema, with the classes of this code, which must be the same or newer."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._record_by_name: dict[str, RecordedRecord] = {}

    def record(self, described: MessageType) -> RecordedRecord:
        """Return the record of a message class that the schema describes."""
        found = self._record_by_name.get(described.name)
        if found is None:
            found = RecordedRecord(self._schema.messages[described.name], described, self)
            self._record_by_name[described.name] = found
        return found

    def field_type(self, recorded: SchemaType, code: FieldType) -> FieldType:
        """Return the field type with the values of the recorded type and the classes of the code's type.

        Raises:
            ValueError: the code cannot hold what is recorded: the schemas contradict each other.
        """
        match recorded, code:
            case OneOfType(members), _:
                return UnionType(tuple(self.field_type(member, _alternative(member, code)) for member in members))
            case _, UnionType():
                return self.field_type(recorded, _alternative(recorded, code))
            case ScalarType("float"), FloatType():
                return code
            case ScalarType(name), ExactType(cls) if cls is _PRIMITIVE_BY_NAME[name]:
                return code
            case ChoiceType(members), EnumType(cls):
                return EnumType(cls, tuple(dict.fromkeys(cls[name] for name, _ in members)))
            case FlagsType(), FlagType(cls):
                return FlagType(cls, recorded.mask)
            case (ListType(item), SequenceType(own)) | (UniqueType(item), SetType(own)):
                return (SetType if isinstance(code, SetType) else SequenceType)(self.field_type(item, own))
            case RowType(items), TupleType() if len(items) == len(code.items):
                return TupleType(tuple(map(self.field_type, items, code.items)))
            case MapType(), MappingType():
                return MappingType(self.field_type(recorded.key, code.key), self.field_type(recorded.value, code.value))
            case NamedType(name), RecordType(record) if record.name == name:
                return RecordType(self.record(cast("MessageType", record)))
            case CodecType(), _ if schema_type(code) == recorded:
                return code
            case _:
                raise ValueError(f"the code has no value for the recorded type {type_text(recorded)}")


_PRIMITIVE_BY_NAME: Final[dict[str, type]] = {cls.__name__: cls for cls in (*PRIMITIVES, float)} | {"none": type(None)}


def _alternative(recorded: SchemaType, code: FieldType) -> FieldType:
    """Return the member of the code's union that holds the values of a recorded type."""
    for member in code.members if isinstance(code, UnionType) else (code,):
        if counterpart(recorded, schema_type(member)) is not None:
            return member
    raise ValueError(f"the code has no value for the recorded type {type_text(recorded)}")


class RecordedRecord:
    """One message class, as a schema recorded it.

    Its codecs are made at the first use: messages may hold each other.
    """

    def __init__(self, recorded: MessageSchema, described: MessageType, types: RecordedTypes) -> None:
        self.name = described.name
        self.cls = described.cls
        self._recorded = recorded
        self._described = described
        self._types = types
        count = len(recorded.fields)
        self._whole_length = count if count == len(described.fields) else None  # of a row that lacks nothing

    def encode(self, value: object) -> Sequence[object]:
        """Return the row of a message: the recorded fields alone. BadMessage if one holds what is not recorded."""
        try:
            return self._encode_row(value)
        except BadMessage as error:
            raise BadMessage(f"message {self.name!r}: {error}") from error
        except (AttributeError, TypeError, ValueError) as error:
            raise self._described.encoding_error(value) from error

    def decode_nested(self, row: Any, resolver: Resolver) -> object:
        """Return the message in a row. BadMessage if the row is none, or holds what is not recorded.

        A nested message is decoded once: the command around it, whose text counts, is decoded again by `decode`.
        Were it decoded again at each level, the time would double with each.
        """
        return self._decode_row(self._completed(row), resolver)

    def decode(self, row: Any, resolver: Resolver) -> object:
        """Return the message in a row. BadMessage names the field, in a text that is the same on every replica."""
        is_whole = type(row) is tuple and len(row) == self._whole_length
        completed = row if is_whole else self._completed(row)
        try:
            return self._decode_row(completed, resolver)
        except NotActiveRow:
            raise
        except BadMessage:
            return self._decode_slowly(completed, resolver)  # which names the field

    def _completed(self, row: Any) -> tuple[object, ...]:
        if type(row) is not tuple:
            raise BadMessage(f"message {self.name!r}: expected a row of fields, got {show(row)}")
        missing = self._missing.get(len(row))
        if missing is None:
            raise NotActiveRow(self.arity_error(len(row)))
        return row + missing

    @property
    def arities(self) -> range:
        """The lengths of valid rows.

        Every length that some revision up to this one wrote is among them: a revision only appends fields that have a
        default, so what was required at first is required still.
        """
        return range(self._recorded.required, len(self._recorded.fields) + 1)

    def arity_error(self, count: int) -> str:
        """Return why a row of this length is not valid."""
        if count < self._recorded.required:
            return f"message {self.name!r}: got {count} fields, at least {self._recorded.required} are required"
        return f"message {self.name!r} with {count} fields is not active"

    @functools.cached_property
    def _missing(self) -> dict[int, tuple[object, ...]]:
        """By the length of a row: what it leaves out, encoded: as recorded, then as the code has it."""
        fields, declared = self._recorded.fields, self._described.fields
        own = [encoded_default(self._described, one) for one in declared[len(fields) :]]
        defaults = [None if one.default is None else value_of_text(one.default) for one in fields]
        return {count: (*defaults[count:], *own) for count in self.arities}

    @functools.cached_property
    def _codecs(self) -> tuple[Codec, ...]:
        fields, declared = self._recorded.fields, self._described.fields
        kinds = [self._types.field_type(one.type, own.type) for one, own in zip(fields, declared, strict=False)]
        kinds += [own.type for own in declared[len(fields) :]]
        return tuple(codec_of(kind, self.name) for kind in kinds)

    @functools.cached_property
    def _encode_row(self) -> RowEncoder:
        count = len(self._recorded.fields)
        return compile_encoder([one.name for one in self._recorded.fields], self._codecs[:count])

    @functools.cached_property
    def _decode_row(self) -> RowDecoder:
        names = [declared.name for declared in self._described.fields]
        return compile_decoder(self.cls, names, self._codecs, self._decode_slowly, has_head=False)

    def _decode_slowly(self, row: Sequence[object], resolver: Resolver) -> object:
        """Decode field by field. An error names the field and its recorded type: classes are named by each code."""
        values = []
        for at, (codec, value) in enumerate(zip(self._codecs, row, strict=True)):
            try:
                values.append(codec.decode(value, resolver))
            except (HoldsRef, NotActiveRow):
                raise  # another text would not tell
            except BadMessage as error:
                raise _FieldRefused(self._field_error(at, value, error)) from error
        return self._described.make(values)

    def _field_error(self, at: int, value: object, error: BadMessage) -> str:
        recorded = self._recorded.fields[at]
        where = f"message {self.name!r}, field {recorded.name!r}"
        if isinstance(error, _FieldRefused):  # of a message in this one
            return f"{where}: {error}"
        cause = error.__cause__ if isinstance(error, RefusedByUser) else None
        why = "" if cause is None else f": {error_line(cause)}"
        return f"{where}: expected {type_text(recorded.type)}, got {show(value)}{why}"
