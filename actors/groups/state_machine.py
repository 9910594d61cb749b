"""`StateMachine`: defines the base class of replicated state machines, and encodes their typed commands and replies.

    class Totals(StateMachine[Add | Total]):
        total = 0
        def apply(self, command: Add | Total) -> int:
            if isinstance(command, Add):
                self.total += command.amount
            return self.total

`apply` must be deterministic: its reply and the state follow from the commands and their order alone. A command is
encoded once, at the client, and decoded where it is applied, once per replica.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from typing import Any, Final, Generic, NoReturn, TypeVar, get_args, get_origin

import msgpack

from coterie.errors import BadMessage, CommandFailed, CommandRefused, MessageTypeError
from coterie.protocols.replicated_log import LogIndex
from coterie.runtime.messages.message import Ask, message_type
from coterie.runtime.messages.message_codecs import MessageType

__all__ = ["Query", "StateMachine", "TypedMachine", "decode_result", "encode_command"]

C = TypeVar("C")
R = TypeVar("R")

_OK, _REFUSED, _FAILED = range(3)
"""The first item of an encoded reply. Numbers are on the wire and in sessions: never reuse one."""

REASON_CHARS_MAX: Final = 1000
"""The part of an error's text that is the reply: replies are stored in the session of the command."""


class Query(Ask[R]):
    """A command that changes nothing: it needs no session and may be retried freely."""

    __slots__ = ()


class StateMachine(Generic[C]):
    """A deterministic state machine with commands of type C (a message, or a union of messages that are `Ask`s)."""

    index: LogIndex = LogIndex(0)
    """The log entry that is being applied."""

    def apply(self, command: C, /) -> object:
        """Execute a command; the return value is its reply.

        Raises:
            CommandRefused: it cannot be executed and nothing has changed; its caller gets this error.
        """
        raise NotImplementedError(f"{type(self).__name__} has no apply")


class TypedMachine:
    """A `StateMachine` as the bytes-to-bytes `Machine` that sessions wrap."""

    def __init__(self, machine: StateMachine[Any]) -> None:
        self.machine = machine
        self._pack: Pack = msgpack.Packer().pack
        self._types = {described.name: described for described in commands_of(type(machine))}

    def apply(self, index: LogIndex, command: bytes) -> bytes:
        """Decode, execute, encode. An error is a reply, too: all replicas must continue in the same way."""
        try:
            described, value = self._decode(command)
        except (BadMessage, RecursionError) as error:  # the latter: too deeply nested
            return self._error_reply(_REFUSED, str(error))
        self.machine.index = index
        try:
            return self._pack((_OK, described.reply.encode(self.machine.apply(value))))
        except CommandRefused as error:
            return self._error_reply(_REFUSED, str(error))
        except Exception as error:  # noqa: BLE001 (a poison command must not halt every replica in turn)
            return self._error_reply(_FAILED, f"{type(error).__name__}: {error}")

    def _error_reply(self, kind: int, text: str) -> bytes:
        """Encode an error. Its text is arbitrary: it may be long, or not valid Unicode."""
        return self._pack((kind, text[:REASON_CHARS_MAX].encode(errors="backslashreplace")))

    def _decode(self, command: bytes) -> tuple[MessageType, Any]:
        try:
            name, row = msgpack.unpackb(command, use_list=False, strict_map_key=False)
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise BadMessage(f"a command of {len(command)} bytes does not decode: {error}") from error
        described = self._types.get(name) if type(name) is str else None
        if described is None:
            raise BadMessage(f"{type(self.machine).__name__} has no command {name!r:.60}")
        return described, described.decode(row, NO_REFS)


class _NoRefs:
    """Commands outlive processes, so they cannot hold refs."""

    def ref(self, node: str, incarnation: int, path: str, uid: int) -> NoReturn:
        raise BadMessage(f"a command cannot hold a Ref ({path!r} on {node!r}): it outlives the actor")


NO_REFS: Final = _NoRefs()


def commands_of(cls: type[StateMachine[Any]]) -> list[MessageType]:
    """Return the command types that a machine's class declares.

    Raises:
        MessageTypeError: it declares none, or one that is not a message or not an `Ask`.
    """
    for base in cls.__mro__:
        for parent in getattr(base, "__orig_bases__", ()):
            if get_origin(parent) is StateMachine and not isinstance(get_args(parent)[0], TypeVar):
                found = [message_type(member) for member in _members(get_args(parent)[0])]
                for described in found:
                    if not described.is_ask:
                        raise MessageTypeError(f"command {described.name!r} of {cls.__qualname__} is no Ask[…]")
                return found
    raise MessageTypeError(f"{cls.__qualname__} does not declare its commands: write {cls.__name__}(StateMachine[…])")


def _members(annotation: Any) -> list[type]:
    if get_origin(annotation) in (typing.Union, types.UnionType):
        return [member for part in get_args(annotation) for member in _members(part)]
    return [annotation]


Pack = Callable[[object], bytes]
"""`msgpack.Packer().pack`: reused where many commands are packed, because `msgpack.packb` makes a packer per call."""


def encode_command(command: Ask[Any], pack: Pack) -> bytes:
    """Encode a typed command. BadMessage names the field that cannot be encoded."""
    described = message_type(type(command))
    try:
        return pack((described.name, described.encode(command)))
    except (TypeError, ValueError, OverflowError) as error:
        raise described.encoding_error(command) from error


def decode_result(command: Ask[R], payload: bytes) -> R:
    """Decode a reply of `TypedMachine.apply`.

    Raises:
        CommandRefused: the machine refused it; nothing changed.
        CommandFailed: the machine raised, or its reply is not of the declared type; changes made before that remain,
            the same on all replicas.
    """
    kind, value = msgpack.unpackb(payload, use_list=False, strict_map_key=False)
    if kind == _REFUSED:
        raise CommandRefused(value.decode())
    if kind == _FAILED:
        raise CommandFailed(f"{type(command).__name__} failed where it was applied: {value.decode()}")
    try:
        return typing.cast("R", message_type(type(command)).reply.decode(value, NO_REFS))
    except BadMessage as error:
        raise CommandFailed(
            f"{type(command).__name__} was applied, but its reply is of another type: {error}"
        ) from error
