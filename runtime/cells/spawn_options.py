"""`SpawnOptions`: sets an actor's mailbox size, overflow policy, supervision, access and meter; names its path, too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from coterie.runtime.cells.mailbox import Overflow
from coterie.runtime.cells.metering.request_meter import RequestMeter
from coterie.runtime.cells.supervision import Supervision
from coterie.runtime.observing.printable_text import is_printable, printable

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell

__all__ = ["Exported", "SpawnOptions", "actor_path"]

Exported = bool | Literal["operators"]
"""Whether clients outside the cluster reach an actor; "operators": those that operate the cluster."""


@dataclass(frozen=True, slots=True)
class SpawnOptions:
    """Options of a spawn. Actors that are spawned with the default options share one object.

    `capacity`: the most messages that wait in one lane of the mailbox. `supervision`: what happens when the actor
    fails. `overflow`: what happens to a message whose lane is full. `exported`: clients outside the cluster may reach
    the actor; with `for_operators` only those that operate the cluster. `meter`: follows its requests, see
    `RequestMeter`; a meter belongs to one actor.
    """

    capacity: int
    supervision: Supervision = field(default_factory=Supervision)
    overflow: Overflow = Overflow.FAIL
    exported: bool = False
    for_operators: bool = False
    meter: RequestMeter | None = None

    @property
    def is_for_clients(self) -> bool:
        """Whether any client outside the cluster reaches the actor, also one that does not operate it."""
        return self.exported and not self.for_operators

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise ValueError(f"capacity is {self.capacity}: a mailbox holds at least 1 message")


def actor_path(
    node: str,
    cells: Mapping[str, Cell],
    parent: Cell | None,
    factory: Callable[..., object],
    name: str | None,
    uid: int,
) -> str:
    """Return the path of a new actor on `node`, whose actors are `cells`, by path; None as name: after its class.

    Raises:
        ValueError: the name is empty, contains "/" or characters that are not visible, or is taken.
    """
    if name is None:
        made_by = getattr(factory, "func", factory)
        name = f"{getattr(made_by, '__name__', 'actor').strip('<>').lower()}-{uid}"
    elif not name or "/" in name:
        raise ValueError(f"an actor cannot be named {name!r}: a name must not be empty or contain '/'")
    elif not is_printable(name):
        raise ValueError(f"an actor cannot be named '{printable(name, 200)}': a name must be printable")
    path = name if parent is None else f"{parent.path}/{name}"
    if path in cells:
        raise ValueError(f"node {node!r} already has an actor named {path!r}: choose another name, or stop it first")
    return path
