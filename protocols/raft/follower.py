"""What a follower does with AppendEntries (Raft §5.3): check, find the conflict, append, commit."""

from __future__ import annotations

from collections.abc import Sequence

from coterie.protocols.raft.durability import Journal
from coterie.protocols.raft.raft_effects import Outbox
from coterie.protocols.raft.raft_log import RaftLog
from coterie.protocols.raft.raft_messages import AppendEntries, AppendEntriesReply
from coterie.protocols.raft.raft_observations import LOG_TRUNCATED
from coterie.protocols.replicated_log import Entry, LogIndex, Term

__all__ = ["LogFollower", "is_well_formed"]

NO_CONFLICT = (LogIndex(0), Term(0))


def is_well_formed(message: AppendEntries) -> bool:
    """Return whether the entries follow `prev_log_index` without a gap, and no term falls or exceeds the leader's."""
    term = message.prev_log_term
    first = message.prev_log_index + 1
    if not 0 <= term <= message.term or first < 1 or (first == 1) != (term == 0):
        return False
    for index, entry in enumerate(message.entries, first):
        if entry.index != index or not term <= entry.term <= message.term:
            return False
        term = entry.term
    return True


class LogFollower:
    """Makes this node's log like the leader's; the caller has checked the term."""

    __slots__ = ("_journal", "_log", "_outbox")

    def __init__(self, log: RaftLog, journal: Journal, outbox: Outbox) -> None:
        self._log = log
        self._journal = journal
        self._outbox = outbox

    def accept(self, message: AppendEntries, term: Term) -> AppendEntriesReply:
        """Take the entries if the one before them matches; return the answer, which waits for their durability."""
        if not self.has_previous(message):
            return self.refusal(message, term)
        self._append_missing(message.entries)
        last_verified = LogIndex(message.prev_log_index + len(message.entries))
        self._log.commit_to(self.new_commit_index(message.leader_commit, last_verified))
        return AppendEntriesReply(term, True, last_verified, *NO_CONFLICT)

    def has_previous(self, message: AppendEntries) -> bool:
        """Return whether the entry before the new ones is here with the leader's term.

        If so, so is everything before it (Raft §5.3, Log Matching).
        """
        return self._log.term_at(message.prev_log_index) == message.prev_log_term

    def refusal(self, message: AppendEntries, term: Term) -> AppendEntriesReply:
        """Return a refusal with the hint for fast back-up (Raft §5.3, end)."""
        conflict_index, conflict_term = self._log.conflict_hint(message.prev_log_index)
        return AppendEntriesReply(term, False, message.prev_log_index, conflict_index, conflict_term)

    def new_commit_index(self, leader_commit: LogIndex, last_verified: LogIndex) -> LogIndex:
        """Return how far this log is known to be committed.

        Figure 2 says "index of last new entry": what lies behind it in this log has not been compared with the
        leader's and may differ, so the end of the log is no limit.
        """
        if leader_commit < last_verified:
            return leader_commit
        return last_verified

    def _append_missing(self, entries: Sequence[Entry]) -> None:
        log, journal = self._log, self._journal
        place = log.find_conflict(entries)
        if place == len(entries):
            return  # All are here. What follows them may be newer than this message: it stays (openraft 9540c904).
        if entries[place].index <= log.last_index:
            self._truncate_from(entries[place].index)
        for entry in entries[place:]:
            log.append(entry)
            journal.append(entry)

    def _truncate_from(self, index: LogIndex) -> None:
        dropped = self._log.last_index - index + 1
        self._log.truncate_from(index)
        self._journal.truncate_from(index)
        term = self._journal.register.term
        self._outbox.observe(LOG_TRUNCATED, term=term, from_index=index, dropped_entries=dropped)
