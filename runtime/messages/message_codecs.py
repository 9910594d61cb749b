"""`MessageType`: encodes and decodes messages of one class.

A message becomes a row of its fields' values; a field that is None, bool, int, float, str or bytes crosses unchanged.
A row arrives as a tuple and is checked against the annotations before an object is made: a wrong field is a
`BadMessage`. A message evolves by appending fields with defaults: missing ones take them, surplus ones are ignored.

`field_types` reads what an annotation declares, `value_codecs` encodes such values, and `codec_generation` compiles the
functions of a message. They are used in `remote` (`OutgoingRoute` encodes, `IncomingRoute` decodes); rows become bytes
in `transport.framing.items`.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any, Final

from coterie.errors import BadMessage, MessageTypeError
from coterie.runtime.messages.codec_generation import compile_decoder, compile_encoder, compile_sender_factory
from coterie.runtime.messages.field_types import FieldType, field_type_of
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.trimmed_rows import TrimmedRecord
from coterie.runtime.messages.value_codecs import Codec, RefusedByUser, Resolver, codec_of, show, why_not_encodable
from coterie.runtime.observing.error_texts import error_line
from coterie.runtime.user_code import is_exit, is_of

if typing.TYPE_CHECKING:
    from coterie.runtime.messages.codec_generation import RowDecoder, RowEncoder, SenderFactory
    from coterie.runtime.messages.declared_errors import DeclaredErrors
    from coterie.runtime.messages.speakers import Speaker

__all__ = ["DeclaredField", "MessageType", "message_type_of"]


class _NoReply:
    """Marks a message that is not an ask."""


@dataclasses.dataclass(frozen=True, slots=True)
class DeclaredField:
    """One field of a message class. `default`: makes the value of a field that is left out; None: it is required."""

    name: str
    type: FieldType
    default: Callable[[], object] | None


class _FieldNamed(BadMessage):
    """The text says in which field of which message the mistake is."""


class MessageType:
    """One message class: its wire name, lane, speaker, declared errors, and the codecs of its fields and its reply.

    Codecs are built by `prepare`, or, if an annotation names a class that does not exist yet, at the first use. The
    encoder, decoder and sender are compiled at the first use: see `coterie.runtime.messages.codec_generation`.
    """

    NO_REPLY: Final = _NoReply

    def __init__(
        self,
        cls: type,
        name: str,
        lane: Lane,
        *,
        reply: object,
        raises: DeclaredErrors,
        scope: dict[str, Any],
        speaker: Speaker,
    ) -> None:
        self.cls = cls
        self.name = name
        self.lane = lane
        self.speaker = speaker
        self.is_ask = reply is not _NoReply
        self.raises = raises
        self._reply_annotation = reply
        self._scope = scope
        self._defaults = _defaults_of(cls)
        self._names = tuple(self._defaults)
        self._required = sum(default is None for default in self._defaults.values())
        self._types: tuple[FieldType, ...] = ()
        self._codecs: tuple[Codec, ...] | None = None
        self._reply_type: FieldType | None = None
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

    def decode(self, row: object, resolver: Resolver) -> object:
        """Return the message in a row of fields. BadMessage names the message, the field and the value.

        RecursionError if messages are nested too deeply.
        """
        if type(row) is not tuple:
            raise BadMessage(f"message {self.name!r}: expected a row of fields, got {show(row)}")
        try:
            return self._decode_row(row, resolver)
        except BadMessage:
            return self._decode_slowly(row, resolver)  # which names the field

    def decode_nested(self, row: object, resolver: Resolver) -> object:
        """Decode a message within another one, each level at most twice: the innermost error names its field."""
        if type(row) is not tuple:
            raise BadMessage(f"message {self.name!r}: expected a row of fields, got {show(row)}")
        try:
            return self._decode_row(row, resolver)
        except _FieldNamed as error:
            raise _FieldNamed(f"message {self.name!r}: {error}") from error
        except BadMessage:
            return self._decode_slowly(row, resolver)

    @functools.cached_property
    def trimmed(self) -> TrimmedRecord:
        """This message class, encoded without the trailing fields that have their default."""
        return TrimmedRecord(self)

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
                raise _FieldNamed(f"message {self.name!r}, field {name!r}: {error}") from error
        return self.make(values)

    def make(self, values: Sequence[object]) -> object:
        """Return the message with these values of its fields. BadMessage if its class refuses them."""
        try:
            return self.cls(*values)
        except BaseException as error:  # a message may check its fields in __post_init__ and raise anything
            if is_of(error, RecursionError) or is_exit(error):
                raise
            raise RefusedByUser(f"message {self.name!r} refuses its fields: {error_line(error)}") from error

    @property
    def fields(self) -> tuple[DeclaredField, ...]:
        """The fields, in order. MessageTypeError if an annotation names a class that does not exist."""
        self._ready_codecs  # noqa: B018 (reads the types)
        named = zip(self._defaults.items(), self._types, strict=True)
        return tuple(DeclaredField(name, kind, default) for (name, default), kind in named)

    @property
    def reply_type(self) -> FieldType:
        """The type of the reply. MessageTypeError if this message is not an ask."""
        self._ready_codecs  # noqa: B018 (reads the reply's type, too)
        if self._reply_type is None:
            raise MessageTypeError(f"message {self.name!r} is not an Ask: it has no reply")
        return self._reply_type

    @property
    def reply(self) -> Codec:
        """The codec of the reply. MessageTypeError if this message is not an ask."""
        self._ready_codecs  # noqa: B018 (builds the reply's codec, too)
        if self._reply is None:
            raise MessageTypeError(f"message {self.name!r} is not an Ask: it has no reply")
        return self._reply

    def encoding_error(self, value: object) -> BadMessage:
        """Return the error that names the field of `value` that cannot cross the wire."""
        codecs = self._ready_codecs  # which reads the types, too
        for name, kind, codec in zip(self._names, self._types, codecs, strict=True):
            field = getattr(value, name, None)
            if (why := why_not_encodable(kind, codec, field)) is not None:
                return BadMessage(f"message {self.name!r}, field {name!r}: {why}")
        return BadMessage(f"message {self.name!r} cannot cross the wire: {show(value)}")

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
        wheres = [f"{self.cls.__qualname__}.{name}" for name in self._names]
        kinds = tuple(field_type_of(hints[name], where) for name, where in zip(self._names, wheres, strict=True))
        codecs = tuple(map(codec_of, kinds, wheres))
        if self.is_ask:
            where = f"the reply of {self.cls.__qualname__}"
            self._reply_type = field_type_of(_resolve(self._reply_annotation, self.cls, self._scope), where)
            self._reply = codec_of(self._reply_type, where)
        self._types, self._codecs = kinds, codecs
        return codecs

    def _hints(self) -> dict[str, Any]:
        # dataclass(slots=True) makes a new class, so the class's own name may not resolve yet: supply it here.
        return typing.get_type_hints(self.cls, localns={**self._scope, self.cls.__name__: self.cls})


def _defaults_of(cls: Any) -> dict[str, Callable[[], object] | None]:
    """Return, for each field of a dataclass or NamedTuple, what makes its default; None for a required field."""
    names: tuple[str, ...] | None = getattr(cls, "_fields", None)
    if names is not None:
        defaults = cls._field_defaults
        return {name: functools.partial(_same, defaults[name]) if name in defaults else None for name in names}
    return {field.name: _default_of(cls, field) for field in dataclasses.fields(cls)}


def _default_of(cls: type, field: dataclasses.Field[Any]) -> Callable[[], object] | None:
    if field.kw_only or not field.init:
        raise MessageTypeError(f"{cls.__qualname__}.{field.name}: every field of a message must be positional")
    if field.default is not dataclasses.MISSING:
        return functools.partial(_same, field.default)
    return None if field.default_factory is dataclasses.MISSING else field.default_factory


def _same(value: object) -> object:
    return value


def _resolve(annotation: object, cls: type, scope: dict[str, Any]) -> object:
    """Resolve a reply annotation, which may hold forward references, at any depth."""
    holder = types.SimpleNamespace(__annotations__={"reply": annotation})
    module = vars(sys.modules[cls.__module__])
    return typing.get_type_hints(holder, globalns=module, localns={**scope, cls.__name__: cls})["reply"]


def message_type_of(cls: object) -> MessageType | None:
    """Return the `MessageType` attached to `cls` itself; None if it has none, even if one of its bases has."""
    described = cls.__dict__.get("__coterie__") if isinstance(cls, type) else None
    return described if isinstance(described, MessageType) else None
