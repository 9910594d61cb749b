"""`Leadership`: leads one term: replicates and commits entries, checks that a quorum answers (Raft §5.3, §5.4.2)."""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import highest_matched
from coterie.protocols.raft.durability import Durability
from coterie.protocols.raft.entry_loading import EntryLoading
from coterie.protocols.raft.membership.electorate import Electorate, is_placeholder
from coterie.protocols.raft.membership.farewells import Farewells
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_effects import Outbox
from coterie.protocols.raft.raft_log import RaftLog, cut
from coterie.protocols.raft.raft_messages import AppendEntries, AppendEntriesReply, Round
from coterie.protocols.raft.raft_observations import (
    COMMIT_RESUMED,
    COMMIT_STALLED,
    CONFLICT_FOUND,
    ENTRIES_LOST,
    MESSAGE_DISCARDED,
    SNAPSHOT_NEEDED,
)
from coterie.protocols.raft.replication.commit_watch import CommitChange, CommitWatch
from coterie.protocols.raft.replication.progress import Progress
from coterie.protocols.raft.snapshots.snapshot_messages import InstallSnapshot
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, Term

__all__ = ["Leadership"]

BEFORE_THE_FIRST = Term(0)


class Leadership:
    """The state and actions of a leader in one term: made when it wins the election, dropped when it steps down.

    Args:
        node_id: the key of this node.
        term: the term it leads.
        now: the moment of the election, monotonic s.
        config: the group's configuration.
        electorate: the members of the group, as this node sees them.
        log, durability, loading, outbox: this node's.
    """

    __slots__ = (
        "_commit_watch",
        "_config",
        "_durability",
        "_electorate",
        "_farewells",
        "_loading",
        "_log",
        "_node_id",
        "_outbox",
        "_progress_by_peer",
        "_round_before_period",
        "check_quorum_deadline",
        "heartbeat_deadline",
        "round",
        "term",
    )

    def __init__(
        self,
        node_id: NodeId,
        term: Term,
        *,
        now: float,
        config: RaftConfig,
        electorate: Electorate,
        log: RaftLog,
        durability: Durability,
        loading: EntryLoading,
        outbox: Outbox,
    ) -> None:
        self._node_id = node_id
        self.term = term
        self._config = config
        self._electorate = electorate
        self._log = log
        self._durability = durability
        self._loading = loading
        self._outbox = outbox
        self._progress_by_peer: dict[NodeId, Progress] = {}
        self._farewells = Farewells(config.election_timeout_max_s)
        self.follow_members()
        self.round = Round(1)
        """The present round; every message carries it."""
        self._round_before_period = Round(0)
        self._commit_watch = CommitWatch(now, config.commit_stalled_after_s)
        self.heartbeat_deadline = now + config.heartbeat_interval_s
        self.check_quorum_deadline = now + config.election_timeout_max_s

    def follow_members(self) -> None:
        """Track the present members, and those that have just left: a store that has become known begins anew."""
        next_index = LogIndex(self._log.last_index + 1)
        present = {
            peer: self._progress_by_peer.get(peer) or Progress(peer, next_index, self._config)
            for peer in self._electorate.peers
        }
        for peer in present:
            self._farewells.forget(peer)
        for peer, progress in self._progress_by_peer.items():
            if peer not in present and not is_placeholder(peer):
                self._farewells.begin(peer, self._log.last_index)  # the membership entry, which was just appended
                present[peer] = progress
        self._progress_by_peer = present

    def append(self, kind: EntryKind, command: bytes, stamp_ms: int) -> LogIndex:
        """Append an entry of this term to this node's log; `replicate` sends it, in parallel with the local write."""
        entry = Entry(LogIndex(self._log.last_index + 1), self.term, kind, command, stamp_ms)
        self._log.append(entry)
        self._durability.append(entry)
        return entry.index

    # Committing.

    def advance_commit(self) -> None:
        """Commit what a quorum has, if §5.4.2 allows."""
        log = self._log
        if log.commit_index == log.last_index:
            return  # as it mostly is when a heartbeat is answered
        matched = self.highest_replicated()
        if matched > log.commit_index and self.may_commit(matched):
            log.commit_to(matched)

    @property
    def waits_for_own_disk(self) -> bool:
        """Whether this node's own write may complete a quorum: a peer has more than is committed, or is not needed."""
        commit_index = self._log.commit_index
        for progress in self._progress_by_peer.values():
            if progress.match_index > commit_index:
                return True
        return self._electorate.quorum.is_quorum((self._node_id,))

    def highest_replicated(self) -> LogIndex:
        """Return the highest index that is durable on a quorum. This node counts as far as its own disk does."""
        index_by_member = {
            peer: progress.match_index
            for peer, progress in self._progress_by_peer.items()
            if not progress.has_lost_entries
        }
        index_by_member[self._node_id] = self._durability.durable_index
        return highest_matched(self._electorate.quorum, index_by_member)

    def may_commit(self, index: LogIndex) -> bool:
        """Return whether `index` may be committed by counting: only entries of its own term (Raft §5.4.2, Figure 8)."""
        return self._log.term_at(index) == self.term

    # Replicating.

    def replicate(self) -> None:
        """Send every follower the entries that it lacks, as far as its limits of unanswered entries allow."""
        last_index = self._log.last_index
        for progress in self._progress_by_peer.values():
            while progress.next_index <= last_index and progress.has_room:
                if not self._send_next(progress):
                    break

    def heartbeat(self, now: float) -> None:
        """Begin a round: send every follower an empty AppendEntries (Raft §5.2).

        The previous entry is the last one sent: a lost message shows as a refusal, a lost answer as a success.
        """
        self.round = Round(self.round + 1)
        self.heartbeat_deadline = now + self._config.heartbeat_interval_s
        for peer in self._farewells.take_ended(self._progress_by_peer, self._log.commit_index, self.round, now):
            del self._progress_by_peer[peer]
        for progress in self._progress_by_peer.values():
            self._send(progress, ())
            if progress.needs_snapshot:
                self._offer_snapshot(progress)
        self._report_commit_change(now)

    def handle_append_entries_reply(self, peer: NodeId, reply: AppendEntriesReply) -> None:
        """Take a follower's answer of this term (Raft Figure 2, "Leaders"). The next `replicate` acts on it."""
        if not self.is_plausible(reply):
            self._outbox.observe(MESSAGE_DISCARDED, sender=peer, term=reply.term)
            return
        progress = self._progress_by_peer[peer]
        progress.answered(reply.round)
        progress.told_room(reply.round, is_short=reply.is_short)
        refused = reply.prev_log_index
        if reply.success:
            progress.matched(reply.match_index, reply.prev_log_index, self.round)
        elif progress.proves_loss(refused, reply.round):
            self._exclude(progress, refused)
        elif not progress.is_stale_refusal(refused):
            self._back_up(progress, reply)

    def is_plausible(self, reply: AppendEntriesReply) -> bool:
        """Return whether a message of this leadership can have this answer: no claim of a peer may lead beyond it."""
        last_index = self._log.last_index
        return (
            1 <= reply.round <= self.round
            and 0 <= reply.prev_log_index <= last_index
            and 0 <= reply.match_index <= last_index
        )

    def loaded(self, peer: NodeId, entries: tuple[Entry, ...]) -> None:
        """Send entries that were read for `peer`, if they still are the next ones and its limits allow."""
        progress = self._progress_by_peer.get(peer)
        if progress is None or progress.is_probing or entries[0].index != progress.next_index:
            return
        if progress.has_room:
            self._send_entries(progress, cut(entries[: progress.room_entries], self._limit_bytes(progress)))

    def next_index_after(self, reply: AppendEntriesReply) -> LogIndex:
        """Return where to probe next after a refusal: just after the last place at which the logs may agree.

        That is below the refused place, so every refusal makes progress.
        """
        return LogIndex(self._log.last_agreeing(reply.hints, below=reply.prev_log_index) + 1)

    # Snapshots (Raft §7).

    def log_compacted(self) -> None:
        """Offer the snapshot to followers whose next entry is gone; probes go on from the first entry that is left."""
        for progress in self._progress_by_peer.values():
            if progress.next_index <= self._log.base.index:
                self._need_snapshot(progress)

    def asked_for_chunk(self, peer: NodeId, digest: bytes, offset: int) -> None:
        """Note how far `peer` is in fetching a snapshot."""
        if (progress := self._progress_by_peer.get(peer)) is not None:
            progress.asked_for_chunk(digest, offset)

    # Check-quorum.

    def highest_answered_round(self) -> Round:
        """Return the highest round that a quorum (with this node) has answered; 0 if none.

        So no other node had been elected in a newer term when that round began.
        """
        round_by_member = {
            peer: progress.answered_round
            for peer, progress in self._progress_by_peer.items()
            if not progress.has_lost_entries
        }
        round_by_member[self._node_id] = self.round
        return highest_matched(self._electorate.quorum, round_by_member)

    def has_quorum_answered(self, now: float) -> bool:
        """Return whether a quorum has answered a round that began since the last such check; begin a new period.

        Answers of older rounds that come late show nothing: their senders may have left since.
        """
        has_answered = self.highest_answered_round() > self._round_before_period
        self.check_quorum_deadline = now + self._config.election_timeout_max_s
        self._round_before_period = self.round
        return has_answered

    # Transfer of leadership (dissertation §3.10).

    def successors(self) -> list[NodeId]:
        """Return the voters that could lead next, those that are furthest first: they have answered lately."""
        able = [
            progress
            for peer, progress in self._progress_by_peer.items()
            if self.has_answered_lately(peer) and not progress.has_lost_entries and self._electorate.stays(peer)
        ]
        return [progress.peer for progress in sorted(able, key=lambda each: each.match_index, reverse=True)]

    def has_everything(self, peer: NodeId) -> bool:
        """Return whether the whole log is durable at `peer`."""
        progress = self._progress_by_peer.get(peer)
        return progress is not None and progress.match_index == self._log.last_index

    def has_room(self, peer: NodeId) -> bool:
        """Return whether the disk of `peer`, which has answered, has room for commands."""
        return not self._progress_by_peer[peer].is_short

    def is_near(self, peer: NodeId) -> bool:
        """Return whether `peer` has the whole log, or will in a moment: the rest of it is on its way."""
        progress = self._progress_by_peer[peer]
        return not progress.is_probing and progress.next_index > self._log.last_index

    # Changes of the members (dissertation §4).

    def is_following(self, peer: NodeId) -> bool:
        """Return whether `peer` is sent to: it is a member, or was one until a moment ago."""
        return peer in self._progress_by_peer

    def bid_farewell(self, candidate: NodeId) -> None:
        """Send to `candidate`, which would be elected, if it is no member: it was removed, and never told."""
        if candidate not in self._progress_by_peer:
            next_index = LogIndex(self._log.last_index + 1)
            self._progress_by_peer[candidate] = Progress(candidate, next_index, self._config)
            self._farewells.begin(candidate, self._durability.hard_state.facts.membership_index)

    def progress_of(self, peer: NodeId) -> Progress | None:
        """Return what is known about `peer`; None if it is not sent to. Do not modify it."""
        return self._progress_by_peer.get(peer)

    def has_answered_lately(self, peer: NodeId) -> bool:
        """Return whether `peer` has answered this leadership at all, and since the last check of the quorum."""
        progress = self._progress_by_peer.get(peer)
        return progress is not None and progress.answered_round >= max(1, self._round_before_period)

    def able(self) -> list[NodeId]:
        """Return the members on whose answers a decision may count now, with this node."""
        return [self._node_id] + [
            peer
            for peer, progress in self._progress_by_peer.items()
            if self.has_answered_lately(peer) and not progress.has_lost_entries
        ]

    def voters_behind(self, index: LogIndex) -> tuple[NodeId, ...]:
        """Return the nodes of the voters that have not acknowledged entry `index`, this one if its disk lacks it."""
        behind = [
            peer
            for peer, progress in self._progress_by_peer.items()
            if progress.match_index < index and peer in self._electorate.voting_peers
        ]
        if self._durability.durable_index < index and self._electorate.is_voter:
            behind.append(self._node_id)
        return tuple(self._electorate.node_of(key) or key for key in behind)

    # Inside.

    def _report_commit_change(self, now: float) -> None:
        log, watch = self._log, self._commit_watch
        change = watch.observe(log.commit_index, log.last_index, now)
        if change is CommitChange.STALLED:
            self._outbox.observe(
                COMMIT_STALLED,
                term=self.term,
                commit_index=log.commit_index,
                waiting_entries=log.last_index - log.commit_index,
                waited_s=watch.waited_s,
                held_up_by=self.voters_behind(LogIndex(log.commit_index + 1)),
            )
        elif change is CommitChange.RESUMED:
            self._outbox.observe(
                COMMIT_RESUMED, term=self.term, commit_index=log.commit_index, stalled_s=watch.waited_s
            )

    def _back_up(self, progress: Progress, reply: AppendEntriesReply) -> None:
        next_index, base_index = self.next_index_after(reply), self._log.base.index
        if next_index > base_index:
            progress.refused(next_index)
        else:
            self._need_snapshot(progress)
            return
        self._outbox.observe(
            CONFLICT_FOUND,
            term=self.term,
            peer=progress.peer,
            refused_index=reply.prev_log_index,
            next_index=progress.next_index,
        )

    def _need_snapshot(self, progress: Progress) -> None:
        """Send no entries until the follower's log reaches the base: the ones that it lacks are in no log any more."""
        base_index = self._log.base.index
        progress.lacks_entries(LogIndex(base_index + 1))
        if not progress.needs_snapshot:
            progress.needs_snapshot = True
            self._outbox.observe(SNAPSHOT_NEEDED, term=self.term, peer=progress.peer, base_index=base_index)
            self._offer_snapshot(progress)

    def _offer_snapshot(self, progress: Progress) -> None:
        snapshot = self._durability.hard_state.facts.snapshot
        if snapshot is not None:
            message = InstallSnapshot(self.term, self.round, snapshot)
            self._outbox.send(progress.peer, message, self._durability.after_hard_state())

    def _exclude(self, progress: Progress, refused: LogIndex) -> None:
        """Count `progress.peer` for nothing from now on: it has lost what it had acknowledged."""
        if not progress.has_lost_entries:
            progress.has_lost_entries = True
            self._outbox.observe(
                ENTRIES_LOST,
                term=self.term,
                peer=progress.peer,
                refused_index=refused,
                acknowledged_index=progress.match_index,
            )

    def _send_next(self, progress: Progress) -> bool:
        """Send or load the next entries; return whether there may be more to do at once."""
        first, log = progress.next_index, self._log
        if first < log.cache_first:
            return self._probe_or_load(progress)
        limit = max(1, min(self._config.max_append_entries, progress.room_entries))
        self._send_entries(progress, log.read(first, log.last_index, limit, self._limit_bytes(progress)))
        return True

    def _probe_or_load(self, progress: Progress) -> bool:
        """Nothing is read from the disk before it is known where the logs agree."""
        if progress.is_probing:
            self._send(progress, ())
            progress.probed()
        else:
            last = LogIndex(progress.next_index + self._config.max_append_entries - 1)
            self._loading.request(progress.peer, progress.next_index, last, self._config.max_append_bytes)
        return False

    def _limit_bytes(self, progress: Progress) -> int:
        return min(self._config.max_append_bytes, progress.room_bytes)

    def _send_entries(self, progress: Progress, entries: tuple[Entry, ...]) -> None:
        self._send(progress, entries)
        progress.sent(entries)

    def _send(self, progress: Progress, entries: tuple[Entry, ...]) -> None:
        log, prev_index = self._log, LogIndex(progress.next_index - 1)
        prev_term = log.term_at(prev_index) or BEFORE_THE_FIRST
        message = AppendEntries(self.term, self.round, prev_index, prev_term, log.commit_index, entries)
        self._outbox.send(progress.peer, message, self._durability.after_hard_state())
