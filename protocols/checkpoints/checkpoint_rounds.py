"""`CheckpointRounds`: decides when a leader asks for digests, about which entry, and what follows from the reports."""

from __future__ import annotations

from typing import Final

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checkpoints.digest_count import DigestCount, DigestsAgree, DigestsDiffer
from coterie.protocols.checkpoints.digest_history import RECENT_ENTRIES
from coterie.protocols.checkpoints.digest_messages import DigestReport, DigestRequest
from coterie.protocols.quorums import Quorum
from coterie.protocols.replicated_log import LogIndex, Term

__all__ = ["INTERVAL_S", "CheckpointRounds"]

INTERVAL_S: Final = 5.0
"""Time between two requests of a leader, if commands were applied meanwhile. Too low: messages and log entries of their
own; too high: a replica that is apart serves, or is a candidate, for longer."""


class CheckpointRounds:
    """The requests of one leadership: one at a time, each replaced by the next if too few replicas answer.

    Args:
        term: that the leader leads.
        now: monotonic time (s) at which it was elected.
    """

    __slots__ = ("_asked_index", "_count", "_due_at_s", "_is_told", "_seen_index", "_term")

    def __init__(self, term: Term, *, now: float) -> None:
        self._term = term
        self._due_at_s = now + INTERVAL_S
        self._asked_index = LogIndex(0)
        self._seen_index = LogIndex(0)
        self._count: DigestCount | None = None
        self._is_told = False

    def is_waiting(self, *, now: float, wanted_index: LogIndex = LogIndex(0)) -> bool:
        """Return whether neither `differing` nor `next_request` has anything to return at `now` (monotonic, s)."""
        return now < self._due_at_s and wanted_index <= self._asked_index

    def next_request(
        self,
        quorum: Quorum,
        *,
        applied_index: LogIndex,
        changed_index: LogIndex,
        now: float,
        wanted_index: LogIndex = LogIndex(0),
    ) -> DigestRequest | None:
        """Return the request that is due; None: none is. Send it to every member, the leader itself included.

        Args:
            quorum: of the present members.
            applied_index: the last entry that the leader has applied.
            changed_index: the last of them that has a command: nothing is due if digests up to it were asked for, and
                that has a result.
            now: monotonic time (s).
            wanted_index: a snapshot waits for a checkpoint at this entry or later: that is asked for once, and soon: at
                the next entry whose digest is kept for long, or once little is applied between two calls.
        """
        is_due = now >= self._due_at_s
        if not is_due and wanted_index <= self._asked_index:
            return None
        if changed_index <= self._asked_index:
            return self._repeated(now) if is_due else None
        # A busy replica keeps the digests of few entries, so it is asked for one that is kept for longer.
        kept_for_long = LogIndex(applied_index - applied_index % RECENT_ENTRIES)
        is_fit = kept_for_long > self._asked_index and kept_for_long >= wanted_index
        is_busy, self._seen_index = applied_index - self._seen_index > RECENT_ENTRIES // 4, applied_index
        if is_busy and not is_fit and not is_due:
            return None
        self._due_at_s = now + INTERVAL_S
        index = kept_for_long if is_fit else applied_index
        self._asked_index = index
        self._count = DigestCount(quorum, index)
        self._is_told = False
        return DigestRequest(self._term, index)

    def _repeated(self, now: float) -> DigestRequest | None:
        """Return the last request again if too few replicas have answered it: a snapshot may wait for its result."""
        if self._count is None or self._count.is_decided:
            return None
        self._due_at_s = now + INTERVAL_S
        return DigestRequest(self._term, self._asked_index)

    def differing(self, *, now: float) -> DigestsDiffer | None:
        """Return, once for each request, that the reports to it differ, if an interval later they decide nothing.

        Call it before `next_request`, which replaces the request.
        """
        if self._count is None or self._is_told or now < self._due_at_s:
            return None
        self._is_told = True
        return self._count.differing()

    def take(self, member: NodeId, report: DigestReport) -> DigestsAgree | DigestsDiffer | None:
        """Count the report of a member; return the result once there is one. Late reports change nothing."""
        count = self._count
        if count is None or (report.term, report.index) != (self._term, count.index):
            return None
        return count.report(member, report.digest)
