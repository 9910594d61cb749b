"""`LostTargets`: remembers the targets of a pool whose nodes have lost their link, for reports, until it is back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from coterie.protocols.balancing import TargetStatus

__all__ = ["LOST", "LostTargets"]

LOST: Final = "lost: no link to its node"
"""The state of a target of a lost node."""

LOST_MAX: Final = 100
"""How many targets are remembered; the oldest ones are forgotten first."""


class LostTargets:
    """What was last known of the targets that left with their nodes. A target that left a linked node is not one."""

    def __init__(self) -> None:
        self._status_by_key: dict[str, TargetStatus] = {}

    def add(self, left: Sequence[TargetStatus], *, linked: Collection[str]) -> None:
        """Remember those of the targets that have left whose nodes are not `linked`; forget those whose nodes are."""
        lost = [status for status in left if status.node not in linked]
        kept = [*self.statuses(linked=linked), *lost][-LOST_MAX:]
        self._status_by_key = {
            status.target: replace(status, state=LOST, in_flight=0, wanted_share=None) for status in kept
        }

    def statuses(self, *, linked: Collection[str]) -> list[TargetStatus]:
        """Return the targets whose nodes are not `linked`, in the order in which they were lost."""
        return [status for status in self._status_by_key.values() if status.node not in linked]

    def clear(self) -> None:
        """Forget all of them."""
        self._status_by_key = {}
