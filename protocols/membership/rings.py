"""`Rings`: says who observes whom in a view: each member has K observers, one on each of K rings.

Every ring holds all members that are not down, in an order of its own, which a hash of (ring, name, incarnation)
determines: a random graph that every node computes alike, and that is an expander with high probability (Rapid, USENIX
ATC 2018, §4.1). On each ring a member is observed by its successor. The orders do not depend on the view's number: a
member that comes or goes changes the observers of some ten others only. What observers have found out stays valid, so
that crashes are noticed while others come and go, second after second.

The observers of members:

* more than K other members: the successor on each of the K rings; a member may be it on two rings;
* K or fewer (the paper leaves it open): all others, in the order of the first ring from the member on; ring r has the
  one at place r modulo their number. So each of the n - 1 others observes on K / (n - 1) rings, rounded up or down, and
  no single one has most rings of a member while there are three of them or more;
* a single member: none.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from coterie.protocols.membership.members import MemberId, ViewNumber
from coterie.protocols.membership.view import View
from coterie.protocols.stable_hash import stable_hashes

__all__ = ["RINGS", "Rings", "rings_of"]

RINGS: Final = 10
"""K: the paper's number of observers per member (§7)."""

_NUMBER: Final = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Rings:
    """Who observes whom in one view.

    Attributes:
        number: the view's number.
        observers: by member, its observer on each ring; () if there is no other member.
        subjects: by member, whom it observes, sorted, each once.
    """

    number: ViewNumber
    observers: Mapping[MemberId, tuple[MemberId, ...]]
    subjects: Mapping[MemberId, tuple[MemberId, ...]]

    def between(self, observer: MemberId, subject: MemberId) -> tuple[int, ...]:
        """Return the rings on which `observer` observes `subject`, ascending; () if it does not."""
        observers = self.observers.get(subject, ())
        return tuple(ring for ring, named in enumerate(observers) if named == observer)


def rings_of(view: View, *, count: int = RINGS) -> Rings:
    """Return the rings of `view`. O(count · n log n).

    Raises:
        ValueError: `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"a view has one ring or more, not {count}")
    members = [member.identity for member in view.present]
    places = {member: stable_hashes(_key(member), count) for member in members}
    if len(members) > count + 1:
        observers = _successors(members, places, count)
    else:
        observers = _all_others(members, places, count)
    return Rings(view.number, observers, _subjects(members, observers))


def _key(member: MemberId) -> bytes:
    """Return what the places of a member are hashed from; the ring is the index in the sequence of hashes."""
    return _NUMBER.pack(member.incarnation) + member.name.encode("utf-8", "surrogatepass")


def _successors(
    members: Sequence[MemberId], places: Mapping[MemberId, Sequence[int]], count: int
) -> dict[MemberId, tuple[MemberId, ...]]:
    observers: dict[MemberId, list[MemberId]] = {member: [] for member in members}
    for ring in range(count):
        order = _order(members, places, ring)
        for at, member in enumerate(order):
            observers[order[at - 1]].append(member)
    return {member: tuple(named) for member, named in observers.items()}


def _all_others(
    members: Sequence[MemberId], places: Mapping[MemberId, Sequence[int]], count: int
) -> dict[MemberId, tuple[MemberId, ...]]:
    order, others = _order(members, places, 0), len(members) - 1
    rings = range(count if others else 0)
    return {
        member: tuple(order[(at + 1 + ring % others) % len(order)] for ring in rings) for at, member in enumerate(order)
    }


def _order(members: Sequence[MemberId], places: Mapping[MemberId, Sequence[int]], ring: int) -> list[MemberId]:
    """Return the members in the order of a ring; two of one hash, which never happens, in that of their names."""
    return sorted(members, key=lambda member: (places[member][ring], member))


def _subjects(
    members: Sequence[MemberId], observers: Mapping[MemberId, Sequence[MemberId]]
) -> dict[MemberId, tuple[MemberId, ...]]:
    subjects: dict[MemberId, dict[MemberId, None]] = {member: {} for member in members}
    for subject in members:
        for observer in observers[subject]:
            subjects[observer][subject] = None
    return {member: tuple(observed) for member, observed in subjects.items()}
