"""`decide`: applies a change to a view, or refuses it and says why; a pure function, the same on every replica.

A decided change makes the next view if it changes anything, and none if it has been made before: repeating a command
is harmless. `decide_together` makes several changes one view, such as a hundred nodes that join at once.

Who may be let in under a name that a member has already (a view has each name once):

* the same life again: nothing to do;
* a life that was removed: refused for ever;
* another life at the same address: the old process is gone, since the new one listens there (all nodes of a cluster
  restart at their addresses in one change each). It needs addresses at which no two processes are ever reached;
* another life at another address: refused, because both may run;
* another life, wherever, while the present one is down: refused until that is removed, because its leases may run;
* any of these if the proposer knows that the present life is gone, and names it (`Join.replaces`): it takes its place.

A member that joins names whom it replaces, as far as it has read the view (`Join.replaces`): the request of a life that
has ended meanwhile may be decided late, and must not take the place of the life after it at the same address.

Addresses are not compared between names: after a restart two nodes may have swapped theirs, and a wrong one shows as a
member that does not answer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import assert_never

from coterie.protocols.algorithm import NodeId
from coterie.protocols.membership.members import Member, MemberId, MembershipState, ViewNumber, short_incarnation
from coterie.protocols.membership.view import View, remembered
from coterie.protocols.membership.view_changes import BecomeUp, Down, Expel, Join, Leave, Left, Remove, ViewChange
from coterie.protocols.quorums import Quorum

__all__ = ["Decided", "DecidedTogether", "Decision", "Done", "Refused", "decide", "decide_together"]

JOINING, UP, LEAVING, DOWN = (
    MembershipState.JOINING,
    MembershipState.UP,
    MembershipState.LEAVING,
    MembershipState.DOWN,
)


@dataclass(frozen=True, slots=True)
class Done:
    """A change that holds.

    Attributes:
        note: what it did, or that there was nothing to do, in a sentence for people.
        is_change: whether it changed anything.
    """

    note: str
    is_change: bool = True

    def __str__(self) -> str:
        """Return it as people read it."""
        return f"done: {self.note}" if self.is_change else f"nothing to do: {self.note}"


@dataclass(frozen=True, slots=True)
class Refused:
    """A change that was not made: `reason` names the members concerned, and says what to do instead."""

    reason: str

    def __str__(self) -> str:
        """Return it as people read it."""
        return f"refused: {self.reason}"


@dataclass(frozen=True, slots=True)
class Decided:
    """A change that holds in `view`, which is the old one if `is_change` is false; `note` as in `Done`."""

    view: View
    note: str
    is_change: bool


Decision = Decided | Refused


@dataclass(frozen=True, slots=True)
class DecidedTogether:
    """The view after several changes, one number higher if any of them changed anything; an outcome for each."""

    view: View
    outcomes: tuple[Done | Refused, ...]


def decide(view: View, change: ViewChange, *, group: Quorum | None = None) -> Decision:
    """Return the view after `change`, or why it is refused.

    Args:
        view: the present view.
        change: the change.
        group: the voters of the group that holds the view, by name, and their quorums: no change may take so many of
            them out of the view that the rest is no quorum. None: the group's nodes are no members, nothing is checked.
    """
    together = decide_together(view, (change,), group=group)
    outcome = together.outcomes[0]
    if isinstance(outcome, Refused):
        return outcome
    return Decided(together.view, outcome.note, outcome.is_change)


def decide_together(view: View, changes: Sequence[ViewChange], *, group: Quorum | None = None) -> DecidedTogether:
    """Return the one view after several changes, each applied after the one before; refused ones change nothing."""
    draft = _Draft(view, group)
    outcomes = tuple(_apply(draft, change) for change in changes)
    is_change = any(isinstance(outcome, Done) and outcome.is_change for outcome in outcomes)
    return DecidedTogether(draft.view() if is_change else view, outcomes)


class _Draft:
    """The next view while it is made."""

    __slots__ = ("_removed", "decided_on", "group", "members", "number")

    def __init__(self, view: View, group: Quorum | None) -> None:
        self.group = group
        self.decided_on = view.number
        self.number = ViewNumber(view.number + 1)
        self.members = {member.name: member for member in view.members}
        self._removed = view.removed

    def find(self, identity: MemberId) -> Member | None:
        found = self.members.get(identity.name)
        return found if found is not None and _is_same_life(found, identity) else None

    def put(self, member: Member, state: MembershipState) -> None:
        self.members[member.name] = member.changed(state, self.number)

    def remove(self, member: Member) -> None:
        del self.members[member.name]
        self._removed = remembered(self._removed, member.identity)

    def was_removed(self, identity: MemberId) -> bool:
        return identity in self._removed

    def view(self) -> View:
        return View(self.number, tuple(self.members[name] for name in sorted(self.members)), self._removed)


def _apply(draft: _Draft, change: ViewChange) -> Done | Refused:
    match change:
        case Join():
            return _join(draft, change)
        case BecomeUp(identity):
            return _become_up(draft, identity)
        case Leave(identity):
            return _leave(draft, identity)
        case Left(identity):
            return _left(draft, identity)
        case Expel():
            return _expel(draft, change)
        case Down(identity):
            return _down(draft, identity)
        case Remove(identity):
            return _remove(draft, identity)
        case _:
            assert_never(change)


def _join(draft: _Draft, change: Join) -> Done | Refused:
    joiner = change.member
    if draft.was_removed(joiner.identity):
        return Refused(
            f"{joiner.identity} was removed from the view, and this life of it cannot come back: "
            f"start its process again, so that it has a new incarnation"
        )
    present = draft.members.get(joiner.name)
    if present is None:
        draft.put(joiner, JOINING)
        return Done(f"{joiner.identity} joins at {joiner.address}")
    if _is_same_life(present, joiner.identity):
        return _joined_before(present, joiner)
    if not _is_gone(present, change):
        return Refused(_why_not_replaced(present, change))
    draft.remove(present)
    draft.put(joiner, JOINING)
    return Done(f"{joiner.identity} joins at {joiner.address} in place of {present.identity} at {present.address}")


def _is_same_life(member: Member, identity: MemberId) -> bool:
    return member.incarnation == identity.incarnation


def _is_gone(present: Member, change: Join) -> bool:
    """Return whether the process of `present` has ended for sure."""
    if change.replaces is not None:
        return change.replaces == present.incarnation
    return present.address == change.member.address and not present.is_down


def _joined_before(present: Member, joiner: Member) -> Done | Refused:
    if present.is_down:
        return Refused(
            f"{present.identity} is down since view {present.since}, and this life of it cannot come back: "
            f"start its process again, so that it has a new incarnation"
        )
    own = (present.address, present.roles, present.labels)
    if own != (joiner.address, joiner.roles, joiner.labels):
        return Refused(
            f"{present.identity} has joined at {present.address} with roles {sorted(present.roles)} and labels "
            f"{dict(present.labels)}, not at {joiner.address} with {sorted(joiner.roles)} and {dict(joiner.labels)}: "
            f"they stay the same for as long as the process lives; start it again to change them"
        )
    return Done(f"{present.identity} has joined before: it is {present.state.value}", is_change=False)


def _why_not_replaced(present: Member, change: Join) -> str:
    joiner = change.member
    if present.is_down:
        return (
            f"{present.identity} at {present.address} is down since view {present.since}, and may still hold leases: "
            f"{joiner.identity} at {joiner.address} can join when it has been removed from the view; try again then"
        )
    life, new_life = short_incarnation(present.incarnation), short_incarnation(joiner.incarnation)
    text = (
        f"two nodes are called {joiner.name!r}: one at {present.address} (incarnation {life}, "
        f"{present.state.value}), and one at {joiner.address} (incarnation {new_life}) that wants to join; "
    )
    if change.replaces not in (None, joiner.incarnation):
        return (
            f"{text}incarnation {short_incarnation(change.replaces)}, which was said to be gone, is not the present "
            f"one: find out whether the one at {present.address} runs, and name its incarnation"
        )
    return (
        f"{text}give one of them another name; if the one at {present.address} is gone, "
        f"take {joiner.name!r} down first, or say so when joining"
    )


def _become_up(draft: _Draft, identity: MemberId) -> Done | Refused:
    member = draft.find(identity)
    if member is None:
        return _no_member(draft, identity, "it must join before it can be up")
    if member.state is UP:
        return Done(f"{identity} is up already, since view {member.since}", is_change=False)
    if member.state is not JOINING:
        return Refused(
            f"{identity} is {member.state.value} since view {member.since}: only a joining member becomes up; "
            f"start its process again to let it join anew"
        )
    draft.put(member, UP)
    return Done(f"{identity} is up")


def _leave(draft: _Draft, identity: MemberId) -> Done | Refused:
    member = draft.find(identity)
    if member is None:
        return _gone_before(draft, identity, "it cannot leave")
    if member.state is LEAVING:
        return Done(f"{identity} is leaving already, since view {member.since}", is_change=False)
    if member.is_down:
        return Refused(_down_already(member))
    needed = _why_needed(draft, (member.name,))
    if needed is not None:
        return Refused(f"{identity} cannot leave: {needed}")
    draft.put(member, LEAVING)
    return Done(f"{identity} is leaving")


def _left(draft: _Draft, identity: MemberId) -> Done | Refused:
    member = draft.find(identity)
    if member is None:
        return _gone_before(draft, identity, "it cannot have left")
    if member.is_down:
        return Refused(_down_already(member))
    if member.state is not LEAVING:
        return Refused(f"{identity} is {member.state.value}: it must announce that it leaves before it has left")
    draft.remove(member)
    return Done(f"{identity} has left")


def _expel(draft: _Draft, change: Expel) -> Done | Refused:
    if change.decided_on > draft.decided_on:
        return Refused(
            f"{_names(change.members)} cannot be expelled on view {change.decided_on}, because the present view is "
            f"{draft.decided_on}: accuse members of a view that has been decided"
        )
    found = [member for identity in change.members if (member := draft.find(identity)) is not None]
    expelled = sorted((member for member in found if not member.is_down), key=lambda member: member.name)
    if not expelled:
        return Done(f"no present member is among {_names(change.members)}: there is nothing to do", is_change=False)
    needed = _why_needed(draft, [member.name for member in expelled])
    if needed is not None:
        return Refused(f"{_names([member.identity for member in expelled])} cannot be expelled together: {needed}")
    for member in expelled:
        draft.put(member, DOWN)
    return Done(f"{_names([member.identity for member in expelled])} are down, as view {change.decided_on} saw them")


def _down(draft: _Draft, identity: MemberId) -> Done | Refused:
    member = draft.find(identity)
    if member is None:
        return _gone_before(draft, identity, "it cannot be taken down")
    if member.is_down:
        return Done(f"{identity} is down already, since view {member.since}", is_change=False)
    needed = _why_needed(draft, (member.name,))
    if needed is not None:
        return Refused(f"{identity} cannot be taken down: {needed}")
    draft.put(member, DOWN)
    return Done(f"{identity} is down, because an operator said so")


def _remove(draft: _Draft, identity: MemberId) -> Done | Refused:
    member = draft.find(identity)
    if member is None:
        return _gone_before(draft, identity, "it cannot be removed")
    if not member.is_down:
        return Refused(f"{identity} is {member.state.value}: only a member that is down is removed; take it down first")
    draft.remove(member)
    return Done(f"{identity} has been removed")


def _gone_before(draft: _Draft, identity: MemberId, cannot: str) -> Done | Refused:
    if draft.was_removed(identity):
        return Done(f"{identity} is not in the view any more: there is nothing to do", is_change=False)
    return _no_member(draft, identity, cannot)


def _no_member(draft: _Draft, identity: MemberId, consequence: str) -> Refused:
    present = draft.members.get(identity.name)
    if present is None:
        return Refused(f"{identity} is not in view {draft.decided_on}: {consequence}; see the names of its members")
    return Refused(
        f"{identity} is not in view {draft.decided_on}: {consequence}; the present life of {identity.name!r} is "
        f"incarnation {short_incarnation(present.incarnation)} at {present.address} ({present.state.value})"
    )


def _down_already(member: Member) -> str:
    return (
        f"{member.identity} is down since view {member.since}, and its leases may still run: "
        f"it is removed when the longest one has run out"
    )


def _why_needed(draft: _Draft, lost: Collection[NodeId]) -> str | None:
    """Return why the view cannot do without the members `lost`, and what to do; None if it can.

    The view's own group must keep a quorum of members that are joining or up: without it no view would ever follow.
    """
    up = [member.name for member in draft.members.values() if member.is_up]
    if up and not any(name not in lost for name in up):
        return (
            f"no member would be up without {_listed(up)}; let another node join and become up first, "
            f"or stop it without leaving: it stays in the view, and returns at its address"
        )
    if draft.group is None:
        return None
    serving = [name for name in draft.group.members if _serves(draft, name)]
    rest = [name for name in serving if name not in lost]
    if len(rest) == len(serving) or draft.group.is_quorum(rest):
        return None
    return (
        f"the group that holds the view ({_listed(draft.group.members)}) would have no quorum with "
        f"{_listed(rest) if rest else 'none of them'} alone; replace {_listed([n for n in serving if n in lost])} "
        f"in that group first, or restart what is down in it"
    )


def _serves(draft: _Draft, name: NodeId) -> bool:
    member = draft.members.get(name)
    return member is not None and member.state in (JOINING, UP)


def _names(identities: Sequence[MemberId]) -> str:
    return ", ".join(map(str, identities)) if identities else "no members"


def _listed(names: Sequence[NodeId]) -> str:
    return ", ".join(sorted(repr(name) for name in names))
