"""`compare`: finds how the schema of this code differs from a recorded one, and whether the code may run.

The order of schemas is defined by additions alone: one is newer than another if every change to it is an addition. So
"older" is the reverse of "newer"; but a schema that lacks something may also be the work of a mistake. It passes for
older only if that shows: by its version, or because the group had been there before, on its way to where it is now.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from coterie.protocols.evolution.default_comparison import means_the_same
from coterie.protocols.evolution.schema import MessageSchema, Schema, SchemaField
from coterie.protocols.evolution.schema_changes import ChangeKind, SchemaChange
from coterie.protocols.evolution.schema_types import SchemaType, messages_in, type_text
from coterie.protocols.evolution.type_comparison import (
    EnumChanged,
    Retyped,
    TypeChange,
    UnionChanged,
    change_text,
    type_changes,
)

__all__ = ["Comparison", "Verdict", "compare", "schema_changes"]


class Verdict(enum.Enum):
    """The relation of the code's schema to the recorded one."""

    SAME = "same"
    NEWER = "newer"  # the code adds to what is recorded: it runs in the recorded version
    OLDER = "older"  # what is recorded adds to the code: quarantine
    CONTRADICTS = "contradicts"  # the code must not run on this log


@dataclass(frozen=True, slots=True)
class Comparison:
    """A verdict, and the changes from the recorded schema to the code's that it follows from."""

    verdict: Verdict
    changes: tuple[SchemaChange, ...]

    @property
    def contradictions(self) -> tuple[SchemaChange, ...]:
        """The changes that are no additions. Those of an older code are what it lacks."""
        return tuple(change for change in self.changes if not change.is_addition)


def compare(recorded: Schema, code: Schema, *, earlier: Iterable[Schema] = ()) -> Comparison:
    """Compare the schema of this code with the recorded one.

    `earlier`: what was recorded before. Code that the group has passed on its way from there is older, not wrong.
    """
    changes = tuple(schema_changes(recorded, code))
    if not changes:
        return Comparison(Verdict.SAME, ())
    if _are_additions(changes):
        return Comparison(Verdict.NEWER, changes)
    if _are_additions(schema_changes(code, recorded)) and _was_passed(recorded, code, earlier):
        return Comparison(Verdict.OLDER, changes)
    return Comparison(Verdict.CONTRADICTS, changes)


def _was_passed(recorded: Schema, code: Schema, earlier: Iterable[Schema]) -> bool:
    has_older_number = code.version < recorded.version or code.level < recorded.level
    return has_older_number or any(_are_additions(schema_changes(one, code)) for one in earlier)


def _are_additions(changes: Iterable[SchemaChange]) -> bool:
    return all(change.is_addition for change in changes)


def schema_changes(old: Schema, new: Schema) -> Iterator[SchemaChange]:
    """Yield the changes from one schema to another: of commands, then of messages, then of the rest."""
    yield from _command_changes(old, new)
    for name in old.messages:
        if name in new.messages:
            yield from _message_changes(old, new, name)
    yield from _state_changes(old.state, new.state)
    yield from _number_changes("version", old.version, new.version)
    yield from _number_changes("format level", old.level, new.level)


def _command_changes(old: Schema, new: Schema) -> Iterator[SchemaChange]:
    for name, command in old.commands.items():
        where = f"command {name!r}"
        if name not in new.commands:
            yield SchemaChange(ChangeKind.COMMAND_REMOVED, where, "the code does not have it")
            continue
        after = new.commands[name]
        if command.is_query != after.is_query:
            kinds = ("a Query", "a command that changes the state")
            was, became = kinds if command.is_query else kinds[::-1]
            yield SchemaChange(ChangeKind.QUERY_CHANGED, where, f"it was {was} and became {became}")
        yield from _type_changes(ChangeKind.REPLY_RETYPED, f"{where}, reply", command.reply, after.reply)
    for name in new.commands:
        if name not in old.commands:
            yield SchemaChange(ChangeKind.COMMAND_ADDED, f"command {name!r}", "it is new")


def _place(schema: Schema, name: str) -> str:
    """Return the place of a message in a schema: a command, or a part of one."""
    if name in schema.commands:
        return f"command {name!r}"
    for command, one in schema.commands.items():
        if name in schema.reached_from([command, *messages_in(one.reply)]):
            return f"message {name!r} in command {command!r}"
    return f"message {name!r} in the state"


def _message_changes(old: Schema, new: Schema, name: str) -> Iterator[SchemaChange]:
    where, message = _place(old, name), old.messages[name]
    yield from _field_changes(where, _appended_kind(old, new, name), message, new.messages[name])
    after = {one.name: one for one in new.messages[name].fields}
    for one in message.fields:
        if one.name in after:
            place = f"{where}, field {one.name!r}"
            yield from _type_changes(ChangeKind.FIELD_RETYPED, place, one.type, after[one.name].type)
            yield from _default_changes(place, old, one, new, after[one.name])


def _appended_kind(old: Schema, new: Schema, name: str) -> ChangeKind:
    """Return the kind of a field that is appended to a message: what follows depends on where the message is."""
    if any(name in schema.reached_from([*schema.commands]) for schema in (old, new)):
        return ChangeKind.FIELD_APPENDED
    replies = [part for schema in (old, new) for one in schema.commands.values() for part in messages_in(one.reply)]
    is_in_reply = any(name in schema.reached_from(replies) for schema in (old, new))
    return ChangeKind.REPLY_FIELD_APPENDED if is_in_reply else ChangeKind.STATE_FIELD_APPENDED


def _field_changes(where: str, appended: ChangeKind, old: MessageSchema, new: MessageSchema) -> Iterator[SchemaChange]:
    """Yield the changes of which fields there are, and where. `appended`: the kind of a field that is appended."""
    before, after = [one.name for one in old.fields], [one.name for one in new.fields]
    added = [one for one in new.fields if one.name not in before]
    for at, one in enumerate(old.fields):
        place = f"{where}, field {one.name!r}"
        if one.name in after:
            continue
        if at < len(new.fields) and new.fields[at] in added:
            added.remove(new.fields[at])
            detail = f"{new.fields[at].name!r} is in its place"
            yield SchemaChange(ChangeKind.FIELD_RENAMED, place, detail)
        else:
            yield SchemaChange(ChangeKind.FIELD_REMOVED, place, f"the code does not have it ({type_text(one.type)})")
    yield from _order_changes(where, before, [name for name in after if name in before])
    for one in added:
        yield _added_field(f"{where}, field {one.name!r}", appended, one, new, before)


def _default_changes(
    where: str, old: Schema, one: SchemaField, new: Schema, other: SchemaField
) -> Iterator[SchemaChange]:
    before, after = one.default, other.default
    if before is None and after is not None:
        yield SchemaChange(ChangeKind.DEFAULT_GIVEN, where, f"its default is {after}")
    elif before is not None and after is None:
        yield SchemaChange(ChangeKind.DEFAULT_CHANGED, where, f"its default was {before}, and now it has none")
    elif before is None or after is None or before == after:
        return
    elif not means_the_same(old, one.type, before, new, other.type, after):
        yield SchemaChange(ChangeKind.DEFAULT_CHANGED, where, f"its default was {before}, and now it is {after}")


def _order_changes(where: str, old: list[str], new: list[str]) -> Iterator[SchemaChange]:
    kept = [name for name in old if name in new]
    moved = [(name, other) for name, other in zip(kept, new, strict=True) if name != other]
    if moved:
        name, other = moved[0]
        yield SchemaChange(ChangeKind.FIELD_MOVED, f"{where}, field {name!r}", f"{other!r} is in its place")


def _added_field(
    where: str, appended: ChangeKind, one: SchemaField, new: MessageSchema, before: list[str]
) -> SchemaChange:
    text = type_text(one.type)
    following = [other.name for other in new.fields[new.fields.index(one) + 1 :] if other.name in before]
    if following:
        return SchemaChange(ChangeKind.FIELD_INSERTED, where, f"it is new ({text}) and stands before {following[0]!r}")
    if one.default is None:
        return SchemaChange(ChangeKind.FIELD_REQUIRED, where, f"it is new ({text}) and has no default")
    return SchemaChange(appended, where, f"it is new ({text} = {one.default})")


def _state_changes(old: SchemaType | None, new: SchemaType | None) -> Iterator[SchemaChange]:
    if old is None and new is not None:
        yield SchemaChange(ChangeKind.STATE_DECLARED, "the state", f"it is {type_text(new)}")
    elif old is not None and new is None:
        yield SchemaChange(ChangeKind.STATE_RETYPED, "the state", f"it was {type_text(old)} and is not declared")
    elif old is not None and new is not None:
        yield from _type_changes(ChangeKind.STATE_RETYPED, "the state", old, new)


def _number_changes(what: str, old: int, new: int) -> Iterator[SchemaChange]:
    raised, lowered = {
        "version": (ChangeKind.VERSION_RAISED, ChangeKind.VERSION_LOWERED),
        "format level": (ChangeKind.LEVEL_RAISED, ChangeKind.LEVEL_LOWERED),
    }[what]
    if old != new:
        yield SchemaChange(raised if new > old else lowered, f"the {what}", f"{old} became {new}")


def _type_changes(retyped: ChangeKind, where: str, old: SchemaType, new: SchemaType) -> Iterator[SchemaChange]:
    for change in type_changes(old, new):
        detail = change_text(change)
        if not (isinstance(change, Retyped) and change.old == old):
            detail += f" ({type_text(old)} became {type_text(new)})"
        yield SchemaChange(_kind_of(change, retyped), where, detail)


def _kind_of(change: TypeChange, retyped: ChangeKind) -> ChangeKind:
    match change:
        case Retyped():
            return retyped
        case EnumChanged(is_added=True):
            return ChangeKind.ENUM_MEMBER_ADDED
        case EnumChanged():
            return ChangeKind.ENUM_MEMBER_REMOVED
        case UnionChanged(is_added=True):
            return ChangeKind.UNION_MEMBER_ADDED
        case UnionChanged():
            return ChangeKind.UNION_MEMBER_REMOVED
