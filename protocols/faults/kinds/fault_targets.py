"""`Level`, `TargetRole`, `Shape`: define where a plan runs, which node a fault hits, which links a partition cuts."""

from __future__ import annotations

import enum

__all__ = ["ALL_LEVELS", "ANYWHERE", "SIMULATED", "Level", "Shape", "TargetRole"]

ANYWHERE = "*"
"""As the source or destination of a network fault: every node. As an actor: every actor of the node."""


class Level(enum.Enum):
    """The level at which a plan is carried out."""

    PROTOCOL = "protocol"  # pure algorithms, driven from an event heap
    SYSTEM = "system"  # the whole runtime in virtual time
    PROCESS = "process"  # real processes on real sockets


class TargetRole(enum.Enum):
    """The role of a fault's target: the next node that shows it, or `target` if no node does within a second."""

    ANY = "any"  # `target`, whatever its role
    LEADER = "leader"  # Raft's leader, a Synod proposer in its second phase
    CANDIDATE = "candidate"  # a Raft candidate, a Synod proposer in its first phase
    VOTER = "voter"  # a node that has just granted a vote, or promised
    BUSIEST = "busiest"  # the node that has handled the most messages so far


class Shape(enum.Enum):
    """The links that a partition breaks."""

    ONE = "one"  # the target from all others, both ways
    HALVES = "halves"  # the target and `others` from the rest, both ways
    ONE_WAY = "one_way"  # from the target to all others, but not back
    RING = "ring"  # each node still reaches its neighbours on a ring: a majority, but a different one for each node
    LEADER = "leader"  # the leader (the target if there is none) from all others, both ways


SIMULATED = frozenset({Level.PROTOCOL, Level.SYSTEM})
ALL_LEVELS = frozenset(Level)
