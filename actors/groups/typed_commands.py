"""Typed commands: encode the commands of state machines, and decode their replies, at the client.

A command is [wire name, fields], without the trailing fields that have their default. It is encoded once, at the
client, and decoded where it is applied, once per replica (`RecordedCommands`).
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgpack

from coterie.errors import BadMessage, CommandFailed, CommandRefused, MessageTypeError
from coterie.runtime.messages.message import AskOf, message_type
from coterie.runtime.messages.unpacking import allowed_parts, unpack_recorded
from coterie.runtime.messages.value_codecs import NO_REFS

__all__ = ["FAILED", "OK", "OK_NONE", "REASON_CHARS_MAX", "REFUSED", "Pack", "decode_result", "encode_command"]

R = TypeVar("R")

OK, REFUSED, FAILED = range(3)
"""The first item of an encoded reply. Numbers are on the wire and in sessions: never reuse one.

    OK       reply
    REFUSED  type of the error, text
    FAILED   type of the error, text
"""

REASON_CHARS_MAX: Final = 1000
"""The part of an error's text that is the reply: replies are stored in the session of the command."""

OK_NONE: Final[bytes] = msgpack.packb((OK, None))
"""The encoded reply None."""

Pack = Callable[[object], bytes]
"""`msgpack.Packer().pack`: reused where many commands are packed, because `msgpack.packb` makes a packer per call."""


def encode_command(command: object, pack: Pack) -> bytes:
    """Encode a typed command. BadMessage names the field that cannot be encoded, or the number of parts allowed."""
    described = message_type(type(command))
    try:
        row = (described.name, described.trimmed.encode(command))
        packed = pack(row)
    except MessageTypeError:
        raise  # the class is wrong, not the value
    except RecursionError as error:
        raise BadMessage(f"command {described.name!r} is nested too deeply") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise described.encoding_error(command) from error
    parts_max = allowed_parts(packed, row)
    if parts_max is not None:
        raise BadMessage(
            f"command {described.name!r} of {len(packed)} bytes has more than {parts_max} parts (an array is one, a "
            f"map four, an entry of a map two): send several commands, or numbers as one bytes"
        )
    return packed


def decode_result(command: AskOf[Any, R], payload: bytes, place: str = "") -> R:
    """Decode a reply of `TypedMachine.apply`; `place` names the group in the errors.

    Raises:
        CommandRefused: the machine refused it; nothing changed.
        CommandFailed: the machine raised, or its reply is not of the declared type; changes made before that remain,
            the same on all replicas.
    """
    if payload == OK_NONE and type(None) in message_type(type(command)).reply.exact:  # as mostly of a write
        return typing.cast("R", None)
    decoded = unpack_recorded(payload)
    kind, name = decoded[0], type(command).__name__
    if kind == REFUSED:
        raise CommandRefused(
            decoded[2].decode() or f"{name} was refused by {place or 'its group'}, which gave no reason"
        )
    if kind == FAILED:
        error = ": ".join(filter(None, (decoded[1], decoded[2].decode())))
        logged = f" (in {place}: the log of its nodes has the entry and the traceback)" if place else ""
        raise CommandFailed(f"{name} failed where it was executed: {error}{logged}")
    try:
        return typing.cast("R", message_type(type(command)).reply.decode(decoded[1], NO_REFS))
    except (BadMessage, RecursionError) as error:
        why = str(error) if isinstance(error, BadMessage) else "it is nested too deeply"
        raise CommandFailed(f"{name} was applied, but its reply is of another type: {why}") from error
