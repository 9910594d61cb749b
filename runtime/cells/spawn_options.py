"""What `spawn` was given besides the factory: how an actor is looked after."""

from __future__ import annotations

from dataclasses import dataclass, field

from coterie.runtime.cells.mailbox import Overflow
from coterie.runtime.cells.supervision import Supervision

__all__ = ["Plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """`capacity`: the most messages that wait in a lane of the mailbox. `overflow`: what becomes of those beyond.

    `exported`: whether clients outside the cluster may reach the actor. Actors that were spawned alike share one.
    """

    capacity: int
    supervision: Supervision = field(default_factory=Supervision)
    overflow: Overflow = Overflow.FAIL
    exported: bool = False

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise ValueError(f"capacity is {self.capacity}: a mailbox holds at least 1 message")
