"""`Progress`: tracks one follower for its leader: nextIndex, matchIndex, and the entries sent but not yet acknowledged.

nextIndex and matchIndex are those of Raft §5.3.

    PROBING ── an answer matches ──▶ REPLICATING (a pipeline: the next message does not wait for the last answer)
       ▲                                  │
       └──────── a refusal ───────────────┘

While probing, one message at a time finds where the logs agree. While replicating, `next_index` runs ahead of
`match_index`; the entries between them are in flight or not yet durable at the follower, and limited.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_messages import Round
from coterie.protocols.replicated_log import Entry, LogIndex

__all__ = ["Progress"]


class Progress:
    """One follower as its leader sees it."""

    __slots__ = (
        "_config",
        "_fetched_digest",
        "_inflight",
        "_inflight_bytes",
        "_is_awaiting_probe",
        "answered_round",
        "fetched",
        "has_lost_entries",
        "is_probing",
        "is_short",
        "match_index",
        "matched_in_round",
        "needs_snapshot",
        "next_index",
        "peer",
    )

    def __init__(self, peer: NodeId, next_index: LogIndex, config: RaftConfig) -> None:
        self.peer = peer
        self.next_index = next_index
        self.match_index = LogIndex(0)
        self.is_probing = True
        self.needs_snapshot = False
        """Whether the peer lacks entries at or below the base of the leader's log."""
        self.fetched = (0, 0)
        """How often the peer has begun to fetch a snapshot, and from which byte on it has asked for this one last."""
        self._fetched_digest = b""
        self.answered_round = Round(0)
        """The highest round whose messages the peer has answered; 0 for none."""
        self.matched_in_round = Round(0)
        """The leader's round when `match_index` last rose."""
        self.has_lost_entries = False
        """Whether the peer has lost entries that it had acknowledged: it counts for nothing any more."""
        self.is_short = False
        """Whether the peer's disk has no room for commands, as of its last answer."""
        self._is_awaiting_probe = False
        self._config = config
        self._inflight: deque[tuple[LogIndex, int]] = deque()
        self._inflight_bytes = 0

    @property
    def has_room(self) -> bool:
        """Whether another message with entries may leave."""
        if self.is_probing:
            return not self._is_awaiting_probe and not self.needs_snapshot
        config, sent_entries = self._config, self.next_index - 1 - self.match_index
        return sent_entries < config.max_inflight_entries and self._inflight_bytes < config.max_inflight_bytes

    @property
    def room_entries(self) -> int:
        """How many more entries may be in flight."""
        return self._config.max_inflight_entries - (self.next_index - 1 - self.match_index)

    @property
    def room_bytes(self) -> int:
        """How many more bytes of commands may be in flight."""
        return self._config.max_inflight_bytes - self._inflight_bytes

    def probed(self) -> None:
        """Note that a probe left; the next one waits for its answer, or for that of any heartbeat."""
        self._is_awaiting_probe = True

    def sent(self, entries: Sequence[Entry]) -> None:
        """Note that `entries`, from `next_index` on, left."""
        if self.is_probing:
            self.probed()
            return
        size_bytes, last = sum([len(entry.command) for entry in entries]), entries[-1].index
        self.next_index = LogIndex(last + 1)
        self._inflight.append((last, size_bytes))
        self._inflight_bytes += size_bytes

    def answered(self, round_: Round) -> None:
        """Note that the peer answered a message of `round_`. Late answers change nothing."""
        self.answered_round = max(self.answered_round, round_)

    def told_room(self, round_: Round, *, is_short: bool) -> None:
        """Note what an answer of `round_` says of the peer's disk. Those of earlier rounds change nothing."""
        if round_ >= self.answered_round:
            self.is_short = is_short

    def matched(self, index: LogIndex, agreed: LogIndex, round_: Round) -> None:
        """Take a success in the leader's present round `round_`. Late answers change nothing.

        Up to `index` the peer's log equals the leader's and is durable: this counts. Up to `agreed` (if greater) it is
        only equal: enough to send what follows, but a crash may take it back.
        """
        if index > self.match_index:
            self.match_index, self.matched_in_round = index, round_
            self.next_index = max(self.next_index, LogIndex(index + 1))
        if max(index, agreed) >= self.next_index - 1:
            self.is_probing = self._is_awaiting_probe = self.needs_snapshot = False
        while self._inflight and self._inflight[0][0] <= index:
            self._inflight_bytes -= self._inflight.popleft()[1]

    def is_stale_refusal(self, refused: LogIndex) -> bool:
        """Return whether the refusal of `refused` (a prev_log_index) answers no message that is still open."""
        if self.is_probing:
            return refused <= self.match_index or refused != self.next_index - 1
        return not self.match_index < refused < self.next_index

    def proves_loss(self, refused: LogIndex, round_: Round) -> bool:
        """Return whether the refusal of `refused` shows that the peer has lost entries that it had acknowledged.

        It does if the message was sent after the acknowledgement had come: a follower drops nothing that its present
        leader holds, too.
        """
        return refused <= self.match_index and round_ > self.matched_in_round

    def lacks_entries(self, first_index: LogIndex) -> None:
        """Probe from `first_index` on, the first entry that the leader has: what the peer lacks before it is gone."""
        self.is_probing = True
        self._is_awaiting_probe = False
        self.next_index = max(LogIndex(self.match_index + 1), first_index)
        self._inflight.clear()
        self._inflight_bytes = 0

    def asked_for_chunk(self, digest: bytes, offset: int) -> None:
        """Note that the peer has asked for the chunk at `offset` of the snapshot `digest`."""
        fetches, latest = self.fetched
        begins = digest != self._fetched_digest or offset < latest
        self._fetched_digest, self.fetched = digest, (fetches + begins, offset)

    def refused(self, next_index: LogIndex) -> None:
        """Take a refusal: probe from `next_index` on (never at or below what already matched).

        What was sent before that place may be in the peer's memory, and still counts as in flight.
        """
        self.next_index = max(LogIndex(self.match_index + 1), min(next_index, self.next_index))
        self.is_probing = True
        self._is_awaiting_probe = False
        while self._inflight and self._inflight[-1][0] >= self.next_index:
            self._inflight_bytes -= self._inflight.pop()[1]
