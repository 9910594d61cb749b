"""Where faults strike: the level of the run, the role of a node, the shape of a partition."""

from __future__ import annotations

import enum

__all__ = ["ALL_LEVELS", "ANYWHERE", "SIMULATED", "Level", "Role", "Shape"]

ANYWHERE = "*"
"""As the source or destination of a network fault: every node. As an actor: every actor of the node."""


class Level(enum.Enum):
    """Where a plan can be carried out."""

    PROTOCOL = "protocol"  # pure algorithms, driven from an event heap
    SYSTEM = "system"  # the whole runtime in a virtual world
    PROCESS = "process"  # real processes on real sockets


class Role(enum.Enum):
    """Whom a fault is aimed at: whoever shows that role next, or its `target` if nobody does within a second."""

    ANY = "any"  # the target, whatever it does
    LEADER = "leader"  # leads: Raft's leader, a Synod proposer in its second phase
    CANDIDATE = "candidate"  # stands for election: a Raft candidate, a Synod proposer in its first phase
    VOTER = "voter"  # has just granted a vote, or promised
    BUSIEST = "busiest"  # has handled the most messages so far


class Shape(enum.Enum):
    """Which links a partition breaks."""

    ONE = "one"  # the target from all others, both ways
    HALVES = "halves"  # the target and `others` from the rest, both ways
    ONE_WAY = "one_way"  # from the target to all others, but not back
    RING = "ring"  # each node still sees its neighbours on a ring: a majority, but everybody another one
    LEADER = "leader"  # whoever leads (or else the target) from all others, both ways


SIMULATED = frozenset({Level.PROTOCOL, Level.SYSTEM})
ALL_LEVELS = frozenset(Level)
