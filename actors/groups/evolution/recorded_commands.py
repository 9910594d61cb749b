"""`RecordedCommands`: decodes the commands of a group under a recorded schema, on every replica alike.

A command is [name, row] in MessagePack. The leader checks the name and the length of the row before it puts a command
into the log, by the first bytes alone, and the number of parts of a long command; a replica decodes the whole. What a
recorded schema does not allow is refused by both, in words that are the same on every node.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgpack

from coterie.actors.groups.evolution.recorded_records import RecordedRecord, RecordedTypes
from coterie.errors import BadMessage
from coterie.protocols.evolution.schema import Schema
from coterie.protocols.evolution.schema_types import messages_in, type_text
from coterie.runtime.messages.message_codecs import MessageType
from coterie.runtime.messages.unpacking import COUNTED_BYTES, RecordedUnpacker, allowed_parts, unpack_value
from coterie.runtime.messages.value_codecs import NO_REFS, Codec, codec_of

__all__ = ["NESTING_MAX", "NOT_A_COMMAND", "TOO_MANY_PARTS", "RecordedCommand", "RecordedCommands"]

NESTING_MAX: Final = 64
"""How deeply rows may be nested in a command whose messages hold themselves. A rule of the format level: without it the
depth of the stack would decide, which differs between nodes."""


NOT_A_COMMAND: Final = "the bytes of a command are not [name, fields]"

TOO_MANY_PARTS: Final = "the command has too many parts for its size"
"""How that refusal begins."""


class RecordedCommand:
    """One command of a recorded schema. `reply` encodes its replies as they are recorded; `reply_text`: their type."""

    def __init__(self, name: str, schema: Schema, described: MessageType, types: RecordedTypes) -> None:
        self.name = name
        self.is_query = schema.commands[name].is_query
        self.is_recursive = _holds_itself(schema, name)
        self.record: RecordedRecord = types.record(described)
        self.decode = self.record.decode
        reply = types.field_type(schema.commands[name].reply, described.reply_type)
        self.reply_text = type_text(schema.commands[name].reply)
        self.reply: Codec = codec_of(reply, f"the reply of {name!r}")
        self.takes_none = type(None) in self.reply.exact


class RecordedCommands:
    """The commands of `schema`, with the classes of this code.

    Args:
        schema: the active one. The code must be the same or newer (see `coterie.protocols.evolution.compare`).
        commands: the command classes of this code, with those that the schema does not have yet.

    Raises:
        ValueError: the code contradicts the schema.
    """

    def __init__(self, schema: Schema, commands: Iterable[MessageType]) -> None:
        self.schema = schema
        self._unpack = RecordedUnpacker().unpack
        self._known = {described.name: described for described in commands}
        if missing := [name for name in schema.commands if name not in self._known]:
            raise ValueError(f"the code has no command {missing[0]!r}, which is recorded")
        types = RecordedTypes(schema)
        self._by_name = {name: RecordedCommand(name, schema, self._known[name], types) for name in schema.commands}
        self._active_heads = frozenset(
            msgpack.packb((name, (None,) * count))[: -count or None]
            for name, command in self._by_name.items()
            for count in command.record.arities
        )

    def command(self, name: str) -> RecordedCommand:
        """Return a command by its wire name. KeyError if it is not active."""
        return self._by_name[name]

    def decode(self, command: bytes) -> tuple[RecordedCommand, Any]:
        """Return the command and its message.

        Raises:
            BadMessage: it is not allowed by the schema; the text is the same on every replica.
        """
        try:
            name, row = self._unpack(command)
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise BadMessage(NOT_A_COMMAND) from error
        recorded = self._by_name.get(name) if type(name) is str else None
        if recorded is None:
            raise BadMessage(_not_active(name))
        if recorded.is_recursive and _depth(row) > NESTING_MAX:
            raise BadMessage(f"command {name!r} is nested more than {NESTING_MAX} deep")
        return recorded, recorded.decode(row, NO_REFS)

    def refusal(self, command: bytes) -> str | None:
        """Return why a command must not be put into the log; None if its name and its number of fields are active.

        It looks at the first bytes alone, so it is cheap, and what it lets pass may still be refused by `decode`. Of a
        long command the parts and the keys of maps are counted, too (see `unpacking`): here, because what is in the log
        stays executable.
        """
        return self._slow_refusal(command) if self.unusual(command, [(0, len(command))]) else None

    def unusual(self, data: bytes, places: Sequence[tuple[int, int]]) -> list[int]:
        """Return which of the commands at these places (begin and end in `data`) may not be active, by position.

        Of the others the head is known: an array of 2, a name of up to 31 or 255 bytes, an array of up to 15 fields.
        They are so short that their parts and keys need not be counted.
        """
        heads, found = self._active_heads, []
        for at, (start, end) in enumerate(places):
            if not _HEAD_BYTES_MIN <= end - start <= _HEAD_ONLY_BYTES:
                found.append(at)
                continue
            sign = data[start + 1]
            length = 4 + data[start + 2] if sign == _LONG_NAME else 3 + (sign & 0b11111)
            if data[start : start + length] not in heads:
                found.append(at)
        return found

    def _slow_refusal(self, command: bytes) -> str | None:
        unpacker = msgpack.Unpacker()
        unpacker.feed(command)
        try:
            items = unpacker.read_array_header()
            name, count = unpacker.unpack(), unpacker.read_array_header()
            parts_max = allowed_parts(command) if len(command) > COUNTED_BYTES else None
            if len(command) <= COUNTED_BYTES:
                unpack_value(command)
        except (ValueError, TypeError, msgpack.UnpackException):
            return NOT_A_COMMAND
        recorded = self._by_name.get(name) if type(name) is str and items == 2 else None
        if recorded is None:
            return _not_active(name)
        if parts_max is not None:
            return f"{TOO_MANY_PARTS}: {parts_max} are allowed in {len(command)} bytes"
        return None if count in recorded.record.arities else recorded.record.arity_error(count)


_HEAD_BYTES_MIN: Final = 3

_HEAD_ONLY_BYTES: Final = 8192
"""A command of up to this size has fewer int keys than may stand in one map."""

_LONG_NAME: Final = 0xD9  # MessagePack: a string of 32 … 255 bytes; its length is the next byte


def _not_active(name: object) -> str:
    return f"{name!r:.80} is not active"


def _holds_itself(schema: Schema, name: str) -> bool:
    """Return True if a message in a command is, directly or not, in itself."""
    for reached in schema.reached_from([name]):
        parts = [part for one in schema.messages[reached].fields for part in messages_in(one.type)]
        if reached in schema.reached_from(parts):
            return True
    return False


def _depth(value: object) -> int:
    """Return how deeply rows and mappings are nested, without recursion."""
    depth, level = 0, [value]
    while level := [part for one in level for part in _parts(one)]:
        depth += 1
        if depth > NESTING_MAX:
            break
    return depth


def _parts(value: object) -> Iterable[object]:
    if type(value) is tuple:
        return value
    return [*value, *value.values()] if type(value) is dict else ()
