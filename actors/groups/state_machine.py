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
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin

from coterie.errors import MessageTypeError
from coterie.protocols.replicated_log import LogIndex
from coterie.runtime.messages.message import Ask, message_type
from coterie.runtime.messages.message_codecs import MessageType
from coterie.runtime.messages.receive_signatures import excluding

__all__ = ["Query", "StateMachine", "commands_of", "machine_mistake", "queries_read_by"]

C = TypeVar("C")
R = TypeVar("R")


class Query(Ask[R]):
    """A command that changes nothing: it needs no session and may be retried freely."""

    __slots__ = ()


class StateMachine(Generic[C]):
    """A deterministic state machine with commands of type C (a message, or a union of messages that are `Ask`s)."""

    index: LogIndex = LogIndex(0)
    """The log entry that is being applied."""

    version: int = 1
    """Of the class: the version of this code, from 1; raise it when `apply` behaves differently. Of `self`: the version
    that is active in the group, which `apply` must follow: that of older code, until the newer one is activated."""

    state_type: ClassVar[object] = None
    """The type of the state, if it is declared: any type that a field of a message may have."""

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


def _mistake_in(machine: StateMachine[Any], method: str) -> str | None:
    where = f"{type(machine).__name__}.{method}"
    function: Any = getattr(machine, method)
    while function is not None:
        call = function if inspect.isroutine(function) else type(function).__call__
        if inspect.iscoroutinefunction(call):
            return f"{where} is `async def`: write `def`, because a replica executes it to its end at once"
        if inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call):
            return f"{where} has a `yield`, so that a call returns a generator: it must return the reply"
        function = getattr(function, "__wrapped__", None) or getattr(function, "func", None)
    return None


def _mistake_in_annotation(cls: type[StateMachine[Any]]) -> str | None:
    """Return which command the annotation of `apply` excludes; those that `read` answers do not count."""
    read = queries_read_by(cls)
    for described in commands_of(cls):
        if described not in read and (taken := excluding(cls.apply, described.cls)) is not None:
            return f"{cls.__name__}.apply takes {taken}, but its StateMachine[…] names {described.cls.__qualname__}"
    return None
