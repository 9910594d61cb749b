"""`SpawnOptions`: sets an actor's mailbox size, overflow policy, supervision, access for clients, and its meter."""

from __future__ import annotations

from dataclasses import dataclass, field

from coterie.runtime.cells.mailbox import Overflow
from coterie.runtime.cells.metering.request_meter import RequestMeter
from coterie.runtime.cells.supervision import Supervision

__all__ = ["SpawnOptions"]


@dataclass(frozen=True, slots=True)
class SpawnOptions:
    """Options of a spawn. Actors that are spawned with the default options share one object.

    `capacity`: the most messages that wait in one lane of the mailbox. `supervision`: what happens when the actor
    fails. `overflow`: what happens to a message whose lane is full. `exported`: clients outside the cluster may reach
    the actor. `meter`: follows its requests, see `RequestMeter`; a meter belongs to one actor.
    """

    capacity: int
    supervision: Supervision = field(default_factory=Supervision)
    overflow: Overflow = Overflow.FAIL
    exported: bool = False
    meter: RequestMeter | None = None

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise ValueError(f"capacity is {self.capacity}: a mailbox holds at least 1 message")
