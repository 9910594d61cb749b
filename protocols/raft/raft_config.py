"""`RaftConfig`: holds and checks the settings of a Raft group; explains each with its unit, default and reason."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Majority, Quorum, verify_intersection
from coterie.protocols.raft.membership.quorum_records import encode_quorum

__all__ = ["RaftConfig"]

_SIZES = (
    "max_append_bytes",
    "max_append_entries",
    "max_inflight_bytes",
    "max_inflight_entries",
    "cache_bytes",
    "cache_entries",
    "max_uncommitted_bytes",
    "max_uncommitted_entries",
    "max_write_bytes",
    "max_apply_bytes",
    "max_apply_entries",
)


@dataclass(frozen=True, slots=True)
class RaftConfig:
    """The configuration of one Raft group; the same on every node. Sizes in bytes are the lengths of commands.

    Attributes:
        voters: the founders of the group, in any order. Once a group exists, the members in its log count.
        quorum: which voters may decide; None: more than half. Every two quorums must intersect (checked). It must be a
            `Majority`, `Weighted` or `Grid`: it is remembered with the members, and that of the log counts, too.
        heartbeat_interval_s: how often a leader sends to every follower (Raft §5.2). Default 0.05: a quarter of the
            shortest election time-out. Too low: idle traffic. Too high: one lost heartbeat starts an election, and a
            follower learns late what was committed.
        election_timeout_min_s: the shortest silence after which a follower starts an election (§5.2), and for how
            long votes are refused after a leader's message (§6). Default 0.2, well above a round trip, an fdatasync and
            a pause for garbage collection. Too low: needless elections. Too high: that much longer without a leader.
        election_timeout_max_s: the longest such silence. Default 0.4: the spread keeps candidates apart (§9.3). It is
            also the period of check-quorum: a leader without answers of a quorum in it steps down. Too near to the
            minimum: split votes.
        commit_stalled_after_s: for how long a leader's commit index may stand still, although entries wait, before it
            reports `raft.commit_stalled` with the members that hold it up (a leader does not step down for that alone).
            Default 1.0: longer than the syncs of a busy disk. Too low: reports of disks that are only slow. Too high:
            operators learn late why no command is answered.
        max_append_bytes: the most that one AppendEntries carries (one entry at least). Default 1 MiB. Too low: more
            messages. Too high: heartbeats wait behind them.
        max_append_entries: the most entries in one AppendEntries. Default 1024.
        max_inflight_bytes: the most that is on its way to one follower, unanswered: the depth of the pipeline.
            Default 8 MiB. Too low: the round trip limits throughput. Too high: memory for a slow follower.
        max_inflight_entries: the same in entries. Default 8192.
        cache_bytes: how much of the durable log is kept in memory. Default 16 MiB: a follower that was away for less
            is served without reading the disk.
        cache_entries: the same in entries. Default 16384.
        max_uncommitted_bytes: the most of its clients' commands that a leader holds and has not applied yet, and the
            most that waits for its own disk (give or take as much again); beyond either, proposals are rejected as
            OVERLOADED. Default 32 MiB. Too low: refusals in a burst. Too high: memory, and answers that come after the
            client gave up. A single command is always taken if nothing else is held.
        max_uncommitted_entries: the same in entries. Default 16384.
        max_write_bytes: the most that the entries of one write to the disk take, with 64 bytes for each beside its
            command (one entry at least); what is more becomes several writes. It must not exceed what the store takes
            (see `StorageConfig.max_write_bytes`). Default 4 MiB, a batch of the store. Too low: more writes. Too high:
            nothing is acknowledged before much is written.
        max_apply_bytes: the most in one `Apply` (one entry at least) and in one `Load` for applying. Default 64 KiB.
            Too low: more turns. Too high: applying holds up everything else, heartbeats too, for longer.
        max_apply_entries: the same in entries. Default 256.
    """

    voters: tuple[NodeId, ...]
    quorum: Quorum | None = None
    heartbeat_interval_s: float = 0.05
    election_timeout_min_s: float = 0.2
    election_timeout_max_s: float = 0.4
    commit_stalled_after_s: float = 1.0
    max_append_bytes: int = 1 << 20
    max_append_entries: int = 1024
    max_inflight_bytes: int = 8 << 20
    max_inflight_entries: int = 8192
    cache_bytes: int = 16 << 20
    cache_entries: int = 16384
    max_uncommitted_bytes: int = 32 << 20
    max_uncommitted_entries: int = 16384
    max_write_bytes: int = 4 << 20
    max_apply_bytes: int = 1 << 16
    max_apply_entries: int = 256

    def __post_init__(self) -> None:
        self._check_quorum()
        self._check_times()
        for name in _SIZES:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be at least 1")

    def _check_quorum(self) -> None:
        Majority(self.voters)  # refuses an empty tuple and a name that is given twice
        if self.quorum is None:
            return
        unknown = [node for node in self.quorum.members if node not in self.voters]
        if unknown:
            raise ValueError(f"quorum members {unknown} are not voters")
        verify_intersection(self.quorum)
        encode_quorum(self.quorum)  # refuses one that cannot be remembered with the members

    def _check_times(self) -> None:
        if not 0 < self.heartbeat_interval_s < self.election_timeout_min_s <= self.election_timeout_max_s:
            raise ValueError(
                "0 < heartbeat_interval_s < election_timeout_min_s <= election_timeout_max_s must hold, not "
                f"0 < {self.heartbeat_interval_s} < {self.election_timeout_min_s} <= {self.election_timeout_max_s}"
            )
        if not self.commit_stalled_after_s > 0:
            raise ValueError(f"commit_stalled_after_s is {self.commit_stalled_after_s}: it must be above 0")
