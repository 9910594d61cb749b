"""`RaftLogChecker`: checks the invariants of Raft's logs (§5.3, §5.4, Figure 3) on its own copy of every node's disk.

The checker computes by itself what is committed: an entry of term T is committed, with all entries before it, once a
quorum of the nodes held it on disk while their durable term was T, or acknowledged it in term T (an acknowledgement
may leave with the same write that already carries the next term).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.membership_checker import MembershipChecker, RecordedMembership, decides
from coterie.protocols.checking.raft_disk import AT_THE_BEGINNING, RaftDisk
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.quorums import Majority, Quorum
from coterie.protocols.raft.membership.group_facts import GroupFacts, changes_facts
from coterie.protocols.raft.membership.membership import Membership
from coterie.protocols.raft.raft_messages import HardState, LogWrite
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, LogPosition, Term

__all__ = ["RaftLogChecker"]

NONE = LogIndex(0)


class RaftLogChecker:
    """Maintains its own image of every disk, all votes ever cast on it, and the committed log.

    `quorum`: which voters may decide; None: more than half. `base`: the position at which the logs of all nodes begin.
    `follows_members`: the voters are those of the logs, in which stores are named like the nodes given here (`voters`
    are then all nodes of the run); report them with `lead_with`.
    """

    def __init__(
        self,
        voters: Sequence[NodeId],
        context: ViolationContext,
        *,
        quorum: Quorum | None = None,
        base: LogPosition = AT_THE_BEGINNING,
        follows_members: bool = False,
    ) -> None:
        self._context = context
        self._members = MembershipChecker(context)
        self._follows_members = follows_members
        self.quorum: Quorum = Majority(tuple(voters)) if quorum is None else quorum
        self.base = base
        self.disks = {voter: RaftDisk() for voter in voters}
        self.committed: list[Entry] = []
        """The committed entries after the base."""
        self._votes: dict[tuple[NodeId, Term], NodeId] = {}
        self._seen: dict[tuple[LogIndex, Term], tuple[Term | None, EntryKind, bytes, int]] = {}
        self._held: dict[Term, dict[NodeId, LogIndex]] = {}
        self._acknowledged = {voter: (Term(0), LogIndex(0)) for voter in voters}
        self._leaders: dict[Term, NodeId] = {}
        self._committed_up_to: list[tuple[Term, LogIndex]] = []

    def add(self, node: NodeId) -> None:
        """Maintain the image of one more disk, which is empty."""
        self.disks[node] = RaftDisk()
        self._acknowledged[node] = (Term(0), LogIndex(0))
        for held in self._held.values():
            held[node] = self.base.index

    @property
    def committed_index(self) -> LogIndex:
        """The index of the last committed entry, that of the base if there is none."""
        return LogIndex(self.base.index + len(self.committed))

    def committed_at(self, index: LogIndex) -> Entry | None:
        """Return the committed entry `index`; None if there is none."""
        place = index - self.base.index - 1
        return self.committed[place] if 0 <= place < len(self.committed) else None

    def vote(self, node: NodeId, term: Term) -> NodeId | None:
        """Return the candidate for which `node` has ever durably voted in `term`."""
        return self._votes.get((node, term))

    def term_before(self, index: LogIndex, term: Term) -> Term | None:
        """Return the term of the entry before entry `index` of `term`; None if that was never durable anywhere."""
        seen = self._seen.get((index, term))
        return None if seen is None else seen[0]

    def acknowledge(self, node: NodeId, term: Term, index: LogIndex) -> None:
        """Note that `node` has acknowledged to the leader of `term` all entries up to `index`, and holds them."""
        if (term, index) > self._acknowledged[node]:
            self._acknowledged[node] = (term, index)
            self._count(node, term, index)

    def lead(self, node: NodeId, term: Term) -> None:
        """Check the log of the newly elected leader of `term` (leader completeness, Raft §5.4.3)."""
        self._leaders[term] = node
        if self._follows_members:
            disk = self.disks[node]
            self.lead_with(node, term, [(index, disk.term_at(index), of) for index, of in _facts_of(disk).memberships])
        index = max((index for of_term, index in self._committed_up_to if of_term < term), default=self.base.index)
        self._check_completeness(node, term, index)

    def lead_with(
        self, node: NodeId, term: Term, memberships: Sequence[tuple[LogIndex, Term | None, Membership]]
    ) -> None:
        """Check the memberships (index, term, content) by which `node`, the leader of `term`, goes from now on."""
        if not self._follows_members:
            return
        recorded = [RecordedMembership(index, of_term or Term(0), content) for index, of_term, content in memberships]
        has_own = any(of_term == term for of_term, _ in self._committed_up_to)
        if self._members.report(node, term, recorded, self.committed_index, has_own) and term in self._held:
            held = self._held[term]
            holder = max(held, key=lambda each: held[each])
            self._commit(holder, self.disks[holder], term, self._held_by_quorum(term, held))

    def is_elected_by(self, node: NodeId, supporters: Collection[NodeId]) -> bool:
        """Return whether the votes of `supporters` make `node` a leader, given what is on its disk."""
        membership = _facts_of(self.disks[node]).known_membership if self._follows_members else None
        return self.quorum.is_quorum(supporters) if membership is None else decides(membership, supporters)

    def write(self, node: NodeId, write: LogWrite) -> None:
        """Check what has become durable at `node`."""
        disk = self.disks[node]
        if write.hard_state is not None:
            self._check_hard_state(node, disk.hard_state, write.hard_state)
        cut = [] if write.truncate_from is None else disk.entries_from(write.truncate_from)
        facts = _facts_of(disk)
        try:
            disk.write(write)
        except ValueError as error:
            self._context.fail("raft.log_contiguous", node, str(error))
        if facts.is_founded:
            self._check_facts(node, facts, disk, write)
        if cut:
            self._check_truncation(node, disk, cut)
        if write.drop_before is not None:
            self._check_snapshot(node, disk)
        if write.entries:
            self._check_matching(node, disk, write.entries)
            self._count(node, disk.hard_state.term, disk.last_index)

    def audit(self, lost_disks: Collection[NodeId]) -> None:
        """Check, on the disk images as they are, that every committed entry is on a quorum of them.

        `lost_disks`: nodes that lost their disks. They count as holders, because they never vote again.
        """
        lost, is_quorum = [node for node in self.disks if node in lost_disks], self._committed_quorum()
        remembering = {node: disk for node, disk in self.disks.items() if node not in lost_disks}
        for entry in self.committed:
            holders = [node for node, disk in remembering.items() if disk.holds(entry)]
            if not is_quorum([*holders, *lost]):
                detail = f"the committed entry {entry.index} is on the disks of {holders} only, without {lost}"
                self._context.fail("raft.commit_on_quorum", None, detail)

    def _committed_quorum(self) -> Callable[[Collection[NodeId]], bool]:
        """Return what says whether nodes may decide, by the last membership that is committed.

        Dissertation §4.1: a membership decides from where it is in the log on, so a quorum of it holds its entry, and
        with it all entries before.
        """
        if not self._follows_members:
            return self.quorum.is_quorum
        all_founders = [disk.hard_state.facts.founders for disk in self.disks.values()]
        changes = [entry.command for entry in self.committed if entry.kind is EntryKind.MEMBERSHIP]
        founders = next((each for each in all_founders if each is not None), None)
        membership = Membership.decode(changes[-1]) if changes else founders
        return self.quorum.is_quorum if membership is None else partial(decides, membership)

    def _check_hard_state(self, node: NodeId, old: HardState, new: HardState) -> None:
        if new.term < old.term:
            self._context.fail("raft.term_monotone", node, f"the durable term fell from {old.term} to {new.term}")
        if new.term == old.term and old.voted_for is not None and new.voted_for != old.voted_for:
            detail = f"in term {new.term} the durable vote changed from {old.voted_for} to {new.voted_for}"
            self._context.fail("raft.vote_once", node, detail)
        if new.voted_for is not None:
            self._votes[node, new.term] = new.voted_for

    def _check_facts(self, node: NodeId, facts: GroupFacts, disk: RaftDisk, write: LogWrite) -> None:
        """The register says what the log says: members and schemas follow the entries, also when these are dropped."""
        if write.truncate_from is not None:
            facts = facts.truncated_from(write.truncate_from)
        for entry in write.entries:
            if changes_facts(entry):
                facts = facts.with_entry(entry)
        found = _facts_of(disk)
        if write.drop_before is not None:
            facts = self._facts_with_snapshot(facts, found, disk, is_new_log=write.truncate_from is not None)
        committed = found.committed_schema
        if not facts.committed_schema <= committed <= self.committed_index:
            detail = f"the register says that a schema is committed at {committed}: {facts.committed_schema} before"
            self._context.fail("raft.register_follows_log", node, detail)
        if found != replace(facts, committed_schema=committed):
            detail = f"the register has {_summary(found)}, the log {_summary(facts)}"
            self._context.fail("raft.register_follows_log", node, detail)

    def _facts_with_snapshot(
        self, facts: GroupFacts, found: GroupFacts, disk: RaftDisk, *, is_new_log: bool
    ) -> GroupFacts:
        """Return the facts that the register must have once a snapshot takes the place of entries.

        A snapshot that was fetched brings those of its position, without a history of them; an own one changes nothing.
        """
        position = LogPosition(LogIndex(0)) if found.snapshot is None else found.snapshot.position
        if not is_new_log and found.base != position and found.membership_index == facts.membership_index:
            return replace(facts, base=found.base, snapshot=found.snapshot)
        expected = self.facts_at(found, position.index)
        for entry in disk.entries_from(position.index + 1):
            expected = expected.with_entry(entry)
        same = (found.membership, found.membership_index, found.schemas[:1], found.schemas[-1:])
        if same == (expected.membership, expected.membership_index, expected.schemas[:1], expected.schemas[-1:]):
            return replace(found, committed_schema=min(found.committed_schema, self.committed_index))
        return expected

    def facts_at(self, facts: GroupFacts, index: LogIndex) -> GroupFacts:
        """Return the facts of the group at a committed entry, computed from its founding; `facts` say which group."""
        if facts.founders is None:
            return facts
        past = GroupFacts(facts.incarnation, facts.founders, self.base, ((LogIndex(0), facts.founders),))
        for entry in self.committed[: max(0, index - self.base.index)]:
            past = past.with_entry(entry)
        return past

    def _check_snapshot(self, node: NodeId, disk: RaftDisk) -> None:
        """A snapshot covers what goes, and holds what is committed."""
        snapshot, base = disk.hard_state.facts.snapshot, disk.base
        if snapshot is None or snapshot.position.index < base.index:
            self._context.fail("raft.snapshot_covers", node, f"entries up to {base} are dropped, but has {snapshot}")
        for position in (base, snapshot.position):
            entry = self.committed_at(position.index)
            is_right = position == self.base or (entry is not None and entry.term == position.term)
            if not is_right:
                detail = f"{position} of {snapshot} is not committed: {entry}"
                self._context.fail("raft.snapshot_committed", node, detail)

    def _check_truncation(self, node: NodeId, disk: RaftDisk, cut: Sequence[Entry]) -> None:
        for entry in cut:
            was_committed = entry == self.committed_at(entry.index)
            if was_committed and not disk.holds(entry):
                detail = f"the committed entry {entry.index} was truncated, from {cut[0].index} on"
                self._context.fail("raft.commit_kept", node, detail)
        term, acknowledged = self._acknowledged[node]
        if term == disk.hard_state.term and disk.last_index < acknowledged and disk.base.index < acknowledged:
            detail = f"entry {acknowledged} was acknowledged in term {term} and truncated in it, from {cut[0].index} on"
            self._context.fail("raft.acknowledgement_kept", node, detail)

    def _check_matching(self, node: NodeId, disk: RaftDisk, entries: Sequence[Entry]) -> None:
        # Raft §5.3: equal index and term mean equal entries and equal predecessors; by induction, equal logs.
        previous = disk.term_at(entries[0].index - 1)
        for entry in entries:
            content = (previous, entry.kind, entry.command, entry.stamp_ms)
            if self._seen.setdefault((entry.index, entry.term), content) != content:
                detail = f"entry {entry.index} of term {entry.term} differs between two logs, or follows another one"
                self._context.fail("raft.log_matching", node, detail)
            if entry.kind is EntryKind.MEMBERSHIP:
                self._members.wrote(node, entry)
            previous = entry.term

    def _count(self, node: NodeId, term: Term, index: LogIndex) -> None:
        disk = self.disks[node]
        if disk.term_at(index) != term:
            return  # Raft §5.4.2: entries of earlier terms are never committed by counting
        held = self._held.get(term)
        if held is None:
            held = self._held[term] = dict.fromkeys(self.disks, self.base.index)
        if index > held[node]:
            held[node] = index
            self._commit(node, disk, term, self._held_by_quorum(term, held))

    def _held_by_quorum(self, term: Term, held: Mapping[NodeId, LogIndex]) -> LogIndex:
        """Return the highest index that a quorum has reached (not with the function that the algorithm uses).

        An entry counts under the members that were effective where it is in the log of the leader of `term`, or under
        later ones: those follow only once the earlier ones are committed.
        """
        recorded = self._members.of(term)
        if not recorded:
            return _highest(held, self.quorum.is_quorum)
        ends = [LogIndex(later.position - 1) for later in recorded[1:]]
        reached = [_highest(held, partial(decides, each.membership)) for each in recorded]
        return max(reached[-1], *map(min, reached[:-1], ends)) if ends else reached[-1]

    def _commit(self, node: NodeId, disk: RaftDisk, term: Term, index: LogIndex) -> None:
        index = min(index, disk.last_index)
        known = min(self.committed_index, index)
        entry = self.committed_at(known)
        if entry is not None and not disk.holds(entry):
            detail = f"entry {known} was committed in term {entry.term} and again differently"
            self._context.fail("raft.state_machine_safety", node, detail)
        if index == known:
            return
        self.committed += disk.entries_from(known + 1)[: index - known]
        self._committed_up_to.append((term, index))
        for later, leader in self._leaders.items():
            if later > term:
                self._check_completeness(leader, later, index)

    def _check_completeness(self, node: NodeId, term: Term, index: LogIndex) -> None:
        entry = self.committed_at(index)
        if entry is not None and not self.disks[node].holds(entry):
            detail = f"the leader of term {term} lacks entry {index}, committed in an earlier term"
            self._context.fail("raft.leader_completeness", node, detail)


def _highest(held: Mapping[NodeId, LogIndex], is_quorum: Callable[[Collection[NodeId]], bool]) -> LogIndex:
    reached = sorted(held.values(), reverse=True)
    return next((index for index in reached if is_quorum([node for node in held if held[node] >= index])), NONE)


def _facts_of(disk: RaftDisk) -> GroupFacts:
    """Return the facts in the register of `disk`, as far as its log goes: an entry may follow its register's write."""
    return disk.hard_state.facts.truncated_from(LogIndex(disk.last_index + 1))


def _summary(facts: GroupFacts) -> str:
    memberships = [index for index, _ in facts.memberships]
    return f"memberships {memberships}, schemas {[index for index, _ in facts.schemas]}, base {facts.base}"
