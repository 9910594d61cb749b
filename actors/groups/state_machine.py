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

import contextlib
import inspect
import types
import typing
from collections.abc import Callable
from typing import Any, Final, Generic, NoReturn, TypeVar, get_args, get_origin

import msgpack

from coterie.errors import BadMessage, CommandFailed, CommandRefused, MessageTypeError
from coterie.protocols.replicated_log import LogIndex
from coterie.runtime.messages.message import Ask, message_type
from coterie.runtime.messages.message_codecs import MessageType
from coterie.runtime.messages.value_codecs import Codec
from coterie.runtime.observing.error_texts import error_text, type_name

__all__ = [
    "LOCAL_CONDITIONS",
    "Query",
    "ReportFailure",
    "StateMachine",
    "TypedMachine",
    "apply_mistake",
    "decode_result",
    "encode_command",
    "is_local",
]

C = TypeVar("C")
R = TypeVar("R")

_OK, _REFUSED, _FAILED = range(3)
"""The first item of an encoded reply. Numbers are on the wire and in sessions: never reuse one.

    _OK       reply
    _REFUSED  type of the error, text
    _FAILED   type of the error, text
"""

_ERROR_ROW: Final = b"\x93"
"""The first byte of an encoded error: a row of three."""

REASON_CHARS_MAX: Final = 1000
"""The part of an error's text that is the reply: replies are stored in the session of the command."""

LOCAL_CONDITIONS: Final = (MemoryError, SystemExit, KeyboardInterrupt)
"""Exceptions that say something of this node, not of the command: it stops before the entry counts as applied."""

ReportFailure = Callable[[LogIndex, object, BaseException], None]
"""Called with the index of an entry, the command (bytes, if it did not decode) and the exception that came of it."""


class Query(Ask[R]):
    """A command that changes nothing: it needs no session and may be retried freely."""

    __slots__ = ()


class StateMachine(Generic[C]):
    """A deterministic state machine with commands of type C (a message, or a union of messages that are `Ask`s)."""

    index: LogIndex = LogIndex(0)
    """The log entry that is being applied."""

    def apply(self, command: C, /) -> object:
        """Execute a command; the return value is its reply. It must be a `def`, not an `async def`.

        Any exception is the outcome of that command, the same on all replicas: the caller gets `CommandFailed`, changes
        made before remain, and the next command follows. Only `MemoryError`, `SystemExit` and `KeyboardInterrupt` stop
        the node; it applies the entry again at its next start.

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
        self._report: ReportFailure = lambda index, command, error: None

    def report_failures_to(self, report: ReportFailure) -> None:
        """Call `report` with each exception that is the outcome of a command, except refusals."""
        self._report = report

    def apply(self, index: LogIndex, command: bytes) -> bytes:
        """Decode, execute, encode. An error is a reply, too: all replicas must continue in the same way.

        Raises:
            BaseException: one of the `LOCAL_CONDITIONS`, or a group with one: the command counts as not applied.
        """
        decoded: object = None
        self.machine.index = index
        try:
            described, decoded = self._decode(command)
            return self._encode(described.reply, self.machine.apply(decoded))
        except CommandRefused as error:
            return self._error_reply(_REFUSED, error)
        except BaseException as error:
            if is_local(error):
                raise
            if decoded is None and isinstance(error, BadMessage | RecursionError):  # the latter: too deeply nested
                return self._error_reply(_REFUSED, error)
            with contextlib.suppress(Exception):  # a handler of logs that fails here must not change the outcome
                self._report(index, command if decoded is None else decoded, error)
            return self._error_reply(_FAILED, error)

    @staticmethod
    def digested(reply: bytes) -> bytes:
        """Return the part of a reply that is equal on all replicas: of an error, its type only.

        The text of an error may contain what differs, such as an address in memory. Any other reply is returned itself.
        """
        if reply[:1] != _ERROR_ROW:
            return reply
        kind, error_type, _ = msgpack.unpackb(reply)
        return bytes(msgpack.packb((kind, error_type)))

    def _encode(self, codec: Codec, result: object) -> bytes:
        """Encode a reply. BadMessage, or what its codec raises, if it is not of the type that the command declares."""
        if type(result) in codec.exact:
            return self._pack((_OK, result))
        if inspect.iscoroutine(result):
            result.close()
            raise TypeError("apply returned a coroutine: it must be a def, not an async def, and await nothing")
        encoded = codec.encode(result)
        packed = self._pack((_OK, encoded))
        try:
            codec.decode(encoded, NO_REFS)
        except BadMessage:
            _check_reply(codec, packed)
        return packed

    def _error_reply(self, kind: int, error: BaseException) -> bytes:
        """Encode an error, its type apart from its text, which is arbitrary: long, or not valid Unicode."""
        text = error_text(error, REASON_CHARS_MAX)
        return self._pack((kind, type_name(error), text.encode(errors="backslashreplace")))

    def _decode(self, command: bytes) -> tuple[MessageType, Any]:
        try:
            name, row = msgpack.unpackb(command, use_list=False, strict_map_key=False)
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise BadMessage(f"a command of {len(command)} bytes does not decode: {error}") from error
        described = self._types.get(name) if type(name) is str else None
        if described is None:
            raise BadMessage(f"{type(self.machine).__name__} has no command {name!r:.60}")
        return described, described.decode(row, NO_REFS)


def _check_reply(codec: Codec, packed: bytes) -> None:
    """Raise a BadMessage unless a client can decode the reply: an `IntEnum` where int is declared crosses as int."""
    try:
        codec.decode(msgpack.unpackb(packed, use_list=False, strict_map_key=False)[1], NO_REFS)
    except BadMessage as error:
        raise BadMessage(f"its reply is of another type than declared: {error}") from error


def is_local(error: BaseException) -> bool:
    """Return whether an exception is one of the `LOCAL_CONDITIONS`, or a group with one."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(is_local, error.exceptions))
    return isinstance(error, LOCAL_CONDITIONS)


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
    kind, *details = msgpack.unpackb(payload, use_list=False, strict_map_key=False)
    if kind == _REFUSED:
        raise CommandRefused(details[1].decode())
    if kind == _FAILED:
        error_type, text = details[0], details[1].decode()
        raise CommandFailed(f"{type(command).__name__} failed where it was applied: {error_type}: {text}")
    try:
        return typing.cast("R", message_type(type(command)).reply.decode(details[0], NO_REFS))
    except BadMessage as error:
        raise CommandFailed(
            f"{type(command).__name__} was applied, but its reply is of another type: {error}"
        ) from error


def apply_mistake(machine: StateMachine[Any]) -> str | None:
    """Return why the `apply` of a machine cannot be one, as far as that shows without calling it; None if it can."""
    name = type(machine).__name__
    apply = machine.apply
    if getattr(apply, "__func__", None) is StateMachine.apply:
        return f"{name} has no apply: write `def apply(self, command)`, which returns the command's reply"
    function: Any = apply
    while function is not None:
        call = function if inspect.isroutine(function) else type(function).__call__
        if inspect.iscoroutinefunction(call):
            return f"{name}.apply is `async def`: write `def`, because every replica executes it to its end at once"
        if inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call):
            return f"{name}.apply has a `yield`, so that a call returns a generator: it must return the command's reply"
        function = getattr(function, "__wrapped__", None) or getattr(function, "func", None)
    return None
