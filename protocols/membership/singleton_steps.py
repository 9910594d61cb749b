"""`next_step`: says what a node does next about a singleton: claims it, stops its actor, gives it back, or waits; pure.

Who claims, and when: the eligible members that are up take turns, the one that is up for longest first (then by name).
The first one claims as soon as nobody holds the singleton; the others only after some seconds in which still nobody
does, one after the other, so that a first one whose code does not have the singleton yet does not block it. The group
that holds the view grants one claim, whoever claims.

How long its actor runs: until `MARGIN` of a lease before the lease ends, so that it has that time to stop.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from coterie.protocols.membership.members import Member, MemberId
from coterie.protocols.membership.singletons import Epoch, Holder
from coterie.protocols.membership.view import View

__all__ = ["FIRST_WAIT_S", "MARGIN", "NextStep", "Situation", "Step", "claim_after_s", "newer", "next_step", "turns"]

FIRST_WAIT_S: Final = 3.0
"""For so long the second in turn waits for the first to claim."""

STEP_S: Final = 1.0
"""How much longer each further one waits."""

LAST_RANK: Final = 8
"""From this rank on all wait equally long: the group grants one claim anyway."""

MARGIN: Final = 0.2
"""The share of a lease that an actor has to stop in, before the lease ends."""


class Step(enum.Enum):
    """What a node does about a singleton."""

    CLAIM = "claim"
    """Ask the group for it."""
    STOP = "stop"
    """Stop the actor that runs here: its lease ends soon, or the node gives it up."""
    KILL = "kill"
    """End the actor that runs here at once: another grant has followed its own."""
    GIVE_BACK = "give back"
    """Tell the group that nothing runs here."""


@dataclass(frozen=True, slots=True)
class NextStep:
    """What to do now, None: nothing; and when to look again if nothing changes before (monotonic, s), None: never."""

    step: Step | None
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """What one node knows of a singleton.

    Attributes:
        now: monotonic time, s.
        lease_ends_at: until when this member may act; -inf: it may not.
        lease_s: the length of a lease.
        me: this member.
        view: the newest view.
        known: the last grant that is known of.
        turns: the members that may claim, in their order.
        unheld_since: since when nobody holds it, as far as this node knows; None: it is held.
        running: the epoch of the actor that runs here; None: none does.
        is_wanted: False if this node gives up what it holds, and takes nothing more.
        hold_off_until: until then this node does not want it: its actor has ended by itself.
    """

    now: float
    lease_ends_at: float
    lease_s: float
    me: MemberId
    view: View
    known: Holder
    turns: tuple[MemberId, ...]
    unheld_since: float | None
    running: Epoch | None = None
    is_wanted: bool = True
    hold_off_until: float = 0.0

    @property
    def stop_at(self) -> float:
        """When an actor has to stop here."""
        return self.lease_ends_at - MARGIN * self.lease_s

    @property
    def may_run(self) -> bool:
        """Whether an actor may run here now, and has time to stop before the lease ends."""
        return self.now < self.stop_at


def turns(
    view: View, is_eligible: Callable[[Member], bool], given_up_by: MemberId | None = None
) -> tuple[MemberId, ...]:
    """Return the members that may claim, in their order; the one that gave the singleton up of its own will is last."""
    found = [member for member in view.up if is_eligible(member)]
    found.sort(key=lambda member: (member.identity == given_up_by, member.since, member.name))
    return tuple(member.identity for member in found)


def claim_after_s(rank: int) -> float:
    """Return for how long the member of a rank (0: the first) waits while nobody holds the singleton, s."""
    return 0.0 if rank == 0 else FIRST_WAIT_S + STEP_S * (min(rank, LAST_RANK) - 1)


def newer(one: Holder, other: Holder) -> Holder:
    """Return the later of two states of a singleton: a grant is followed by its own return, or by the next grant."""
    return max(one, other, key=lambda holder: (holder.epoch, holder.member is None))


def next_step(here: Situation) -> NextStep:
    """Return what this node does about a singleton in a situation."""
    if here.running is not None:
        return _next_of_running(here, here.running)
    holder = here.known.member
    if holder == here.me and here.view.find(here.me) is not None:
        if not here.is_wanted or here.now < here.hold_off_until:
            return NextStep(Step.GIVE_BACK)
        return NextStep(Step.CLAIM if here.may_run and here.me in here.turns else None)
    if here.unheld_since is None or not here.is_wanted or here.me not in here.turns or not here.may_run:
        return NextStep(None)
    at = max(here.hold_off_until, here.unheld_since + claim_after_s(here.turns.index(here.me)))
    return NextStep(Step.CLAIM) if here.now >= at else NextStep(None, at)


def _next_of_running(here: Situation, running: Epoch) -> NextStep:
    if here.known.epoch > running or (here.known.epoch == running and here.known.member != here.me):
        return NextStep(Step.KILL)
    if not here.is_wanted or not here.may_run:
        return NextStep(Step.STOP)
    return NextStep(None, here.stop_at)
