"""`ChangeKind`: names every way in which a schema can change; `SchemaChange`: one change, where it is and what to do.

An *addition* leaves the meaning of every entry of the log as it was. Whatever else changes *contradicts* the log. The
table below is the rule: `schema_comparison` looks changes up in it, and the page *Evolution* shows it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

__all__ = ["CHANGE_RULES", "ChangeKind", "ChangeRule", "SchemaChange"]


class ChangeKind(enum.Enum):
    """The kind of a change, from the recorded schema to the code's."""

    COMMAND_ADDED = "command added"
    FIELD_APPENDED = "field appended with a default"
    REPLY_FIELD_APPENDED = "field appended with a default, in a reply"
    STATE_FIELD_APPENDED = "field appended with a default, in the state"
    DEFAULT_GIVEN = "default given to a required field"
    ENUM_MEMBER_ADDED = "enum member added"
    UNION_MEMBER_ADDED = "union member added"
    STATE_DECLARED = "state declared"
    VERSION_RAISED = "version raised"
    LEVEL_RAISED = "format level raised"

    COMMAND_REMOVED = "command removed or renamed"
    QUERY_CHANGED = "Query made a command, or the reverse"
    FIELD_REMOVED = "field removed"
    FIELD_RENAMED = "field renamed"
    FIELD_MOVED = "field moved"
    FIELD_INSERTED = "field inserted"
    FIELD_RETYPED = "field retyped"
    FIELD_REQUIRED = "field appended without a default"
    DEFAULT_CHANGED = "default changed or removed"
    REPLY_RETYPED = "reply retyped"
    ENUM_MEMBER_REMOVED = "enum member removed, renamed or given another value"
    UNION_MEMBER_REMOVED = "union member removed"
    STATE_RETYPED = "state retyped"
    VERSION_LOWERED = "version lowered"
    LEVEL_LOWERED = "format level lowered"


@dataclass(frozen=True, slots=True)
class ChangeRule:
    """What a kind of change does: whether it is an addition, and the consequence, or what to do instead of it."""

    is_addition: bool
    advice: str


CHANGE_RULES: Final[dict[ChangeKind, ChangeRule]] = {
    ChangeKind.COMMAND_ADDED: ChangeRule(True, "it is refused until the new schema is active"),
    ChangeKind.FIELD_APPENDED: ChangeRule(
        True, "until it is active every command has the default, which must mean what the command meant before"
    ),
    ChangeKind.REPLY_FIELD_APPENDED: ChangeRule(
        True, "until it is active replies leave it out, and callers have the default; callers of older code ignore it"
    ),
    ChangeKind.STATE_FIELD_APPENDED: ChangeRule(True, "it is recorded with the new schema"),
    ChangeKind.DEFAULT_GIVEN: ChangeRule(True, "rows that leave it out are refused until it is active"),
    ChangeKind.ENUM_MEMBER_ADDED: ChangeRule(
        True, "a command that has it is refused until it is active; clients of older code cannot read it in a reply"
    ),
    ChangeKind.UNION_MEMBER_ADDED: ChangeRule(
        True, "a command that has it is refused until it is active; clients of older code cannot read it in a reply"
    ),
    ChangeKind.STATE_DECLARED: ChangeRule(True, "it is recorded with the new schema"),
    ChangeKind.VERSION_RAISED: ChangeRule(True, "`self.version` has the old number until it is active"),
    ChangeKind.LEVEL_RAISED: ChangeRule(True, "this release of coterie follows the older rules until it is active"),
    ChangeKind.COMMAND_REMOVED: ChangeRule(False, "keep the command and its name; `apply` may refuse it"),
    ChangeKind.QUERY_CHANGED: ChangeRule(False, "keep it as it was, and add a command with another name"),
    ChangeKind.FIELD_REMOVED: ChangeRule(False, "keep the field; `apply` may ignore it"),
    ChangeKind.FIELD_RENAMED: ChangeRule(False, "keep the name; a property can give the value another one"),
    ChangeKind.FIELD_MOVED: ChangeRule(False, "keep the order of the fields: a row has no names"),
    ChangeKind.FIELD_INSERTED: ChangeRule(False, "append new fields at the end, each with a default"),
    ChangeKind.FIELD_RETYPED: ChangeRule(False, "keep the type, and append a field of the new type with a default"),
    ChangeKind.FIELD_REQUIRED: ChangeRule(False, "give the new field a default: older entries do not have it"),
    ChangeKind.DEFAULT_CHANGED: ChangeRule(False, "keep the default: entries that leave the field out mean it"),
    ChangeKind.REPLY_RETYPED: ChangeRule(False, "keep the reply, and add a command with the new one"),
    ChangeKind.ENUM_MEMBER_REMOVED: ChangeRule(False, "keep the member and its value; an alias can give it a new name"),
    ChangeKind.UNION_MEMBER_REMOVED: ChangeRule(False, "keep the member: entries may hold it"),
    ChangeKind.STATE_RETYPED: ChangeRule(False, "keep the fields of the state, and append new ones with a default"),
    ChangeKind.VERSION_LOWERED: ChangeRule(False, "run the newer code: the group already follows its version"),
    ChangeKind.LEVEL_LOWERED: ChangeRule(False, "run the newer release of coterie: the group follows its rules"),
}
"""Each kind of change, with its rule."""


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One change. `where`: the command or message, and the field; `detail`: what was, and what is."""

    kind: ChangeKind
    where: str
    detail: str

    @property
    def is_addition(self) -> bool:
        """True if the meaning of the log stays as it is."""
        return CHANGE_RULES[self.kind].is_addition

    def __str__(self) -> str:
        return f"{self.where}: {self.detail}; {CHANGE_RULES[self.kind].advice}"
