"""`Follower`: handles AppendEntries: compares, truncates and extends the log, and answers (Raft Figure 2, §5.3)."""

from __future__ import annotations

from collections.abc import Sequence

from coterie.errors import UnsupportedFormat
from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.membership.membership import Membership
from coterie.protocols.raft.raft_messages import AppendEntries, AppendEntriesReply
from coterie.protocols.raft.raft_observations import LOG_TRUNCATED, MESSAGE_DISCARDED
from coterie.protocols.raft.role import RoleState
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, Term

__all__ = ["Follower", "is_well_formed"]


def is_well_formed(message: AppendEntries) -> bool:
    """Return whether the entries follow `prev_log_index` without a gap, and can be what a leader's log holds.

    No term falls or exceeds the leader's, no stamp falls, and membership entries can be decoded.
    """
    term, stamp_ms = message.prev_log_term, 0
    first = message.prev_log_index + 1
    if not 0 <= term <= message.term or first < 1 or (first == 1) != (term == 0):
        return False
    for index, entry in enumerate(message.entries, first):
        if entry.index != index or not term <= entry.term <= message.term or entry.stamp_ms < stamp_ms:
            return False
        if entry.kind is EntryKind.MEMBERSHIP and not _is_membership(entry.command):
            return False
        term, stamp_ms = entry.term, entry.stamp_ms
    return True


def _is_membership(command: bytes) -> bool:
    try:
        Membership.decode(command)
    except (ValueError, UnsupportedFormat):
        return False
    return True


class Follower:
    """Makes this node's log like the leader's. The comments number the receiver's rules as Figure 2 does."""

    __slots__ = ("_durability", "_log", "_outbox", "_role_state")

    def __init__(self, role_state: RoleState) -> None:
        self._role_state = role_state
        self._log = role_state.log
        self._durability = role_state.durability
        self._outbox = role_state.outbox

    def handle_append_entries(self, sender: NodeId, message: AppendEntries) -> None:
        """Answer `sender`, which speaks as the leader of `message.term`."""
        role_state, durability = self._role_state, self._durability
        if not is_well_formed(message):
            self._outbox.observe(MESSAGE_DISCARDED, sender=sender, term=message.term)
            return
        if message.term < role_state.term:
            # Rule 1: reply false if term < currentTerm. The answer tells a leader of an older term that a newer one
            # exists; without it a node that went ahead alone would stay locked out (etcd #8501).
            self._outbox.send(sender, self.refusal(message, role_state.term), durability.after_hard_state())
            return
        if message.term > role_state.term:
            role_state.adopt_term(message.term, leader=sender)
        role_state.follow(sender)
        reply = self.accept(message, message.term)
        after = durability.after_entries(reply.match_index) if reply.success else durability.after_hard_state()
        self._outbox.send(sender, reply, after)

    def accept(self, message: AppendEntries, term: Term) -> AppendEntriesReply:
        """Take the entries of this term's leader if the one before them matches; return the answer.

        A success must wait until the entries are durable.
        """
        # Rule 2: reply false if the log has no entry at prevLogIndex whose term matches prevLogTerm.
        if not self.has_previous(message):
            return self.refusal(message, term)
        # Rules 3 and 4.
        self._append_missing(message.entries)
        # Rule 5.
        last_verified = LogIndex(message.prev_log_index + len(message.entries))
        self._log.commit_to(self.new_commit_index(message.leader_commit, last_verified))
        return AppendEntriesReply(term, True, last_verified)

    def has_previous(self, message: AppendEntries) -> bool:
        """Return whether the entry before the new ones is here with the leader's term.

        If so, so is everything before it (Raft §5.3, Log Matching).
        """
        return self._log.matches(message.prev_log_index, message.prev_log_term)

    def refusal(self, message: AppendEntries, term: Term) -> AppendEntriesReply:
        """Return a refusal with the hint for fast back-up (Raft §5.3, end)."""
        conflict_index, conflict_term = self._log.conflict_hint(message.prev_log_index)
        return AppendEntriesReply(
            term,
            False,
            refused_index=message.prev_log_index,
            conflict_index=conflict_index,
            conflict_term=conflict_term,
        )

    def new_commit_index(self, leader_commit: LogIndex, last_verified: LogIndex) -> LogIndex:
        """Return min(leaderCommit, index of last new entry).

        The end of the log is no limit: entries after the last new one have not been compared with the leader's and may
        differ from them.
        """
        return min(leader_commit, last_verified)

    def _append_missing(self, entries: Sequence[Entry]) -> None:
        log, durability = self._log, self._durability
        place = log.find_conflict(entries)
        if place == len(entries):
            return  # All are here. What follows them may be newer than this message: it stays (openraft 9540c904).
        facts = durability.hard_state.facts
        # Rule 3: an existing entry conflicts with a new one: delete it and all that follow it.
        if entries[place].index <= log.last_index:
            self._truncate_from(entries[place].index)
        # Rule 4: append the new entries that are not in the log yet.
        for entry in entries[place:]:
            log.append(entry)
            durability.append(entry)
        self._role_state.log_clock.received(entries[-1].stamp_ms, self._role_state.now)
        if durability.hard_state.facts is not facts:
            self._role_state.members_changed()

    def _truncate_from(self, index: LogIndex) -> None:
        dropped = self._log.last_index - index + 1
        self._log.truncate_from(index)
        self._durability.truncate_from(index)
        self._outbox.observe(LOG_TRUNCATED, term=self._role_state.term, from_index=index, dropped_entries=dropped)
