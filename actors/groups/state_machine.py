"""`StateMachine`: defines the base class of replicated state machines.

    class Totals(StateMachine[Add | Total]):
        total = 0
        def apply(self, command: Add | Total) -> int:
            if isinstance(command, Add):
                self.total += command.amount
            return self.total

`apply` must be deterministic: its reply and the state follow from the commands and their order alone.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections import deque
from collections.abc import Iterator, MutableMapping, MutableSequence, MutableSet
from typing import Any, ClassVar, Final, Generic, TypeVar, get_args, get_origin

from coterie.actors.groups.snapshots.machine_snapshot import RESERVED, restore_piece, saved_pieces
from coterie.actors.groups.snapshots.state_encoding import attributes_of
from coterie.errors import MessageTypeError, SnapshotFailed
from coterie.protocols.replicated_log import LogIndex
from coterie.runtime.messages.message import Ask, message_type
from coterie.runtime.messages.message_codecs import MessageType
from coterie.runtime.messages.receive_signatures import excluding
from coterie.runtime.observing.error_texts import error_line

__all__ = [
    "Query",
    "StateMachine",
    "commands_of",
    "is_generator",
    "machine_mistake",
    "queries_read_by",
    "snapshot_mistake",
]

C = TypeVar("C")
R = TypeVar("R")


class Query(Ask[R]):
    """A command that changes nothing: it needs no session and may be retried freely."""

    __slots__ = ()


class StateMachine(Generic[C]):
    """A deterministic state machine with commands of type C (a message, or a union of messages that are `Ask`s)."""

    index: LogIndex = LogIndex(0)
    """The log entry that is being applied. The runtime sets it, and no machine may."""

    version: int = 1
    """Of the class: the version of this code, from 1; raise it when `apply` behaves differently. Of `self`: the version
    that is active in the group, which `apply` must follow: that of older code, until the newer one is activated. The
    runtime sets that, and no machine may."""

    state_type: ClassVar[object] = None
    """The type of the state, if it is declared: any type that a field of a message may have."""

    transient: ClassVar[tuple[str, ...]] = ()
    """The names of attributes that are no state: caches, connections, what `snapshot` itself needs. They are neither
    saved with the others nor compared with those of a restored machine, where they are as `__init__` made them: nothing
    that `apply` does or returns may depend on them. Names of base classes count, too; and so does `transient` of a
    class whose objects the state holds."""

    def read(self, query: Any, /) -> object:
        """Answer a `Query` from the state, and change nothing. Define it for queries that shall not go through the log.

        The annotation of its parameter names those queries, which `apply` never gets; all others are entries of the
        log, which every replica applies. It runs on one replica alone, usually the leader, once that has applied all
        that was acknowledged before (linearizable), or on a replica that lags behind, if the caller asks for that. So
        whatever it changed would make replicas differ. `self.index` is the last entry that was applied.

        Raises:
            CommandRefused: it has no answer; its caller gets this error. Any other exception becomes `CommandFailed`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no read")

    def migrate(self, old: int, new: int) -> None:
        """Change the state from version `old` to `new`: called between two commands, when `new` becomes active.

        It must be deterministic, as `apply` is. A node on which it raises goes into quarantine.
        """

    def snapshot(self) -> Iterator[bytes]:
        """Return the state as it is now, as pieces of bytes (of at most about 256 KiB), for `restore` of a new machine.

        Override both, or neither. This one saves all attributes of `self` but `index`, `version` and those in
        `transient`, in the order that they have: values of None, bool, int, float, str, bytes, bytearray, list, tuple,
        dict, set, frozenset, deque, Counter, OrderedDict, datetime, date, timedelta, Decimal and UUID, of enums,
        messages, classes with a codec, dataclasses and NamedTuples that the commands or the annotations of the class
        name, and a defaultdict as an attribute, nested up to 200 levels. They come back equal and of the same classes,
        each dict in its order; a set may come back in another order, on which `apply` must not depend anyway.

        It must not change the machine. Commands are applied while the pieces are taken, and must not show in them. So
        an override is a `def` that copies what it needs and returns an iterator over the copy. A `def` with a `yield`
        is taken to its end at once, while all commands wait; so are values here, except collections of 1,000 or more
        items that never change. A piece that is a memoryview is copied when it is taken; one of more than 16 MiB that
        an override yields is refused.

        Raises:
            SnapshotFailed: a value cannot be saved, or can be reached in two ways, so that it would come back as two.
        """
        return saved_pieces(self, commands_of(type(self)))

    def restore(self, piece: bytes) -> None:
        """Take the next piece of a snapshot, on a new machine whose `version` is that of the snapshot.

        All pieces come in order, each as it was yielded, before anything else is called. This one sets the attributes
        with the last piece. An attribute that the snapshot does not have keeps the value that `__init__` made, so newer
        code restores the snapshots of older code.

        Raises:
            ValueError: the piece is malformed, or does not fit this code. Whatever an override raises counts as such.
        """
        restore_piece(self, commands_of(type(self)), piece)

    def apply(self, command: Any, /) -> object:
        """Execute a command, one of C that `read` does not take: annotate which. The return value is its reply.

        It must be a `def`, not an `async def`.

        Any exception is the outcome of that command, the same on all replicas: the caller gets `CommandFailed`, changes
        made before remain, and the next command follows. Only `MemoryError`, `SystemExit` and `KeyboardInterrupt` stop
        the node; it applies the entry again at its next start.

        Raises:
            CommandRefused: it cannot be executed and nothing has changed; its caller gets this error.
        """
        raise NotImplementedError(f"{type(self).__name__} has no apply")


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


def queries_read_by(cls: type[StateMachine[Any]]) -> list[MessageType]:
    """Return the queries that the `read` of a machine's class answers: those that its parameter's annotation names.

    Raises:
        MessageTypeError: it names none, or one that is no `Query` among the machine's commands.
    """
    if cls.read is StateMachine.read:
        return []
    parameters = list(inspect.signature(cls.read).parameters)[1:]
    hints = typing.get_type_hints(cls.read)
    named = _members(hints[parameters[0]]) if parameters and parameters[0] in hints else []
    commands = {described.cls: described for described in commands_of(cls)}
    for query in named:
        if query not in commands or not issubclass(query, Query):
            raise MessageTypeError(f"{cls.__qualname__}.read takes {query!r:.80}, which is no Query of the machine")
    if not named:
        raise MessageTypeError(f"{cls.__qualname__}.read: annotate its parameter with the queries that it answers")
    return [commands[query] for query in named]


def _members(annotation: Any) -> list[type]:
    if get_origin(annotation) in (typing.Union, types.UnionType):
        return [member for part in get_args(annotation) for member in _members(part)]
    return [annotation]


def machine_mistake(machine: StateMachine[Any]) -> str | None:
    """Return why the `apply` or `read` of a machine cannot be one, as far as that shows without calling it."""
    if getattr(machine.apply, "__func__", None) is StateMachine.apply:
        name = type(machine).__name__
        return f"{name} has no apply: write `def apply(self, command)`, which returns the command's reply"
    return _mistake_in(machine, "apply") or _mistake_in(machine, "read") or _mistake_in_annotation(type(machine))


def snapshot_mistake(machine: StateMachine[Any]) -> str | None:
    """Return why a machine, as its class makes it, cannot be saved and restored; None if it can, as far as that shows.

    Its `snapshot` is called, and taken to its end.
    """
    name = type(machine).__name__
    if (mistake := _mistake_in_transient(type(machine)) or _reserved_name(machine)) is not None:
        return mistake
    own = [method for method in ("snapshot", "restore") if not _is_inherited(machine, method)]
    if len(own) == 1:
        other = "restore" if own == ["snapshot"] else "snapshot"
        return f"{name} has a {own[0]}, but no {other}: write both, or neither"
    if not own and (mistake := _shared_state(machine)) is not None:
        return mistake
    if (mistake := _coroutine_in(machine, "snapshot") or _coroutine_in(machine, "restore")) is not None:
        return mistake
    if is_generator(machine.restore):
        return f"{name}.restore has a `yield`, so that a call does nothing: it takes one piece, and returns None"
    try:
        pieces: Any = machine.snapshot()
        if not isinstance(pieces, Iterator):
            return f"{name}.snapshot returned a {type(pieces).__name__}: it must return an iterator of bytes"
        wrong = next((piece for piece in pieces if type(piece) not in (bytes, memoryview)), None)
    except SnapshotFailed as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 (it is the mistake)
        return f"{name}.snapshot raised {error_line(error)}"
    return None if wrong is None else f"{name}.snapshot yielded a {type(wrong).__name__}: each piece is bytes"


def _mistake_in_transient(cls: type) -> str | None:
    """Return which class names its transient attributes wrongly; None if there is none."""
    for base in cls.__mro__[: cls.__mro__.index(StateMachine)]:
        names = vars(base).get("transient", ())
        if not isinstance(names, tuple) or any(type(name) is not str for name in names):
            return f"{base.__name__}.transient is {names!r:.60}: it must be a tuple of names of attributes"
    return None


def _reserved_name(machine: StateMachine[Any]) -> str | None:
    """Return which attribute of the runtime a new machine has set itself; None if it has set none."""
    cls, own = type(machine), attributes_of(machine)
    found = [name for name in RESERVED if name in own]
    found += ["index"] if "index" not in own and cls.index is not StateMachine.index else []
    if not found:
        return None
    version = "; the version of the code is `version = 2` in the class" if found[0] == "version" else ""
    return (
        f"{cls.__name__} sets {found[0]!r} itself: `version` and `index` of a machine belong to the runtime, which "
        f"sets both and saves neither as state: take another name{version}"
    )


_CHANGEABLE: Final = (MutableMapping, MutableSequence, MutableSet, deque)


def _shared_state(machine: StateMachine[Any]) -> str | None:
    """Return which attribute of a machine's class can change, and would be in no snapshot; None if there is none."""
    cls, own = type(machine), getattr(machine, "__dict__", {})
    for base in cls.__mro__[: cls.__mro__.index(StateMachine)]:
        annotations = inspect.get_annotations(base)
        for name, value in base.__dict__.items():
            is_constant = name.isupper() or any(word in str(annotations.get(name)) for word in ("ClassVar", "Final"))
            if name.startswith("__") or name in own or is_constant or not isinstance(value, _CHANGEABLE):
                continue
            return (
                f"{base.__name__}.{name} is a {type(value).__name__} of the class, not of the machine: it is in no "
                f"snapshot, so that it would be lost, and all machines of a process share it: set it in __init__, or "
                f"call it {name.upper()} if it never changes"
            )
    return None


def _is_inherited(machine: StateMachine[Any], method: str) -> bool:
    return getattr(getattr(machine, method), "__func__", None) is getattr(StateMachine, method)


def is_generator(function: Any) -> bool:
    """Return whether a function or method has a `yield`, so that a call of it executes nothing yet."""
    return any(inspect.isgeneratorfunction(call) for call in _calls_in(function))


def _coroutine_in(machine: StateMachine[Any], method: str) -> str | None:
    where = f"{type(machine).__name__}.{method}"
    for call in _calls_in(getattr(machine, method)):
        if inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call):
            return f"{where} is `async def`: write `def`, because a replica executes it to its end at once"
    return None


def _calls_in(function: Any) -> Iterator[Any]:
    """Yield what a call of a function or an object executes: it, and each function that it wraps."""
    while function is not None:
        yield function if inspect.isroutine(function) else type(function).__call__
        function = getattr(function, "__wrapped__", None) or getattr(function, "func", None)


def _mistake_in(machine: StateMachine[Any], method: str) -> str | None:
    where = f"{type(machine).__name__}.{method}"
    for call in _calls_in(getattr(machine, method)):
        if inspect.iscoroutinefunction(call):
            return f"{where} is `async def`: write `def`, because a replica executes it to its end at once"
        if inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call):
            return f"{where} has a `yield`, so that a call returns a generator: it must return the reply"
    return None


def _mistake_in_annotation(cls: type[StateMachine[Any]]) -> str | None:
    """Return which command the annotation of `apply` excludes; those that `read` answers do not count."""
    read = queries_read_by(cls)
    for described in commands_of(cls):
        if described not in read and (taken := excluding(cls.apply, described.cls)) is not None:
            return f"{cls.__name__}.apply takes {taken}, but its StateMachine[…] names {described.cls.__qualname__}"
    return None
