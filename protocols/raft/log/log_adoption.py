"""`LogAdoption`: lets a node that no quorum elects for its old log take the entries of a voter first.

Raft elects only nodes whose log is as new as that of a quorum (§5.4.1). If the links are broken so that one node alone
reaches a quorum, and its log is older than the others', then nobody can be elected for as long as that lasts: the
*constrained election* of OmniPaxos (Ng, Kroll and Haridi, EuroSys 2023, §2). Paxos does not have this problem, since
its leaders learn what was accepted from a quorum of promises. This does the same with Raft's means:

    pre-candidate                                     voter
      │ ── PreVote ──────────────────────────────────▶ │
      │ ◀──────── PreVoteReply(refused, end of log) ── │   and such answers, with grants, come from a quorum,
      │      for a whole election time-out             │   but grants alone do not
      │ ── ReadLog(end of log, hints) ───────────────▶ │
      │ ◀──────────────────── LogSuffix(…, entries) ── │   again and again until the log is as new as the voter's
      │ ── PreVote ──────────────────────────────────▶ │

Why it is safe to drop the own entries that conflict: let `e` of term t be one, in a log that is less up-to-date than
the voter's. If the voter's log ends in term t, too, both are beginnings of one leader's log, and nothing conflicts. So
it ends in a later term u, whose leader did not have `e`. Hence no quorum acknowledges `e` to the leader of t (§5.4.3),
and acknowledgements of `e` alone to any other leader commit nothing (§5.4.2). The entries that are taken are a part of
a leader's log (§5.3, Log Matching), and nobody counts them for being here before the next leader does.

Entries that only a snapshot of the voter holds are not sent: then this does not help, and a link must recover.

With the entries the node begins a new term: so a leader to which it has acknowledged what it drops hears of a newer
term, not of a follower that lost something.
"""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.elections import Elections
from coterie.protocols.raft.entry_loading import EntryLoading
from coterie.protocols.raft.follower import Follower, is_well_formed
from coterie.protocols.raft.raft_log import cut
from coterie.protocols.raft.raft_messages import AppendEntries, LogSuffix, ReadLog, Round
from coterie.protocols.raft.raft_observations import LOG_ADOPTED, MESSAGE_DISCARDED
from coterie.protocols.raft.role import RaftRole, RoleState
from coterie.protocols.replicated_log import Entry, LogIndex, LogPosition, Term

__all__ = ["LogAdoption"]

NO_ROUND = Round(1)


class LogAdoption:
    """Asks a voter for its newer log, adopts that, and gives its own to others.

    Args:
        role_state, elections, follower, loading: this node's.
    """

    __slots__ = ("_elections", "_end_by_reader", "_follower", "_loading", "_log", "_role_state")

    def __init__(self, role_state: RoleState, elections: Elections, follower: Follower, loading: EntryLoading) -> None:
        self._role_state = role_state
        self._elections = elections
        self._follower = follower
        self._loading = loading
        self._log = role_state.log
        self._end_by_reader: dict[NodeId, LogPosition] = {}  # the ends of the logs for which entries are loaded

    def handle(self, sender: NodeId, message: ReadLog | LogSuffix) -> None:
        """Take one of the two messages from the member `sender`."""
        if isinstance(message, ReadLog):
            self.handle_read_log(sender, message)
        else:
            self.handle_log_suffix(sender, message)

    # The node that needs entries.

    def ask(self) -> None:
        """Ask the voter with the newest log for it, if only this log has kept a quorum from electing this node."""
        voter = self._elections.voter_with_newest_log()
        if voter is not None:
            self._ask(voter)

    def handle_log_suffix(self, voter: NodeId, message: LogSuffix) -> None:
        """Adopt the entries, if this is still the log for which they were sent; then try to be elected again."""
        state, log = self._role_state, self._log
        if message.term > state.term:
            state.adopt_term(message.term)
            return
        if state.role is not RaftRole.PRE_CANDIDATE or not self._elections.may_stand():
            return
        if (message.last_log_index, message.last_log_term) != (log.last_index, log.last_term):
            return  # it was sent for another log: another leader may have extended this one since
        place = log.find_conflict(message.entries)
        if place == len(message.entries) or not log.matches(message.prev_log_index, message.prev_log_term):
            return
        if message.entries[place].index <= log.commit_index or not self.is_well_formed(message):
            state.outbox.observe(MESSAGE_DISCARDED, sender=voter, term=message.term)
            return
        if not self._follower.has_room():
            return
        state.adopt_term(Term(state.term + 1))
        self._follower.append_missing(message.entries)
        state.outbox.observe(
            LOG_ADOPTED, term=state.term, voter=voter, entries=len(message.entries), last_index=log.last_index
        )
        self._ask(voter)  # it does not answer if it has nothing more
        self._elections.start_pre_vote()

    def is_well_formed(self, message: LogSuffix) -> bool:
        """Return whether a log can have these entries, with stamps that can be."""
        prev_index, prev_term = message.prev_log_index, message.prev_log_term
        as_of_leader = AppendEntries(message.term, NO_ROUND, prev_index, prev_term, LogIndex(0), message.entries)
        return is_well_formed(as_of_leader) and self._follower.has_plausible_stamps(as_of_leader)

    def _ask(self, voter: NodeId) -> None:
        state, log = self._role_state, self._log
        hints = log.hints(log.last_index, log.last_term)
        request = ReadLog(state.term, log.last_index, log.last_term, hints)
        state.outbox.send(voter, request, state.durability.after_hard_state())

    # The voter that has them.

    def handle_read_log(self, reader: NodeId, request: ReadLog) -> None:
        """Send entries of this log after the last that `reader` has, too, if this log is newer, and nobody leads."""
        state, log, config = self._role_state, self._log, self._role_state.config
        end = LogPosition(request.last_log_index, request.last_log_term)
        if state.has_active_leader or not self.is_newer_than(end):
            return
        agreed = log.last_agreeing(request.hints, below=LogIndex(log.last_index + 1))
        first = LogIndex(agreed + 1)
        if agreed == log.last_index or log.term_at(agreed) is None or self._loading.is_open(reader):
            return  # a snapshot holds what it lacks, or entries are on their way
        if first < log.cache_first:
            self._end_by_reader[reader] = end
            last = LogIndex(agreed + config.max_append_entries)
            self._loading.request(reader, first, last, config.max_append_bytes)
        else:
            entries = log.read(first, log.last_index, config.max_append_entries, config.max_append_bytes)
            self._send(reader, end, entries)

    def loaded(self, reader: NodeId, entries: tuple[Entry, ...]) -> None:
        """Send entries that were read for `reader`, if this log is still newer than its."""
        end = self._end_by_reader.pop(reader, None)
        if end is not None and self.is_newer_than(end):
            self._send(reader, end, cut(entries, self._role_state.config.max_append_bytes))

    def is_newer_than(self, end: LogPosition) -> bool:
        """Return whether this log is more up-to-date than one that ends at `end` (Raft §5.4.1)."""
        return (self._log.last_term, self._log.last_index) > (end.term, end.index)

    def _send(self, reader: NodeId, end: LogPosition, entries: tuple[Entry, ...]) -> None:
        state, prev_index = self._role_state, LogIndex(entries[0].index - 1)
        prev_term = self._log.term_at(prev_index)
        if prev_term is not None:
            message = LogSuffix(state.term, end.index, end.term, prev_index, prev_term, entries)
            state.outbox.send(reader, message, state.durability.after_hard_state())
