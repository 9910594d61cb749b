"""`Follower`: handles AppendEntries: compares, truncates and extends the log, and answers (Raft Figure 2, §5.3)."""

from __future__ import annotations

from collections.abc import Sequence

from coterie.errors import UnsupportedFormat
from coterie.protocols.algorithm import NodeId
from coterie.protocols.plausibility import STAMP_JUMP_MAX_MS
from coterie.protocols.raft.membership.membership import Membership
from coterie.protocols.raft.raft_messages import AppendEntries, AppendEntriesReply
from coterie.protocols.raft.raft_observations import LOG_TRUNCATED, MESSAGE_DISCARDED
from coterie.protocols.raft.role import RoleState
from coterie.protocols.replicated_log import ENTRY_OVERHEAD_BYTES, Entry, EntryKind, LogIndex, Term

__all__ = ["Follower", "is_well_formed"]

MEMBERSHIP = EntryKind.MEMBERSHIP  # looked up once: this runs for every entry

LEADERS = 2
"""The entries of how many leaders a follower takes while its disk stalls, at the most that each may send unanswered."""


def is_well_formed(message: AppendEntries) -> bool:
    """Return whether the entries follow `prev_log_index` without a gap, and can be what a leader's log holds.

    No term falls or exceeds the leader's, no stamp falls, and membership entries can be decoded.
    """
    term, stamp_ms = message.prev_log_term, 0
    first = message.prev_log_index + 1
    if not 0 <= term <= message.term or first < 1 or (first == 1) != (term == 0):
        return False
    last_term = message.term
    for index, (own_index, own_term, kind, command, own_stamp_ms) in enumerate(message.entries, first):
        if own_index != index or not term <= own_term <= last_term or own_stamp_ms < stamp_ms:
            return False
        if kind is MEMBERSHIP and not _is_membership(command):
            return False
        term, stamp_ms = own_term, own_stamp_ms
    return True


def _is_membership(command: bytes) -> bool:
    try:
        Membership.decode(command)
    except (ValueError, UnsupportedFormat):
        return False
    return True


class Follower:
    """Makes this node's log like the leader's. The comments number the receiver's rules as Figure 2 does."""

    __slots__ = ("_config", "_durability", "_log", "_outbox", "_role_state")

    def __init__(self, role_state: RoleState) -> None:
        self._role_state = role_state
        self._config = role_state.config
        self._log = role_state.log
        self._durability = role_state.durability
        self._outbox = role_state.outbox

    def handle_append_entries(self, sender: NodeId, message: AppendEntries) -> None:
        """Answer `sender`, which speaks as the leader of `message.term`."""
        role_state, durability = self._role_state, self._durability
        if not is_well_formed(message) or not self.has_plausible_stamps(message):
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
        self._outbox.send(sender, reply, durability.after_entries(reply.match_index))

    def has_plausible_stamps(self, message: AppendEntries) -> bool:
        """Return whether log time goes on from what is known: it never falls again, and expiry depends on it."""
        newest_ms = message.entries[-1].stamp_ms if message.entries else 0
        return newest_ms <= self._role_state.log_clock.last_stamp_ms + STAMP_JUMP_MAX_MS

    def accept(self, message: AppendEntries, term: Term) -> AppendEntriesReply:
        """Take the entries of this term's leader if the one before them matches; return the answer.

        It must wait until the entries up to its `match_index` are durable: an answer without entries never waits.
        """
        # Rule 2: reply false if the log has no entry at prevLogIndex whose term matches prevLogTerm.
        if not self.has_previous(message):
            return self.refusal(message, term)
        # Rules 3 and 4.
        entries = self.taken(message.entries) if message.entries and self.has_room() else ()
        self.append_missing(entries)
        # Rule 5.
        last_verified = LogIndex(message.prev_log_index + len(entries))
        self._log.commit_to(self.new_commit_index(message.leader_commit, last_verified))
        match_index = last_verified if entries else self.match_index_at_once(last_verified)
        is_short = self._role_state.is_short
        return AppendEntriesReply(term, message.round, True, message.prev_log_index, match_index, is_short=is_short)

    def has_room(self) -> bool:
        """Return whether entries may be taken: while this disk stalls they stay in memory, so their number is limited.

        One leader sends no more than its limits of unanswered entries. This is for leader after leader: each may send
        something to a follower whose disk stalls. What is not taken now is sent again.
        """
        config, durability = self._config, self._durability
        return (
            durability.undurable_entries <= LEADERS * config.max_inflight_entries
            and durability.undurable_bytes <= LEADERS * config.max_inflight_bytes
        )

    def taken(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Return the first of `entries`, as many as may wait for a disk that is short of space.

        They must fit on it, or it could never let go of its log: what waits is written before the drop.
        """
        limit_bytes = self._role_state.waiting_bytes_max
        if limit_bytes is None:
            return entries
        durability = self._durability
        waiting_bytes = durability.undurable_bytes + durability.undurable_entries * ENTRY_OVERHEAD_BYTES
        for at, entry in enumerate(entries):
            waiting_bytes += len(entry.command) + ENTRY_OVERHEAD_BYTES
            if waiting_bytes > limit_bytes and (at > 0 or durability.undurable_entries > 0):
                return entries[:at]
        return entries

    def match_index_at_once(self, last_verified: LogIndex) -> LogIndex:
        """Return how far the log both agrees with the leader's and is durable: an answer need not wait for any write.

        A follower whose disk stalls goes on answering heartbeats, so its leader is not deposed; and the first heartbeat
        after the stall makes good an acknowledgement that was lost.
        """
        return min(last_verified, self._durability.durable_index)

    def has_previous(self, message: AppendEntries) -> bool:
        """Return whether the entry before the new ones is here with the leader's term.

        If so, so is everything before it (Raft §5.3, Log Matching).
        """
        return self._log.matches(message.prev_log_index, message.prev_log_term)

    def refusal(self, message: AppendEntries, term: Term) -> AppendEntriesReply:
        """Return a refusal with hints for fast back-up (Raft §5.3, end)."""
        hints = self._log.hints(message.prev_log_index, message.prev_log_term)
        is_short = self._role_state.is_short
        return AppendEntriesReply(term, message.round, False, message.prev_log_index, hints=hints, is_short=is_short)

    def new_commit_index(self, leader_commit: LogIndex, last_verified: LogIndex) -> LogIndex:
        """Return min(leaderCommit, index of last new entry).

        The end of the log is no limit: entries after the last new one have not been compared with the leader's and may
        differ from them.
        """
        return min(leader_commit, last_verified)

    def append_missing(self, entries: Sequence[Entry]) -> None:
        """Make this log begin like one that has `entries` after an entry that is here, too."""
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
