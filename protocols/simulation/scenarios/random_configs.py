"""`draw_config`: draws the settings of a simulated Raft group."""

from __future__ import annotations

import random

from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Quorum
from coterie.protocols.raft.raft_config import RaftConfig

__all__ = ["draw_config"]


def draw_config(rng: random.Random, voters: tuple[NodeId, ...], quorum: Quorum | None) -> RaftConfig:
    """Return the settings of a group with these founders and this quorum; None: the majority."""
    # Small caches and windows make old entries come from the disk, and batches end in the middle.
    return RaftConfig(
        voters,
        quorum,
        max_append_entries=rng.choice((2, 16, 1024)),
        max_inflight_entries=rng.choice((4, 8192)),
        cache_entries=rng.choice((1, 32, 16384)),
        max_apply_entries=rng.choice((3, 1024)),
        max_write_bytes=rng.choice((1, 500, 1 << 22)),
    )
