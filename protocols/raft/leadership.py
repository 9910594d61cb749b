"""`Leadership`: leads one term: replicates and commits entries, checks that a quorum answers (Raft §5.3, §5.4.2)."""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import highest_matched
from coterie.protocols.raft.durability import Durability
from coterie.protocols.raft.entry_loading import EntryLoading
from coterie.protocols.raft.membership.electorate import Electorate
from coterie.protocols.raft.progress import Progress
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_effects import Outbox
from coterie.protocols.raft.raft_log import RaftLog, cut
from coterie.protocols.raft.raft_messages import AppendEntries, AppendEntriesReply
from coterie.protocols.raft.raft_observations import CONFLICT_FOUND, SNAPSHOT_NEEDED
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
        "_config",
        "_durability",
        "_electorate",
        "_loading",
        "_log",
        "_node_id",
        "_outbox",
        "_progress_by_peer",
        "check_quorum_deadline",
        "heartbeat_deadline",
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
        self.follow_members()
        self.heartbeat_deadline = now + config.heartbeat_interval_s
        self.check_quorum_deadline = now + config.election_timeout_max_s

    def follow_members(self) -> None:
        """Track exactly the present members: a store that has become known begins anew, one that left is dropped."""
        next_index = LogIndex(self._log.last_index + 1)
        self._progress_by_peer = {
            peer: self._progress_by_peer.get(peer) or Progress(peer, next_index, self._config)
            for peer in self._electorate.peers
        }

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

    def highest_replicated(self) -> LogIndex:
        """Return the highest index that is durable on a quorum. This node counts as far as its own disk does."""
        index_by_member = {peer: progress.match_index for peer, progress in self._progress_by_peer.items()}
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
        """Send every follower an empty AppendEntries (Raft §5.2).

        The previous entry is the last one sent: a lost message shows as a refusal, a lost answer as a success.
        """
        self.heartbeat_deadline = now + self._config.heartbeat_interval_s
        for progress in self._progress_by_peer.values():
            self._send(progress, ())

    def handle_append_entries_reply(self, peer: NodeId, reply: AppendEntriesReply) -> None:
        """Take a follower's answer of this term (Raft Figure 2, "Leaders"). The next `replicate` acts on it."""
        progress = self._progress_by_peer[peer]
        progress.has_answered = True
        if reply.success:
            progress.matched(min(reply.match_index, self._log.last_index))
        elif not progress.is_stale_refusal(reply.refused_index):
            self._back_up(progress, reply)

    def loaded(self, peer: NodeId, entries: tuple[Entry, ...]) -> None:
        """Send entries that were read for `peer`, if they still are the next ones and its limits allow."""
        progress = self._progress_by_peer.get(peer)
        if progress is None or progress.is_probing or entries[0].index != progress.next_index:
            return
        if progress.has_room:
            self._send_entries(progress, cut(entries[: progress.room_entries], self._limit_bytes(progress)))

    def next_index_after(self, reply: AppendEntriesReply) -> LogIndex:
        """Return where to probe next after a refusal: one message per conflicting term, not per entry (Raft §5.3, end).

        If this log has the follower's term before the refused place, its last entry of that term may match; if not,
        none of the follower's entries of that term can. Either lies below, so every refusal makes progress.
        """
        refused = reply.refused_index
        end = self._log.end_of_term(reply.conflict_term) if reply.conflict_term else None
        proposed = reply.conflict_index if end is None or end >= refused else LogIndex(end + 1)
        return LogIndex(max(1, min(proposed, refused)))

    # Check-quorum.

    def has_quorum_answered(self, now: float) -> bool:
        """Return whether a quorum (with this node) has answered since the last such check, and begin a new period."""
        self.check_quorum_deadline = now + self._config.election_timeout_max_s
        active = [self._node_id]
        for peer, progress in self._progress_by_peer.items():
            if progress.has_answered:
                active.append(peer)
            progress.has_answered = False
        return self._electorate.quorum.is_quorum(active)

    # Inside.

    def _back_up(self, progress: Progress, reply: AppendEntriesReply) -> None:
        next_index, base_index = self.next_index_after(reply), self._log.base.index
        progress.refused(max(next_index, LogIndex(base_index + 1)))
        if next_index <= base_index:
            self._need_snapshot(progress)
            return
        self._outbox.observe(
            CONFLICT_FOUND,
            term=self.term,
            peer=progress.peer,
            refused_index=reply.refused_index,
            next_index=progress.next_index,
        )

    def _need_snapshot(self, progress: Progress) -> None:
        """Send no entries until the follower's log reaches the base: the ones that it lacks are in no log any more."""
        if not progress.needs_snapshot:
            progress.needs_snapshot = True
            self._outbox.observe(SNAPSHOT_NEEDED, term=self.term, peer=progress.peer, base_index=self._log.base.index)

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
        message = AppendEntries(self.term, prev_index, prev_term, log.commit_index, entries)
        self._outbox.send(progress.peer, message, self._durability.after_hard_state())
