"""View changes: the commands of the group that holds the view; `decide` says what each does.

Each names members by `MemberId`, so that a command which arrives late never hits a later life of the same name.
"""

from __future__ import annotations

from dataclasses import dataclass

from coterie.protocols.membership.members import Incarnation, Member, MemberId, ViewNumber

__all__ = ["BecomeUp", "Down", "Expel", "Join", "Leave", "Left", "Remove", "ViewChange"]


@dataclass(frozen=True, slots=True)
class Join:
    """Let a new member in; it is joining then.

    Attributes:
        member: the new member; its `state` and `since` are not read.
        replaces: the incarnation of this name that the proposer says is gone, so that the new member may take its
            place at another address, or although it is down. The new member's own incarnation: nobody is gone, so that
            it joins only under a name that is free. None: the proposer does not know; then whoever has the same address
            and is not down counts as gone, which is wrong if the request is so late that it is itself of a past life.
    """

    member: Member
    replaces: Incarnation | None = None


@dataclass(frozen=True, slots=True)
class BecomeUp:
    """A joining member is ready."""

    member: MemberId


@dataclass(frozen=True, slots=True)
class Leave:
    """A member wishes to leave, and begins to hand over what it has."""

    member: MemberId

    def __str__(self) -> str:
        """Return it as people read it."""
        return f"leave {self.member}"


@dataclass(frozen=True, slots=True)
class Left:
    """A leaving member has handed over everything: its leases have been given back."""

    member: MemberId


@dataclass(frozen=True, slots=True)
class Expel:
    """The failure detectors' cut: these members are taken for crashed.

    Attributes:
        members: whom to expel, sorted.
        decided_on: the number of the view whose members accused them.
    """

    members: tuple[MemberId, ...]
    decided_on: ViewNumber


@dataclass(frozen=True, slots=True)
class Down:
    """An operator says that a member has crashed, or must not take part any more."""

    member: MemberId

    def __str__(self) -> str:
        """Return it as people read it."""
        return f"take down {self.member}"


@dataclass(frozen=True, slots=True)
class Remove:
    """The longest lease that a member which is down could hold has certainly run out: the leader says so."""

    member: MemberId


ViewChange = Join | BecomeUp | Leave | Left | Expel | Down | Remove
