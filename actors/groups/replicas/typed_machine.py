"""`TypedMachine`: runs a typed `StateMachine` on encoded commands, under the schema that is active in its group."""

from __future__ import annotations

import contextlib
import copy
import enum
import inspect
import struct
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Final

import msgpack

from coterie.actors.groups.evolution.machine_schema import machine_schema
from coterie.actors.groups.evolution.recorded_commands import RecordedCommand, RecordedCommands
from coterie.actors.groups.snapshots.machine_snapshot import is_partly_restored, pieces_of_unused
from coterie.actors.groups.state_machine import StateMachine, commands_of, is_generator, queries_read_by
from coterie.actors.groups.typed_commands import FAILED, OK, OK_NONE, REASON_CHARS_MAX, REFUSED, Pack
from coterie.errors import BadMessage, CommandRefused, SnapshotFailed
from coterie.protocols.evolution.schema import Schema
from coterie.protocols.evolution.schema_text import SchemaHash, schema_hash
from coterie.protocols.replicated_log import LogIndex
from coterie.runtime.messages.unpacking import unpack_recorded
from coterie.runtime.messages.value_codecs import NO_REFS, Codec, RefusedByUser
from coterie.runtime.observing.error_texts import error_text, type_name, value_text

__all__ = ["LOCAL_CONDITIONS", "Failed", "ReportFailure", "TypedMachine", "is_local"]

_ERROR_ROW: Final = b"\x93"
"""The first byte of an encoded error: a row of three."""

LOCAL_CONDITIONS: Final = (MemoryError, SystemExit, KeyboardInterrupt)
"""Exceptions that say something of this node, not of the command: it stops before the entry counts as applied."""

_NOT_ENCODABLE: Final = (AttributeError, BadMessage, OverflowError, TypeError, ValueError)
"""What a codec or MessagePack raises for a value of another type."""

_REPLY_CHARS_MAX: Final = 60

# The first piece of a saved machine; the format is durable: the format's number, the version that was active (0: no
# schema was), and the index of the entry that was applied last.
_HEAD: Final = struct.Struct(">BQQ")
_FORMAT: Final = 1
_NO_VERSION: Final = 0
_END: Final = object()

CAUSES_MAX: Final = 100
"""So many causes of an error are looked at: messages may be nested less deeply."""

PIECE_BYTES_MAX: Final = 16 * 1024 * 1024
"""The most bytes of one piece that a machine's own `snapshot` yields. A piece is copied, written, read and restored at
once: too high: the loop is held, and there is no memory for it on a small node. Too low: a long value that is one piece
is refused. Four times as much as one command may have by default."""

GROUPED_MAX: Final = 10_000
"""So many exceptions of a group are looked at."""


class Failed(enum.Enum):
    """What failed: `apply`, `read`, or the making of a command's message, by a codec or a `__post_init__`."""

    APPLY = "apply"
    READ = "read"
    DECODE = "decode"


ReportFailure = Callable[[Failed, LogIndex, object, BaseException], None]
"""Called with what failed, the index of an entry (of a read: the last that was applied), the command (bytes, if it did
not decode) and the exception that came of it.

That is the outcome of the command, or one of the `LOCAL_CONDITIONS`: then the node stops after this call.
"""


class TypedMachine:
    """A `StateMachine` as the bytes-to-bytes `Machine` that sessions wrap.

    Alone it follows the schema of its own code. In a group it follows the one that the log has made active.

    Args:
        machine: the user's machine, new.
        factory: makes such a machine, for `reset`; None: its class does.

    Raises:
        MessageTypeError: the class of the machine cannot be described: see `machine_schema`.
    """

    def __init__(self, machine: StateMachine[Any], *, factory: Callable[[], StateMachine[Any]] | None = None) -> None:
        self.machine = machine
        self._factory = type(machine) if factory is None else factory
        self._restored_head = False
        self._is_told_to_await = False
        # What the machine's attributes of these names must be, whatever its own code makes of them.
        self._version, self._index = type(machine).version, type(machine).index
        self.schema = machine_schema(type(machine))
        """What this code is."""
        self._pack: Pack = msgpack.Packer().pack
        self._types = commands_of(type(machine))
        self._commands_by_hash: dict[SchemaHash, RecordedCommands] = {}
        self._active = self.commands_under(self.schema)
        self._has_adopted = False
        self.awaits_schema = False
        """Whether this replica has not come to a schema yet: then it knows no command."""
        self._read_names = frozenset(one.name for one in queries_read_by(type(machine)))
        self._read_heads = tuple(msgpack.packb((name, None))[:-1] for name in sorted(self._read_names))
        self._report: ReportFailure = lambda failed, index, command, error: None

    def report_failures_to(self, report: ReportFailure) -> None:
        """Call `report` with each exception that is the outcome of a command, except refusals."""
        self._report = report

    def commands_under(self, schema: Schema) -> RecordedCommands:
        """Return the commands as `schema` has them. ValueError if this code contradicts it, or is older."""
        known = schema_hash(schema)
        if known not in self._commands_by_hash:
            self._commands_by_hash[known] = RecordedCommands(schema, self._types)
        return self._commands_by_hash[known]

    def await_schema(self) -> None:
        """Refuse every command until a schema is adopted, as every replica does; also after a `reset`."""
        self._is_told_to_await = True
        self._active = self.commands_under(Schema({}, {}))
        self.awaits_schema = True

    def adopt(self, schema: Schema) -> None:
        """Follow `schema` from the next command on; let the machine migrate if its version changes.

        Raises:
            ValueError: this code contradicts it, or is older.
            BaseException: whatever `migrate` raises: the state must not be used any more.
        """
        self._active = self.commands_under(schema)
        self.awaits_schema = False
        old, self._version = self._version, schema.version
        self.machine.version = schema.version
        if self._has_adopted and old != schema.version:
            self.machine.migrate(old, schema.version)
        self._has_adopted = True

    def reset(self) -> None:
        """Put a new machine in place of the present one, which has adopted no schema yet: so `migrate` is not called.

        Raises:
            SnapshotFailed: it cannot be made.
        """
        self.machine = self._made()
        self._version, self._index = type(self.machine).version, type(self.machine).index
        self._has_adopted = self._restored_head = False
        self._active = self.commands_under(self.schema)
        if self._is_told_to_await:
            self.await_schema()

    def twin(self) -> TypedMachine:
        """Return a new machine that follows the same schema, for a snapshot of this one; it reports no failures.

        Raises:
            SnapshotFailed: it cannot be made.
        """
        twin = copy.copy(self)
        twin.machine = self._made()
        twin._restored_head = False  # noqa: SLF001 (it is of this class)
        twin.machine.version, twin._index = self._version, type(twin.machine).index  # noqa: SLF001 (as above)
        twin.report_failures_to(lambda failed, index, command, error: None)
        return twin

    @property
    def follows(self) -> RecordedCommands:
        """The commands of the schema that it follows: the same object for the same schema."""
        return self._active

    @property
    def has_own_snapshot(self) -> bool:
        """Whether the machine's class says how it is saved; else it is saved by its attributes."""
        return type(self.machine).snapshot is not StateMachine.snapshot

    def _made(self) -> StateMachine[Any]:
        with _failing("it cannot be made anew", type(self.machine)):
            made = self._factory()
        if type(made) is not type(self.machine):
            raise SnapshotFailed(f"machine= made a {type_name(self.machine)} before, and now a {type_name(made)}")
        return made

    def snapshot(self) -> Iterator[bytes]:
        """Return the state as it is now, in pieces. What is applied while they are taken does not show in them.

        Raises:
            SnapshotFailed: at the call or for a piece: the machine cannot be saved, or its own code raised something.
        """
        machine, cls = self.machine, type(self.machine)
        self._check_reserved()
        with _failing("its snapshot failed", cls):
            pieces: Any = machine.snapshot()
            if is_generator(machine.snapshot):  # it would read the state later
                pieces = iter(list(pieces))
        if not isinstance(pieces, Iterator):
            raise SnapshotFailed(f"{cls.__name__}.snapshot returned a {type_name(pieces)}: it must return an iterator")
        version = self._version if self._has_adopted else _NO_VERSION
        head = _HEAD.pack(_FORMAT, version, self._index)
        return _checked(head, pieces, cls, PIECE_BYTES_MAX if self.has_own_snapshot else None)

    def snapshot_unused(self) -> Iterator[bytes]:
        """Return what `snapshot` does, of a machine that applies nothing: as little as possible is done at the call.

        The order of what is saved may be another one. `SnapshotFailed`: as from `snapshot`.
        """
        if self.has_own_snapshot:
            return self.snapshot()
        head = _HEAD.pack(_FORMAT, self._version if self._has_adopted else _NO_VERSION, self._index)
        return chain([head], pieces_of_unused(self.machine, self._types))

    def _changed_reserved(self) -> Iterator[tuple[str, object, int]]:
        """Yield the attributes of the runtime that the machine's own code has set: the name, what it is, must be."""
        for name, mine in (("version", self._version), ("index", self._index)):
            found = getattr(self.machine, name, None)
            if type(found) is bool or not isinstance(found, int) or found != mine:
                yield name, found, mine

    def _check_reserved(self) -> None:
        for name, found, mine in self._changed_reserved():
            raise SnapshotFailed(
                f"{type(self.machine).__name__}.{name} is {value_text(found, _REPLY_CHARS_MAX)}, and the runtime "
                f"has set it to {mine}: `apply`, `read` and `migrate` must not change {name}, which is no state; "
                "use another name"
            )

    def restore(self, piece: bytes) -> None:
        """Take the next piece of a snapshot, after `reset` and `adopt` of the schema that was active.

        Raises:
            SnapshotFailed: it is malformed, or the machine's own code raised something. Only `reset` helps.
        """
        if not self._restored_head:
            self._restore_head(piece)
            return
        with _failing("its restore failed", type(self.machine)):
            restore: Callable[[bytes], Any] = self.machine.restore
            returned = restore(piece)
            if inspect.iscoroutine(returned):
                returned.close()
                raise TypeError("it is an async def: write a def")

    def _restore_head(self, piece: bytes) -> None:
        if len(piece) != _HEAD.size or piece[0] != _FORMAT:
            raise SnapshotFailed(f"a saved machine begins with format {_FORMAT}, this one with {piece[:1]!r}")
        _, version, index = _HEAD.unpack(piece)
        if version not in (_NO_VERSION, self._version):
            raise SnapshotFailed(f"it was saved in version {version}, and restored in {self._version}")
        if index:
            self._index = self.machine.index = LogIndex(index)
        self._restored_head = True

    def end_restore(self) -> None:
        """Check that no piece is missing, as far as that shows. SnapshotFailed if one is."""
        if not self._restored_head or is_partly_restored(self.machine):
            raise SnapshotFailed(f"{type(self.machine).__name__}: pieces of its snapshot are missing")
        for name, _, mine in self._changed_reserved():  # by its own `restore`
            setattr(self.machine, name, mine)

    def is_read(self, command: bytes) -> bool:
        """Return whether the machine's `read` answers this command, so that it need not be an entry of the log."""
        return command.startswith(self._read_heads)

    def read(self, command: bytes) -> bytes:
        """Decode a query, let the machine's `read` answer it, encode. An error is a reply, too.

        Nothing that it raises stops the node: it changes nothing, and one query would end one node after another.

        Raises:
            KeyboardInterrupt: Ctrl-C.
        """
        decoded: object = None
        try:
            recorded, decoded = self._active.decode(command)
            return self._encode(recorded, self.machine.read(decoded))
        except BaseException as error:  # noqa: BLE001 (it is an outcome, or raised again)
            return self._failed(Failed.READ, self.machine.index, command, decoded, error)

    def apply(self, index: LogIndex, command: bytes) -> bytes:
        """Decode, execute, encode. An error is a reply, too: all replicas must continue in the same way.

        Raises:
            BaseException: one of the `LOCAL_CONDITIONS`, or a group with one: the command counts as not applied.
        """
        decoded: object = None
        machine = self.machine
        machine.index = self._index = index
        try:
            recorded, decoded = self._active.decode(command)
            # A query that `read` answers may be in the log nevertheless.
            result = machine.read(decoded) if recorded.name in self._read_names else machine.apply(decoded)
            if result is None and recorded.takes_none:
                return OK_NONE
            return self._encode(recorded, result)
        except BaseException as error:  # noqa: BLE001 (it is an outcome, or raised again)
            return self._failed(Failed.APPLY, index, command, decoded, error)

    def _failed(self, failed: Failed, index: LogIndex, command: bytes, decoded: object, error: BaseException) -> bytes:
        """Return the reply that an exception is, and report it; or raise it again."""
        if issubclass(type(error), CommandRefused):
            return self._error_reply(REFUSED, error)
        local = local_cause(error)
        is_refused = decoded is None and local is None and issubclass(type(error), BadMessage)
        culprit = local
        if local is None:
            culprit = raised_by_user(error) if is_refused else error
        with contextlib.suppress(BaseException):  # what a log or the error's own code does must change nothing
            if culprit is not None:
                what = Failed.DECODE if is_refused else failed
                self._report(what, index, command if decoded is None else decoded, culprit)
        if is_refused:
            return self._error_reply(REFUSED, error)
        if local is not None and (failed is not Failed.READ or issubclass(type(local), KeyboardInterrupt)):
            raise local
        return self._error_reply(FAILED, error)

    varying_mark = _ERROR_ROW
    """The first bytes of the replies of which `digested` leaves something out."""

    def digested(self, reply: bytes) -> bytes:
        """Return the part of a reply that is equal on all replicas: of an error, its type only.

        The text of an error may contain what differs, such as an address in memory. Any other reply is returned itself.
        """
        if reply[:1] != _ERROR_ROW:
            return reply
        kind, error_type, _ = msgpack.unpackb(reply)
        return self._pack((kind, error_type))

    def _encode(self, recorded: RecordedCommand, result: object) -> bytes:
        """Encode a reply. BadMessage if it is not of the type that the command declares."""
        try:
            is_exact = type(result) in recorded.reply.exact
            return self._pack((OK, result)) if is_exact else self._encode_checked(recorded, result)
        except _NOT_ENCODABLE as error:
            raise _wrong_reply(recorded, result, error) from error

    def _encode_checked(self, recorded: RecordedCommand, result: object) -> bytes:
        """Encode a reply as its codec does. One of `_NOT_ENCODABLE` if it is not of the type."""
        if inspect.iscoroutine(result):
            result.close()
            raise TypeError("it returned a coroutine: it must be a def, not an async def, and await nothing")
        codec = recorded.reply
        encoded = codec.encode(result)
        packed = self._pack((OK, encoded))
        try:
            codec.decode(encoded, NO_REFS)
        except BadMessage:
            _check_reply(codec, packed)
        return packed

    def _error_reply(self, kind: int, error: BaseException) -> bytes:
        """Encode an error, its type apart from its text, which is arbitrary: long, or not valid Unicode."""
        text = error_text(error, REASON_CHARS_MAX)
        return self._pack((kind, type_name(error), text.encode(errors="backslashreplace")))


@contextlib.contextmanager
def _failing(what: str, cls: type) -> Iterator[None]:
    """Make a `SnapshotFailed` of whatever a machine's own code raises, `SystemExit` too; but for Ctrl-C."""
    try:
        yield
    except SnapshotFailed:
        raise
    except BaseException as error:
        if issubclass(type(error), KeyboardInterrupt):
            raise
        text = f"{type_name(error)}: {error_text(error, REASON_CHARS_MAX)}"
        raise SnapshotFailed(f"{cls.__name__}: {what}: {text}") from error


def _checked(head: bytes, pieces: Iterator[Any], cls: type, bytes_max: int | None) -> Iterator[bytes]:
    """Yield `head` and then the pieces of a machine, which its own code makes, of `bytes_max` bytes at most."""
    yield head
    while True:
        with _failing("its snapshot failed", cls):
            piece = next(pieces, _END)
            if isinstance(piece, memoryview):
                piece = bytes(piece)
        if piece is _END:
            return
        if type(piece) is not bytes:
            raise SnapshotFailed(f"{cls.__name__}.snapshot yielded a {type_name(piece)}: each piece must be bytes")
        if bytes_max is not None and len(piece) > bytes_max:
            raise SnapshotFailed(
                f"{cls.__name__}.snapshot yielded a piece of {len(piece)} bytes, and a piece has at most {bytes_max}: "
                "yield pieces of about 256 KiB (262144 bytes)"
            )
        yield piece


def raised_by_user(error: BaseException) -> BaseException | None:
    """Return the exception of a message's or codec's own code because of which a command did not decode, if any."""
    refusal: BaseException | None = error
    for _ in range(CAUSES_MAX):
        if not isinstance(refusal, BadMessage):
            return None
        if type(refusal) is RefusedByUser:
            return refusal.__cause__
        refusal = refusal.__cause__
    return None


def _wrong_reply(recorded: RecordedCommand, result: object, error: Exception) -> BadMessage:
    """Return the error that says which command's reply cannot be encoded, and of which type it must be."""
    found = value_text(result, _REPLY_CHARS_MAX)
    expected = f"its declared type {recorded.reply_text}"
    reason = f"{type_name(error)}: {error_text(error)}"
    return BadMessage(f"the reply of command {recorded.name!r} is not of {expected}: got {found} ({reason})")


def _check_reply(codec: Codec, packed: bytes) -> None:
    """Raise a BadMessage unless a client can decode the reply: an `IntEnum` where int is declared crosses as int."""
    codec.decode(unpack_recorded(packed)[1], NO_REFS)


def local_cause(error: BaseException) -> BaseException | None:
    """Return the local condition that an exception is, or because of which a message was not made; None: there is none.

    What is nested in messages has a `BadMessage` for each level, and that of the reply one more.
    """
    cause: BaseException | None = error
    for _ in range(CAUSES_MAX):
        if cause is None or is_local(cause):
            return cause
        if not issubclass(type(cause), BadMessage):
            return None
        cause = cause.__cause__
    return None


def is_local(error: BaseException) -> bool:
    """Return whether an exception is one of the `LOCAL_CONDITIONS`, or a group with one.

    No code of the exception's class is called, and no group is nested too deeply: this decides on every replica alike.
    """
    pending = [error]
    for _ in range(GROUPED_MAX):
        if not pending:
            break
        one = pending.pop()
        if issubclass(type(one), LOCAL_CONDITIONS):
            return True
        if issubclass(type(one), BaseExceptionGroup):
            pending += BaseExceptionGroup.exceptions.__get__(one)
    return False
