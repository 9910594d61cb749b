"""`RegistrationRule`: decides which voters must remember the store of another voter before that one may take part.

A node that comes back under its name with another store has lost its votes and entries. So each store is remembered by
other voters, some of which may lose their own stores, too. A set of lost stores is *tolerated* if all other voters
together still contain a quorum.

The rule: for each tolerated set that contains the voter itself, more than half of the other voters outside that set
have confirmed. Any two sets of confirming voters then have a voter in common that has lost nothing: if the two are for
different stores of one name, that voter remembers the first when the second asks, and refuses it.

With majorities of n voters the tolerated sets are those of at most f = (n - 1) // 2, and the rule asks for
q = ceil((n - 1 + f) / 2) of the n - 1 others: for n = 1 to 7 that is 0, 1, 2, 2, 3, 4, 5. (More than half of the others
would be too few from six voters on.)
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator

from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Majority, Quorum

__all__ = ["RegistrationRule"]


class RegistrationRule:
    """The rule for one voter of a group.

    Args:
        voter: the voter whose store is to be remembered.
        quorum: the voters that decide in its group.
    """

    def __init__(self, voter: NodeId, quorum: Quorum) -> None:
        self._others = tuple(member for member in quorum.members if member != voter)
        self._needed = confirmations_needed(len(quorum.members)) if type(quorum) is Majority else None
        self._outside = () if self._needed is not None else tuple(_others_outside_losses(voter, self._others, quorum))

    def is_enough(self, confirmed: Collection[NodeId]) -> bool:
        """Return whether the voter may take part once the voters `confirmed` remember its store durably."""
        if self._needed is not None:
            return _count(self._others, confirmed) >= self._needed
        return all(2 * _count(others, confirmed) > len(others) for others in self._outside)

    def is_possible(self, refusing: Collection[NodeId]) -> bool:
        """Return whether the voters that do not refuse can be enough."""
        return self.is_enough([voter for voter in self._others if voter not in refusing])


def confirmations_needed(voters: int) -> int:
    """Return how many others must confirm in a group of `voters` that decides by majorities."""
    tolerated = (voters - 1) // 2
    return (voters - 1 + tolerated + 1) // 2


def _others_outside_losses(voter: NodeId, others: tuple[NodeId, ...], quorum: Quorum) -> Iterator[tuple[NodeId, ...]]:
    """Yield, for each tolerated loss that contains `voter`, the other voters outside it; first for that of it alone."""
    if voter not in quorum.members:
        return  # it counts for nothing
    if others:
        yield others
    for size in range(len(others) - 1, 0, -1):
        for outside in itertools.combinations(others, size):
            if quorum.is_quorum(outside):
                yield outside


def _count(voters: tuple[NodeId, ...], confirmed: Collection[NodeId]) -> int:
    return sum([voter in confirmed for voter in voters])
