"""`claim`: gives a singleton to one member at a time, with an epoch that grows each time; `release`: takes it back.

A singleton is a name that at most one member holds, so that its actor runs once in a cluster (Akka's cluster
singleton). Who holds it is part of the state of the group that holds the view, and is decided against that view:

* Only a member that is up is granted a singleton.
* A holder holds it for as long as it is in the view, in whatever state: while it is down, its lease may still run, and
  only `Remove` says that it has ended. A holder that is in the view no more, or was replaced by another life of its
  name, holds nothing. A new view changes no record for that: `holder_of` and `claim` compare the record with the view.
* Each grant has an epoch of its own, one higher than the one before under that name. The same life that claims again
  gets a new one, too: its actor was restarted, and what the actor of the old epoch has sent may still be on its way.

The epoch is a fencing token: what a singleton writes to carries the epoch, and refuses a lower one than it has seen
(sequencers: Burrows, "The Chubby lock service", OSDI 2006, §2.4; fencing tokens: Kleppmann, "How to do distributed
locking", 2016). So a name that was granted once is remembered for ever, with its last epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NewType

from coterie.protocols.membership.members import Member, MemberId
from coterie.protocols.membership.registered_names import NAME_CHARS_MAX, quoted, why_not_registrable
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_decisions import Refused

__all__ = [
    "SINGLETONS_MAX",
    "ClaimAnswer",
    "Claimed",
    "Epoch",
    "Granted",
    "HeldBy",
    "Holder",
    "Holders",
    "Released",
    "claim",
    "holder_of",
    "release",
]

Epoch = NewType("Epoch", int)
"""The number of a grant of one singleton: 1, 2, 3 …"""

SINGLETONS_MAX: Final = 1_024
"""How many singletons a cluster has at most."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The last grant of one singleton.

    Attributes:
        member: whom it was granted to; None: it has given it back. Whether it still holds it, `holder_of` says.
        epoch: the number of this grant.
    """

    member: MemberId | None
    epoch: Epoch


Holders = Mapping[str, Holder]
"""The last grant of each singleton by name. Functions here return another mapping, and never change one."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The claimant holds the singleton, with this epoch."""

    epoch: Epoch


@dataclass(frozen=True, slots=True)
class HeldBy:
    """Another member holds the singleton: `holder`, with this epoch. Claim it again when the view or that changes."""

    holder: MemberId
    epoch: Epoch


ClaimAnswer = Granted | HeldBy | Refused


@dataclass(frozen=True, slots=True)
class Claimed:
    """The holders after a claim, the same object unless it was granted; and the answer to the claimant."""

    holders: Holders
    answer: ClaimAnswer


@dataclass(frozen=True, slots=True)
class Released:
    """The holders after a release, the same object if nothing was released."""

    holders: Holders
    is_released: bool


def claim(holders: Holders, view: View, name: str, claimant: MemberId) -> Claimed:
    """Grant the singleton `name` to `claimant`, unless another member holds it.

    Refused is a claimant that is not up, and a name that is no name (1 … 128 visible characters) or one too many.
    """
    refusal = _why_not_up(view, name, claimant) or _why_no_name(holders, name)
    if refusal is not None:
        return Claimed(holders, Refused(refusal))
    last = holders.get(name)
    if last is not None and last.member is not None and last.member != claimant and _holds(view, last.member):
        return Claimed(holders, HeldBy(last.member, last.epoch))
    epoch = Epoch(1 if last is None else last.epoch + 1)
    return Claimed({**holders, name: Holder(claimant, epoch)}, Granted(epoch))


def release(holders: Holders, name: str, claimant: MemberId, epoch: Epoch) -> Released:
    """Take the singleton `name` back, which `claimant` was granted with this epoch, and whose actor it has stopped.

    A release of another epoch changes nothing: it is late, and the singleton was granted again meanwhile.
    """
    last = holders.get(name)
    if last is None or last.member != claimant or not _is_same_grant(last, epoch):
        return Released(holders, is_released=False)
    return Released({**holders, name: Holder(None, last.epoch)}, is_released=True)


def holder_of(holders: Holders, view: View, name: str) -> HeldBy | None:
    """Return which member holds a singleton, in whatever state, as of a view; None if none does."""
    last = holders.get(name)
    if last is None or last.member is None or not _holds(view, last.member):
        return None
    return HeldBy(last.member, last.epoch)


def _holds(view: View, member: MemberId) -> bool:
    """Return whether a member holds what it was granted: until it is removed, because its lease may run till then."""
    return _present(view, member) is not None


def _present(view: View, identity: MemberId) -> Member | None:
    """Return the member of this name and incarnation, in whatever state."""
    return view.find(identity)


def _is_same_grant(last: Holder, epoch: Epoch) -> bool:
    return last.epoch == epoch


def _why_not_up(view: View, name: str, claimant: MemberId) -> str | None:
    member = _present(view, claimant)
    if member is not None and member.is_up:
        return None
    state = "not in it" if member is None else f"{member.state.value} since view {member.since}"
    return f"singleton {quoted(name)} is for members that are up in view {view.number}, and {claimant} is {state}"


def _why_no_name(holders: Holders, name: str) -> str | None:
    if name in holders:
        return None
    if len(holders) >= SINGLETONS_MAX:
        return f"singleton {quoted(name)} is one too many: a cluster has at most {SINGLETONS_MAX:,}; use fewer names"
    return why_not_registrable("the name of a singleton", name, NAME_CHARS_MAX)
