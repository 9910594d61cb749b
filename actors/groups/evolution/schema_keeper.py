"""`SchemaKeeper`: one replica's part in the evolution of its group: records, follows, checks and activates schemas.

Execute ─▶ check ─▶ log            leader: what is not active is refused before it is in the log
letters ─▶ heard, advance ─▶ log   leader: the first schema, and a newer one once all voters have it
log ─▶ changed, adopt ─▶ machine   every replica: what the log has, and what its machine follows
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from coterie.actors.groups.evolution.group_schemas import CannotFollow, GroupSchemas
from coterie.actors.groups.evolution.proposal_check import Checked, ProposalCheck
from coterie.actors.groups.evolution.schema_leadership import SchemaLeadership
from coterie.actors.groups.group_messages import CodeReport, NotActivated, SchemaActivated
from coterie.protocols.evolution.revisions import Revision
from coterie.protocols.evolution.schema_text import SchemaHash, schema_hash
from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.role import RaftRole
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, Term
from coterie.runtime.observing.error_texts import loggable

__all__ = ["SchemaKeeper"]

NO_SCHEMA: Final = "the machine of this group has no schema"


class SchemaKeeper:
    """The schemas of one replica, for one life of its actor.

    Args:
        raft: the node of this replica.
        machine: its machine.
        node: its name.
        activate_after_s: the bake time, see `SchemaLeadership`.
        propose: puts the content of a schema entry into the log of this leader; returns the reference of the proposal.
        log: the actor's log.
    """

    def __init__(
        self,
        raft: Raft,
        machine: object,
        node: str,
        activate_after_s: float | None,
        *,
        propose: Callable[[bytes], int],
        log: Any,
    ) -> None:
        self._raft = raft
        self._node = node
        self._propose = propose
        self._log = log
        self._why_not_followed: str | None = None
        self._schemas = GroupSchemas(machine)
        self._leadership = SchemaLeadership(self._schemas, node, activate_after_s, log)
        self._check = ProposalCheck(
            self._schemas, lambda: self._leadership.waiting_for(self._voters), self._why_lacking
        )
        self._term = Term(0)
        self._proposed: int | None = None
        self._activations: list[Callable[[SchemaActivated | NotActivated], None]] = []
        self.changed()

    @property
    def hash(self) -> SchemaHash:
        """The hash of what this code is."""
        return self._schemas.hash

    @property
    def active(self) -> Revision | None:
        """The revision that the machine follows."""
        return self._schemas.active

    @property
    def code_version(self) -> int:
        """The version of this code; 0: its machine has no schema."""
        return 0 if self._schemas.code is None else self._schemas.code.version

    @property
    def _voters(self) -> tuple[str, ...]:
        return self._raft.facts.known_voters

    # --- every replica ----------------------------------------------------------------------------------------------

    def changed(self) -> None:
        """Note what the log has: at the start, and when the facts of the group have changed."""
        self._schemas.follow(self._raft.facts)

    def why_quarantined(self) -> str | None:
        """Return why this code cannot follow what is known to be committed; None: it can."""
        return self._schemas.why_not_committed_followed()

    def adopt(self, entry: Entry) -> None:
        """Let the machine follow the schema of an entry. CannotFollow if it cannot."""
        try:
            self._schemas.adopt(entry)
        except CannotFollow as error:
            self._why_not_followed = str(error)
            if (cause := error.__cause__) is not None:
                self._log.error("group.migrate_failed", index=entry.index, error=str(error), exc_info=loggable(cause))
            raise
        if self._schemas.active is not None:
            version = self._schemas.active.schema.version
            self._settle(SchemaActivated(self._schemas.active.number, version, entry.index))

    def adopt_at(self, index: LogIndex) -> None:
        """Let a machine that begins anew follow the schema that was active at `index`. CannotFollow if it cannot."""
        past = [each for each in self._raft.facts.schemas if each[0] <= index]
        if past:
            at, content = past[-1]
            self.adopt(Entry(at, Term(0), EntryKind.SCHEMA, content))

    def report(self) -> CodeReport:
        """Return what this code is."""
        code = self._schemas.code
        recorded = tuple(content for _, content in self._raft.facts.schemas)
        return CodeReport(self._node, b"" if code is None else Revision(1, code).encode(), recorded)

    # --- the leader -------------------------------------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """Whether commands may be proposed: the log says which ones there are, and this code has them."""
        return self._check.is_ready

    def check(self, command: bytes) -> Checked | None:
        """Return what is left of an encoded command or batch; None: all of it may be proposed."""
        return self._check.check(command)

    def heard(self, node: str, schema: SchemaHash) -> None:
        """Note what the code on `node` is."""
        self._leadership.heard(node, schema)

    def elected_since(self) -> bool:
        """Return True once after each election of this node: what was heard of the others is to be heard again."""
        if self._raft.role is not RaftRole.LEADER or self._term == self._raft.term:
            return False
        self._term, self._proposed = self._raft.term, None
        self._leadership.elected()
        return True

    def advance(self, now: float) -> None:
        """Record the first schema, or a newer one that is due, if this node leads (`now`: monotonic, s)."""
        if self._raft.role is not RaftRole.LEADER:
            if self._activations:
                self._settle(NotActivated("it no longer leads", self._raft.leader, is_certain=False))
            return
        if self._schemas.next_payload is None or self._proposed is not None:
            return
        if self._schemas.last is None:
            self._proposed = self._propose(self._schemas.next_payload)
        elif self._is_last_committed and (due := self._leadership.due(self._voters, now)) is not None:
            self._proposed = self._propose(due)

    def activate(self, answer: Callable[[SchemaActivated | NotActivated], None]) -> None:
        """Make the schema of this code active, if all voters have it; `answer` is called with what came of it.

        If it is active already, as after an answer that was lost, the answer says so again; unless others run newer
        code: then nothing was activated, and it is the leader that is to be restarted.
        """
        if (active := self._active_already) is not None:
            behind = self._leadership.why_behind(self._voters)
            answer(active if behind is None else NotActivated(behind, self._node))
            return
        reason, is_certain = self._why_not_activated()
        if reason is not None:
            answer(NotActivated(reason, self._raft.leader, is_certain=is_certain))
            return
        self._activations.append(answer)
        if self._proposed is None and self._schemas.next_payload is not None:
            self._proposed = self._propose(self._schemas.next_payload)

    def rejected(self, ref: int, *, is_certain: bool) -> None:
        """Note that a proposal, perhaps of this object, was rejected; not `is_certain`: it may still be committed."""
        if ref == self._proposed:
            self._proposed = None
            reason = "the schema could not be put into the log" if is_certain else "the leader lost track of the schema"
            self._settle(NotActivated(f"{reason}: ask again", self._raft.leader, is_certain=is_certain))

    def recorded(self, ref: int) -> None:
        """Note that the entry of a proposal was applied; it may be one of this object."""
        if ref == self._proposed:
            self._proposed = None

    @property
    def _active_already(self) -> SchemaActivated | None:
        last, facts = self._schemas.last, self._raft.facts
        if last is None or self._raft.role is not RaftRole.LEADER or not self._is_last_committed:
            return None
        if schema_hash(last.schema) != self.hash:
            return None
        return SchemaActivated(last.number, last.schema.version, facts.schema_index)

    def _why_lacking(self) -> str:
        return self._leadership.why_lacking(self._voters)

    def _why_not_activated(self) -> tuple[str | None, bool]:
        """Return why this code's schema cannot be put into the log now, and whether it is sure not to be in it."""
        if self._raft.role is not RaftRole.LEADER:
            stays_behind = self._why_not_followed
            return "this node does not lead" if stays_behind is None else f"it is in quarantine: {stays_behind}", True
        if self._schemas.code is None:
            return NO_SCHEMA, True
        if self._schemas.next_payload is None or not self._is_last_committed:
            return "the last schema is not committed yet: ask again", False  # perhaps it is this very one
        held_up_by = self._leadership.held_up_by(self._voters)
        return ", ".join(held_up_by) or None, True

    @property
    def _is_last_committed(self) -> bool:
        return self._raft.facts.schema_index <= self._raft.commit_index

    def _settle(self, outcome: SchemaActivated | NotActivated) -> None:
        answers, self._activations = self._activations, []
        for answer in answers:
            answer(outcome)
