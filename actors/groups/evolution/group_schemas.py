"""`GroupSchemas`: holds the schemas of one replica: what its code is, what the log has, and what is active.

    register ── follow ──▶ the last schema of the log: what a leader may propose, and whether this code can run at all
    log entry ── adopt ──▶ the active schema: what the machine decodes from the next entry on

The last one is not committed yet, for a moment; the active one is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Final, Protocol

from coterie.actors.groups.evolution.recorded_commands import RecordedCommands
from coterie.protocols.evolution.revisions import Revision
from coterie.protocols.evolution.schema import FORMAT_LEVEL, Schema
from coterie.protocols.evolution.schema_changes import ChangeKind
from coterie.protocols.evolution.schema_comparison import Comparison, Verdict, compare
from coterie.protocols.evolution.schema_text import NO_HASH, SchemaHash, schema_hash
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.replicated_log import Entry
from coterie.runtime.observing.error_texts import error_line
from coterie.runtime.observing.printable_text import printable
from coterie.runtime.user_code import is_exit

__all__ = ["CannotFollow", "EvolvingMachine", "GroupSchemas", "contradictions", "why_not_followed"]


LACKING_SHOWN: Final = 3
"""So many of the parts that older code lacks are named."""


class EvolvingMachine(Protocol):
    """A machine with a schema: see `TypedMachine`. Others, of bytes alone, take every command at any time."""

    schema: Schema

    def commands_under(self, schema: Schema) -> RecordedCommands:
        """Return the commands as `schema` has them. ValueError if this code cannot follow it."""
        ...

    def await_schema(self) -> None:
        """Refuse every command until a schema is adopted."""
        ...

    def adopt(self, schema: Schema) -> None:
        """Follow `schema` from the next command on."""
        ...


class CannotFollow(Exception):
    """The state machine cannot go on at an entry of the log: this replica goes into quarantine. The text says why."""


class GroupSchemas:
    """The schemas of one group, for one life of a replica.

    Args:
        machine: its machine; one without a schema is left alone.
    """

    def __init__(self, machine: object) -> None:
        self._machine = _evolving(machine)
        self.hash = NO_HASH if self._machine is None else schema_hash(self._machine.schema)
        """The hash of what this code is."""
        self.active: Revision | None = None
        """The revision that the machine follows."""
        self.next_payload: bytes | None = None
        """The content of the entry with which a leader would record this code; None: there is nothing to record."""
        self._facts: GroupFacts | None = None
        self._last: Revision | None = None
        self._recorded_hashes: frozenset[SchemaHash] = frozenset()
        self._proposable: RecordedCommands | None = None
        if self._machine is not None:
            self._machine.await_schema()

    @property
    def code(self) -> Schema | None:
        """The schema of this code; None: its machine has none."""
        return None if self._machine is None else self._machine.schema

    @property
    def recorded_hashes(self) -> frozenset[SchemaHash]:
        """The hashes of the revisions that are kept: code with one of them is not newer than the last one."""
        return self._recorded_hashes

    @property
    def last(self) -> Revision | None:
        """The last revision in the log. None: there is none, or it cannot be read by this release."""
        return self._last

    @property
    def proposable(self) -> RecordedCommands | None:
        """The commands as the last revision has them; None: there is none that this code can follow."""
        return self._proposable

    def follow(self, facts: GroupFacts) -> None:
        """Note what the log has, at the start and when that has changed."""
        if self._machine is None:
            return
        is_known = self._facts is not None and self._facts.schemas == facts.schemas
        self._facts = facts
        if is_known:
            return
        self._last, self._recorded_hashes = _last_of(facts), _hashes_of(facts)
        can_follow = why_not_followed(self._machine.schema, facts) is None
        self._proposable = self._machine.commands_under(self._last.schema) if self._last and can_follow else None
        self.next_payload = self._next_payload(self._machine.schema)

    def why_not_committed_followed(self) -> str | None:
        """Return why this code cannot follow the last schema, if that is known to be committed."""
        facts = self._facts
        if self._machine is None or facts is None or facts.schema_index > facts.committed_schema:
            return None
        return why_not_followed(self._machine.schema, facts)

    def _next_payload(self, code: Schema) -> bytes | None:
        if self._facts is not None and not self._facts.schemas:
            return Revision(1, code).encode()
        if self._last is None or self._proposable is None or schema_hash(self._last.schema) == self.hash:
            return None
        return Revision(self._last.number + 1, code).encode()

    def own_refusal(self, command: bytes) -> str | None:
        """Return why this code would refuse an encoded command if its own schema were active; None: it would not."""
        return None if self._machine is None else self._machine.commands_under(self._machine.schema).refusal(command)

    def adopt(self, entry: Entry) -> None:
        """Let the machine follow the schema in an entry that is applied.

        Raises:
            CannotFollow: this code, or its `migrate`, cannot.
        """
        if self._machine is None:
            return
        reason = why_not_followed(self._machine.schema, self._facts_at(entry))
        if reason is not None:
            raise CannotFollow(reason)
        revision = Revision.decode(entry.command)
        try:
            self._machine.adopt(revision.schema)
        except BaseException as error:
            if is_exit(error):
                raise
            text = f"migrate to version {revision.schema.version} raised {printable(error_line(error, 200))}"
            raise CannotFollow(text) from error
        self.active = revision

    def _facts_at(self, entry: Entry) -> GroupFacts:
        """Return the facts up to a schema entry: with those before it, which show what older code is."""
        recorded = () if self._facts is None else self._facts.schemas
        before = [one for one in recorded if one[0] < entry.index]
        return GroupFacts(schemas=(*before, (entry.index, entry.command)))


def _evolving(machine: object) -> EvolvingMachine | None:
    adopt: Callable[[Schema], None] | None = getattr(machine, "adopt", None)
    return None if adopt is None else machine  # type: ignore[return-value]


def contradictions(code: Schema, facts: GroupFacts) -> list[str]:
    """Return in which ways code with this schema contradicts what is recorded and committed; empty: in none.

    A leader appends a schema only once the one before is committed; of the last one this must be known. Older code
    contradicts nothing: it goes into quarantine. What this release of coterie cannot read is left to that, too.
    """
    is_last_known = facts.schema_index <= facts.committed_schema
    known = facts.schemas if is_last_known else facts.schemas[:-1]
    try:
        recorded = [(index, Revision.decode(content)) for index, content in known]
    except ValueError:
        return []
    if not recorded:
        return []
    index, last = recorded[-1]
    found = compare(last.schema, code, earlier=[revision for _, revision in recorded[:-1]])
    if found.verdict is not Verdict.CONTRADICTS:
        return []
    where = f"revision {last.number} of its schema (version {last.schema.version}), which entry {index} recorded"
    return [f"this code contradicts {where}: {change}" for change in found.contradictions]


def _last_of(facts: GroupFacts) -> Revision | None:
    """Return the last revision; None if there is none, or this release of coterie cannot read it."""
    try:
        return Revision.decode(facts.schemas[-1][1]) if facts.schemas else None
    except ValueError:
        return None


def _hashes_of(facts: GroupFacts) -> frozenset[SchemaHash]:
    """Return the hashes of the revisions that this release of coterie can read."""
    found = set()
    for _, content in facts.schemas:
        with contextlib.suppress(ValueError):
            found.add(schema_hash(Revision.decode(content).schema))
    return frozenset(found)


def why_not_followed(code: Schema, facts: GroupFacts) -> str | None:
    """Return why code with this schema cannot follow the last schema of a log; None if it can, or if there is none."""
    if not facts.schemas:
        return None
    try:
        last = Revision.decode(facts.schemas[-1][1])
        earlier = [Revision.decode(content) for _, content in facts.schemas[:-1]]
    except ValueError as error:
        return f"the schema of entry {facts.schema_index} cannot be read by this release of coterie: {error}"
    found = compare(last.schema, code, earlier=earlier)
    if found.verdict in (Verdict.SAME, Verdict.NEWER):
        return None
    numbers = f"revision {last.number} (version {last.schema.version}) at entry {facts.schema_index}"
    first = found.contradictions[0]
    if found.verdict is Verdict.CONTRADICTS:
        return f"this code contradicts {numbers}: {first}"
    if last.schema.level > FORMAT_LEVEL:
        return (
            f"{numbers} is of format level {last.schema.level}, this release of coterie has {FORMAT_LEVEL}: upgrade it"
        )
    too = ", too" if code.version == last.schema.version else ""
    lacking = _lacking(found)
    which = f", which lacks {lacking}" if lacking else ""
    return f"{numbers} is newer than this code (version {code.version}{too}){which}; run the newer code"


def _lacking(found: Comparison) -> str:
    """Return what older code lacks: the first few commands, fields and members."""
    numbers = (ChangeKind.VERSION_LOWERED, ChangeKind.LEVEL_LOWERED)
    gone = (ChangeKind.COMMAND_REMOVED, ChangeKind.FIELD_REMOVED)
    changes = [change for change in found.contradictions if change.kind not in numbers]
    texts = [one.where if one.kind in gone else f"{one.where} ({one.detail})" for one in changes]
    more = [f"{len(texts) - LACKING_SHOWN} more"] if len(texts) > LACKING_SHOWN else []
    return " and ".join([*texts[:LACKING_SHOWN], *more])
