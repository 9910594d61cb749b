"""`Member`: describes one node of a view: its name, incarnation, address, roles, labels and state.

A member is identified by its name *and* its incarnation, `MemberId`: a process that is started again under its old name
is another member. Incarnations are random numbers (one per process), so they are compared for equality only.

    Join ──▶ JOINING ── BecomeUp ──▶ UP ── Leave ──▶ LEAVING ── Left ──▶ (removed)
                │                    │                  │                    ▲
                └────────────────────┴── Expel, Down ───┴──▶ DOWN ── Remove ─┘

A removed member is not in the view any more; the view remembers its identity, so that it does not join again.
"Suspected" is no state: it is the opinion of one node's failure detector, and is kept beside the view, never in it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, NamedTuple, NewType

from coterie.protocols.algorithm import NodeId

__all__ = [
    "INCARNATIONS",
    "Incarnation",
    "Labels",
    "Member",
    "MemberId",
    "MembershipState",
    "ViewNumber",
    "short_incarnation",
    "sorted_labels",
]

Incarnation = NewType("Incarnation", int)
"""One life of a process: a random number, 0 … `INCARNATIONS` - 1."""

INCARNATIONS: Final = 1 << 64
"""The number of incarnations that can be told apart."""

DIGITS_SHOWN: Final = 8


def short_incarnation(incarnation: int) -> str:
    """Return an incarnation as people read it: its first 8 digits, which tell the lives of a node apart."""
    digits = str(incarnation)
    return digits if len(digits) <= DIGITS_SHOWN else f"{digits[:DIGITS_SHOWN]}…"


ViewNumber = NewType("ViewNumber", int)
"""The number of a view: 0 for the empty one, then one more with each change."""

Labels = tuple[tuple[str, str], ...]
"""(key, value) pairs, sorted by key, each key once."""


class MembershipState(enum.Enum):
    """What the cluster has decided about a member."""

    JOINING = "joining"
    """It has been let in, and gets ready."""
    UP = "up"
    """It takes part in everything. Only such members count where a number or a share of members is wanted."""
    LEAVING = "leaving"
    """It hands over what it has, on its own wish, and then leaves."""
    DOWN = "down"
    """It has been decided out, but its leases may still run: what it held must not be given to others yet."""


class MemberId(NamedTuple):
    """The identity of a member, ordered by name."""

    name: NodeId
    incarnation: Incarnation

    def __str__(self) -> str:
        """Return the identity as people read it."""
        return f"'{self.name}' (incarnation {short_incarnation(self.incarnation)})"


@dataclass(frozen=True, slots=True)
class Member:
    """One node of a view.

    Attributes:
        name: the node's name, not empty.
        incarnation: the life of its process.
        address: where other nodes reach it, `host:port`.
        roles: what it is for; parts of a topology say by role where they run.
        labels: what else is known about it, such as its zone; `sorted_labels` makes them from a mapping.
        state: what the cluster has decided about it.
        since: the number of the view in which it got this state.
        store: the id of its durable store, which is open in one process at a time; "" without one.

    Raises:
        ValueError: the name or the address is empty, the incarnation is not in its range, or the labels are not sorted.
    """

    name: NodeId
    incarnation: Incarnation
    address: str
    roles: frozenset[str] = frozenset()
    labels: Labels = ()
    state: MembershipState = MembershipState.JOINING
    since: ViewNumber = ViewNumber(0)
    store: str = ""

    def __post_init__(self) -> None:
        if not self.name or not self.address or not 0 <= self.incarnation < INCARNATIONS:
            raise ValueError(
                f"a member has a name, an address and an incarnation of 0 to 2**64 - 1, "
                f"not {self.name!r}, {self.address!r} and {self.incarnation}"
            )
        keys = [key for key, _ in self.labels]
        if any(first >= second for first, second in pairwise(keys)):
            raise ValueError(f"labels of member {self.name!r} must be sorted by key, each key once, not {keys}")

    @property
    def identity(self) -> MemberId:
        """Its name and incarnation."""
        return MemberId(self.name, self.incarnation)

    @property
    def is_up(self) -> bool:
        """Whether it counts where up members are wanted. A leaving one does not."""
        return self.state is MembershipState.UP

    @property
    def is_down(self) -> bool:
        """Whether it has been decided out."""
        return self.state is MembershipState.DOWN

    def label(self, key: str) -> str | None:
        """Return the value of a label; None if it has none."""
        return next((value for own, value in self.labels if own == key), None)

    def changed(self, state: MembershipState, since: ViewNumber) -> Member:
        """Return the member with another state, which it has since view `since`."""
        return replace(self, state=state, since=since)


def sorted_labels(labels: Mapping[str, str]) -> Labels:
    """Return labels as a `Member` keeps them."""
    return tuple(sorted(labels.items()))
