"""`machine_schema`: describes the class of a state machine: its commands, all messages in them, its version.

class Totals(StateMachine[Add | Total]):
    version = 2                 # raise it when `apply` behaves differently; 1 unless given
    state_type = TotalsState    # the type of its state, if it declares one
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from coterie.actors.groups.evolution.schema_typing import schema_type
from coterie.actors.groups.state_machine import Query, StateMachine, commands_of
from coterie.errors import MessageTypeError
from coterie.protocols.evolution.schema import VERSION_MAX, CommandSchema, MessageSchema, Schema, SchemaField
from coterie.protocols.evolution.schema_values import text_of_value
from coterie.runtime.messages.field_types import FieldType, field_type_of, records_in
from coterie.runtime.messages.message_codecs import MessageType
from coterie.runtime.messages.trimmed_rows import encoded_default

__all__ = ["machine_schema", "version_of"]


def machine_schema(cls: type[StateMachine[Any]]) -> Schema:
    """Return the schema of a machine's class.

    Raises:
        MessageTypeError: its commands, its version or its `state_type` are wrong, two of its messages have one wire
            name, or the default of a field is not the same at each call.
    """
    commands = commands_of(cls)
    state = _state_type_of(cls)
    roots = [*commands, *(record for one in commands for record in records_in(one.reply_type))]
    if state is not None:
        roots += records_in(state)
    messages = _reached(cls, [cast("MessageType", record) for record in roots])
    return Schema(
        commands={one.name: _command_schema(one) for one in commands},
        messages={name: _message_schema(one) for name, one in messages.items()},
        state=None if state is None else schema_type(state),
        version=version_of(cls),
    )


def version_of(cls: type[StateMachine[Any]]) -> int:
    """Return the version of a machine's class. MessageTypeError if it is not a whole number from 1."""
    version = getattr(cls, "version", 1)
    if type(version) is not int or not 1 <= version <= VERSION_MAX:
        raise MessageTypeError(f"{cls.__qualname__}.version is {version!r:.60}: it must be 1 … {VERSION_MAX}")
    return version


def _state_type_of(cls: type[StateMachine[Any]]) -> FieldType | None:
    declared = getattr(cls, "state_type", None)
    return None if declared is None else field_type_of(declared, f"{cls.__qualname__}.state_type")


def _reached(cls: type, roots: Iterable[MessageType]) -> dict[str, MessageType]:
    """Return these messages and all that are in them, by wire name."""
    found: dict[str, MessageType] = {}
    waiting = list(roots)
    for one in waiting:  # which grows
        known = found.setdefault(one.name, one)
        if known.cls is not one.cls:
            both = f"{known.cls.__qualname__} and {one.cls.__qualname__}"
            raise MessageTypeError(f"{cls.__qualname__}: {both} have the same wire name, {one.name!r}")
        inner = [cast("MessageType", record) for declared in one.fields for record in records_in(declared.type)]
        waiting += [record for record in inner if record not in waiting]
    return found


def _command_schema(one: MessageType) -> CommandSchema:
    return CommandSchema(issubclass(one.cls, Query), schema_type(one.reply_type))


def _message_schema(one: MessageType) -> MessageSchema:
    fields = []
    for declared in one.fields:
        default = None if declared.default is None else text_of_value(encoded_default(one, declared))
        fields.append(SchemaField(declared.name, schema_type(declared.type), default))
    return MessageSchema(tuple(fields))
