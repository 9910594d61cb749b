"""Random foundings: draw where the logs of a simulated group begin, and whether the stores of its founders are known.

Half of all groups begin at the base of a snapshot, with an empty state machine. In half of them the founders' stores
are not known: members hear of each other by their messages, and leaders record it, as in a real group. Stores are named
like their nodes.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.raft_disk import AT_THE_BEGINNING, founded
from coterie.protocols.quorums import Quorum
from coterie.protocols.raft.raft_messages import HardState
from coterie.protocols.replicated_log import LogIndex, LogPosition, Term

__all__ = ["draw_founding", "random_base"]

LARGEST_BASE_INDEX, LARGEST_BASE_TERM = 1 << 40, 1 << 20
"""Logs begin at most at this position."""


def draw_founding(rng: random.Random, voters: Sequence[NodeId], quorum: Quorum | None) -> HardState:
    """Return the register with which every node of the group begins."""
    base = random_base(rng)
    return founded(voters, quorum=quorum, base=base, stores_known=rng.random() < 0.5)


def random_base(rng: random.Random) -> LogPosition:
    """Return where the logs of a group begin."""
    if rng.random() < 0.5:
        return AT_THE_BEGINNING
    return LogPosition(LogIndex(rng.randint(1, LARGEST_BASE_INDEX)), Term(rng.randint(1, LARGEST_BASE_TERM)))
