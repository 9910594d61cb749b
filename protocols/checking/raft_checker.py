"""`RaftChecker`: checks Raft's invariants, and that no message leaves before the state it reports is on disk.

The invariants are those of Raft Figure 3.

| invariant | broken when |
| --- | --- |
| `raft.election_safety` | a term has two leaders, or one in two lives |
| `raft.election_quorum` | a node leads without durable votes of a quorum in its term |
| `raft.leader_append_only` | a leader sends two different entries for one index in its term |
| `raft.log_matching` | two disks hold different entries, or different predecessors, under one index and term |
| `raft.log_contiguous` | a write leaves a gap in the log |
| `raft.register_follows_log` | members or schemas in a disk's register are not those of the entries in its log |
| `raft.leader_completeness` | a leader lacks an entry that was committed in an earlier term |
| `raft.state_machine_safety` | two nodes, or two lives, apply different entries at one index |
| `raft.apply_order` | a life skips or repeats an index |
| `raft.commit_durable` | an entry is applied or announced that is not on a quorum of the disks |
| `raft.commit_kept` | a disk loses a committed entry |
| `raft.commit_on_quorum` | an audit of the disk images finds a committed entry on less than a quorum of them |
| `raft.acknowledgement_kept` | a disk loses an acknowledged entry within the term of the acknowledgement |
| `raft.term_monotone`, `raft.vote_once` | a durable term falls; a durable vote changes within its term |
| `raft.term_ahead_of_disk` | a message carries a term that is not durable at its sender |
| `raft.vote_ahead_of_disk` | a vote request, a granted vote or a leadership is sent without its vote on disk |
| `raft.append_ahead_of_disk` | a success is sent for entries that are not on disk, or differ there from the leader's |
| `raft.round_monotone` | a leader's round falls within its term, or begins below 1 |
| `raft.snapshot_covers` | entries are dropped that no durable snapshot covers |
| `raft.snapshot_committed` | a snapshot is of what is not committed, or sets a state machine back |
| `raft.round_repeated` | a success carries a round that its leader has not sent to this node |
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.raft_disk import AT_THE_BEGINNING, RaftDisk
from coterie.protocols.checking.raft_log_checker import RaftLogChecker
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.quorums import Quorum
from coterie.protocols.raft.membership.membership import Membership
from coterie.protocols.raft.raft_messages import (
    AppendEntries,
    AppendEntriesReply,
    LogSuffix,
    LogWrite,
    PreVote,
    PreVoteReply,
    RaftMessage,
    ReadLog,
    RequestVote,
    RequestVoteReply,
    Round,
)
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.raft.snapshots.snapshot_messages import Chunk, InstallSnapshot, ReadChunk
from coterie.protocols.replicated_log import Entry, LogIndex, LogPosition, Term

__all__ = ["RaftChecker"]


class RaftChecker:
    """Checks one group from outside. Report every event, in order; `context` supplies the current step and time.

    `quorum`: which voters may decide; None: more than half. `follows_members`: see `RaftLogChecker`. A message must be
    reported before any write that became durable after it left.
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
        self._log = RaftLogChecker(voters, context, quorum=quorum, base=base, follows_members=follows_members)
        self._life_of_leader: dict[Term, tuple[NodeId, int]] = {}
        self._leader_log: dict[Term, dict[LogIndex, Term]] = {}
        self._round_sent: dict[Term, dict[NodeId, Round]] = {}
        self._life = {voter: (voter, 0) for voter in voters}
        self._applied = dict.fromkeys(voters, base.index)
        self._executed: list[Entry] = []

    def add(self, node: NodeId) -> None:
        """Check one more node from now on, whose disk is empty: one that joins while the run goes on."""
        self._log.add(node)
        self._life[node] = (node, 0)
        self._applied[node] = self._log.base.index

    @property
    def committed(self) -> Sequence[Entry]:
        """The committed entries after the base, as the checker computes them."""
        return self._log.committed

    @property
    def committed_index(self) -> LogIndex:
        """The index of the last committed entry, that of the base if there is none."""
        return self._log.committed_index

    def committed_at(self, index: LogIndex) -> Entry | None:
        """Return the committed entry `index`; None if there is none."""
        return self._log.committed_at(index)

    def disk(self, node: NodeId) -> RaftDisk:
        """Return the checker's own image of a disk. Do not modify it."""
        return self._log.disks[node]

    def applied_index(self, node: NodeId) -> LogIndex:
        """Return the last index that the current life of `node` has applied."""
        return self._applied[node]

    def started(self, node: NodeId) -> None:
        """Note that a new life of `node` begins, with an empty state machine."""
        self._life[node] = (node, self._life[node][1] + 1)
        self._applied[node] = self._log.base.index

    def wrote(self, node: NodeId, write: LogWrite) -> None:
        """Check a write that has become durable at `node`."""
        self._log.write(node, write)

    def led(self, node: NodeId, term: Term) -> None:
        """Check that `node` may act as the leader of `term`."""
        me = self._life[node]
        known = self._life_of_leader.get(term)
        if known is me:
            return
        if known is not None:
            self._context.fail("raft.election_safety", node, f"term {term} already has a leader: {known[0]}")
        if self._log.vote(node, term) != node:
            self._context.fail("raft.vote_ahead_of_disk", node, f"leads term {term} without its own vote on disk")
        self._life_of_leader[term] = me
        self._log.lead(node, term)
        self._check_elected(node, term)

    def led_with(
        self, node: NodeId, term: Term, memberships: Sequence[tuple[LogIndex, Term | None, Membership]]
    ) -> None:
        """Check the memberships (index, term, content) by which the leader of `term` goes; see `MembershipChecker`."""
        self._log.lead_with(node, term, memberships)

    def applied(self, node: NodeId, entry: Entry) -> None:
        """Check that the state machine of `node` may execute `entry` next."""
        index, executed = entry.index, self._executed
        if index != self._applied[node] + 1:
            self._context.fail("raft.apply_order", node, f"{index} is applied after {self._applied[node]}")
        self._applied[node] = index
        place = index - self._log.base.index - 1
        if place >= len(executed):
            executed.append(entry)
        elif entry != executed[place]:
            detail = f"entry {index} is {entry}, elsewhere it was {executed[place]}"
            self._context.fail("raft.state_machine_safety", node, detail)
        if index > self._log.committed_index:
            self._fail_uncommitted(node, index, "applied")
        if entry != self._log.committed[place]:
            self._context.fail("raft.state_machine_safety", node, f"entry {index} is not the committed one")

    def restored(self, node: NodeId, snapshot: SnapshotId) -> None:
        """Check that the state machine of `node` may begin from `snapshot`, and note that it does."""
        index, term = snapshot.position
        entry = self._log.committed_at(index)
        if entry is None or entry.term != term or index < self._applied[node]:
            detail = f"the machine goes from {self._applied[node]} to {snapshot}, but committed is {entry}"
            self._context.fail("raft.snapshot_committed", node, detail)
        self._applied[node] = index

    def sent(self, node: NodeId, to: NodeId, message: RaftMessage) -> None:
        """Check a message that leaves `node` for `to`, against what is durable at `node`."""
        match message:
            case AppendEntries():
                self._check_term(node, message.term)
                self.led(node, message.term)
                self._check_append_only(node, message)
                self._check_round(node, to, message)
                if message.leader_commit > self._log.committed_index:
                    self._fail_uncommitted(node, message.leader_commit, "announced")
            case AppendEntriesReply():
                self._check_term(node, message.term)
                if message.success:
                    self._check_acknowledgement(node, message)
                    self._check_repeated_round(node, message)
            case InstallSnapshot():
                self._check_offer(node, to, message)
            case ReadChunk() | Chunk() | ReadLog() | LogSuffix():
                self._check_term(node, message.term)
            case RequestVote():
                self._check_vote(node, message.term, node)
                self._check_term(node, message.term)
            case RequestVoteReply():
                if message.granted:
                    self._check_vote(node, message.term, to)
                self._check_term(node, message.term)
            case PreVote():
                self._check_term(node, Term(message.term - 1))  # it asks about the term after the sender's own
            case PreVoteReply() if not message.granted:  # a grant repeats the requested term, which has not begun
                self._check_term(node, message.term)

    def audit(self, lost_disks: Collection[NodeId] = ()) -> None:
        """Check, on the disk images as they are now, that every committed entry is on a quorum of them.

        The quorum is that of the members in the last membership entry that is committed, if members are followed.
        It takes time in proportion to the logs: call it at the end of a run. `lost_disks`: nodes whose disks are
        wiped, rotted or stale. They count as holders, because they never vote again.
        """
        self._log.audit(lost_disks)

    def _check_elected(self, node: NodeId, term: Term) -> None:
        supporters = [voter for voter in self._life if self._log.vote(voter, term) == node]
        if not self._log.is_elected_by(node, supporters):
            self._context.fail("raft.election_quorum", node, f"leads term {term} with the votes of {supporters} only")

    def _check_term(self, node: NodeId, term: Term) -> None:
        durable = self._log.disks[node].hard_state.term
        if term > durable:
            self._context.fail("raft.term_ahead_of_disk", node, f"sends term {term}, but {durable} is durable")

    def _check_vote(self, node: NodeId, term: Term, candidate: NodeId) -> None:
        vote = self._log.vote(node, term)
        if vote != candidate:
            detail = f"sends its vote for {candidate} in term {term}, but {vote} is durable"
            self._context.fail("raft.vote_ahead_of_disk", node, detail)

    def _check_offer(self, node: NodeId, to: NodeId, message: InstallSnapshot) -> None:
        self._check_term(node, message.term)
        self.led(node, message.term)
        self._check_round(node, to, message)
        index = message.snapshot.position.index
        if index > self._log.committed_index:
            self._fail_uncommitted(node, index, "offered in a snapshot")

    def _check_append_only(self, node: NodeId, message: AppendEntries) -> None:
        leader_log = self._leader_log.get(message.term)
        if leader_log is None:
            leader_log = self._leader_log[message.term] = {}
        known_term = leader_log.setdefault(message.prev_log_index, message.prev_log_term)
        if known_term != message.prev_log_term:
            self._fail_append_only(node, message.term, message.prev_log_index)
        for entry in message.entries:
            if leader_log.setdefault(entry.index, entry.term) != entry.term:
                self._fail_append_only(node, message.term, entry.index)

    def _fail_append_only(self, node: NodeId, term: Term, index: LogIndex) -> None:
        self._context.fail("raft.leader_append_only", node, f"in term {term} the leader changed its entry {index}")

    def _check_acknowledgement(self, node: NodeId, reply: AppendEntriesReply) -> None:
        index = reply.match_index
        verified = self._leader_term_at(reply.term, index)
        entry = self._log.committed_at(index)
        if verified is None and entry is not None:
            verified = entry.term  # Raft §5.4.3, Leader Completeness: it may never have been sent, only a snapshot
        disk = self._log.disks[node]
        durable = verified if index < disk.base.index else disk.term_at(index)  # it is committed, and in a snapshot
        if durable is None or durable != verified:
            detail = f"acknowledges entry {index} of term {verified} in term {reply.term}; durable is term {durable}"
            self._context.fail("raft.append_ahead_of_disk", node, detail)
        self._log.acknowledge(node, reply.term, index)

    def _leader_term_at(self, term: Term, index: LogIndex) -> Term | None:
        """Return the term of entry `index` in the log of the leader of `term`, as far as it can be known.

        It is known for what the leader has sent, and below that by Log Matching (Raft §5.3): an entry that was ever
        durable determines the one before it.
        """
        leader_log = self._leader_log.get(term)
        if leader_log is None:
            return None
        if index in leader_log:
            return leader_log[index]
        above = min((sent for sent in leader_log if sent > index), default=index)
        of_term = leader_log.get(above)
        while above > index and of_term is not None:
            of_term = leader_log.get(LogIndex(above - 1), self._log.term_before(above, of_term))
            above = LogIndex(above - 1)
        return of_term

    def _check_round(self, node: NodeId, to: NodeId, message: AppendEntries | InstallSnapshot) -> None:
        sent = self._round_sent.setdefault(message.term, {})
        latest = max(sent.values(), default=1)
        if message.round < latest:
            detail = f"in term {message.term} the leader's round fell from {latest} to {message.round}"
            self._context.fail("raft.round_monotone", node, detail)
        sent[to] = Round(message.round)

    def _check_repeated_round(self, node: NodeId, reply: AppendEntriesReply) -> None:
        latest = self._round_sent.get(reply.term, {}).get(node, Round(0))
        if not 1 <= reply.round <= latest:
            detail = f"answers round {reply.round} of term {reply.term}; the latest one sent to it is {latest}"
            self._context.fail("raft.round_repeated", node, detail)

    def _fail_uncommitted(self, node: NodeId, index: LogIndex, what: str) -> None:
        detail = f"entry {index} is {what}, but only those up to {self._log.committed_index} are on a quorum of disks"
        self._context.fail("raft.commit_durable", node, detail)
