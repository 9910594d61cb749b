"""`Schema`: describes the commands, messages, replies and state of a state machine, and the version of its behaviour.

It names messages by their wire names and fields in their order; it names no class, module or file, so that code may be
moved and renamed. Messages may contain themselves: each is described once, under its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from coterie.protocols.evolution.schema_types import SchemaType, messages_in

__all__ = ["FORMAT_LEVEL", "VERSION_MAX", "CommandSchema", "MessageSchema", "Schema", "SchemaField"]

FORMAT_LEVEL: Final = 1
"""The rules of coterie itself that a replica's state follows from: kinds of entries, sessions and their limits, how
commands are decoded. Raise it with each change that would apply the same log in another way."""

VERSION_MAX: Final = 2**32 - 1
"""The highest version: a hash has four bytes for it."""


@dataclass(frozen=True, slots=True)
class SchemaField:
    """One field. `default`: what a row means that leaves it out, as text (`schema_values`); None: it is required."""

    name: str
    type: SchemaType
    default: str | None = None


@dataclass(frozen=True, slots=True)
class MessageSchema:
    """The fields of one message, in their order. ValueError: two have one name, or a required one follows a default."""

    fields: tuple[SchemaField, ...]

    def __post_init__(self) -> None:
        """Check the fields."""
        names = [one.name for one in self.fields]
        if len(set(names)) < len(names):
            raise ValueError(f"a message has a field twice: {names}")
        if any(one.default is not None for one in self.fields[: self.required]):
            raise ValueError(f"a message has a required field after one with a default: {names}")

    @property
    def required(self) -> int:
        """The number of fields that every row must have."""
        return sum(one.default is None for one in self.fields)


@dataclass(frozen=True, slots=True)
class CommandSchema:
    """One command, beside its fields: whether it is a `Query` (it changes nothing), and the type of its reply."""

    is_query: bool
    reply: SchemaType


@dataclass(frozen=True, slots=True)
class Schema:
    """The schema of one machine's code.

    Args:
        commands: by wire name.
        messages: the commands, and every message in a field, a reply or the state, by wire name.
        state: the type of the machine's state; None: it does not declare one.
        version: of the machine's behaviour, 1 … `VERSION_MAX`.
        level: of coterie's own rules.

    Raises:
        ValueError: a message is named and not described, or described and not used; or a number is out of range.
    """

    commands: Mapping[str, CommandSchema]
    messages: Mapping[str, MessageSchema]
    state: SchemaType | None = None
    version: int = 1
    level: int = FORMAT_LEVEL

    def __post_init__(self) -> None:
        """Check the numbers, and that exactly the messages that are used are described."""
        if not 1 <= self.version <= VERSION_MAX:
            raise ValueError(f"version {self.version} of a schema: it must be 1 … {VERSION_MAX}")
        if self.level < 1:
            raise ValueError(f"format level {self.level} of a schema: it must be at least 1")
        used = list(self._used())
        if lacking := [name for name in used if name not in self.messages]:
            raise ValueError(f"a schema uses {lacking[0]!r} and does not describe it")
        if idle := [name for name in self.messages if name not in used]:
            raise ValueError(f"a schema describes {idle[0]!r} and does not use it")

    def _used(self) -> Iterator[str]:
        roots = [*self.commands, *(name for one in self.commands.values() for name in messages_in(one.reply))]
        if self.state is not None:
            roots += messages_in(self.state)
        yield from self.reached_from(roots)

    def reached_from(self, names: list[str]) -> list[str]:
        """Return these messages and all that are in them, each once. A message that is not described has none in it."""
        found = list(dict.fromkeys(names))
        for name in found:  # which grows
            if name in self.messages:
                inner = [part for one in self.messages[name].fields for part in messages_in(one.type)]
                found += [part for part in dict.fromkeys(inner) if part not in found]
        return found
