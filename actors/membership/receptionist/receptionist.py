"""`Receptionist`: registers actors of a node as providers of services, finds and follows those of the whole cluster.

await node.receptionist.register("thumbnails", ref)              # for as long as the actor lives, and the node is in
for provider in node.receptionist.find("thumbnails"):            # refs to the actors on up members
    provider.tell(Draw("cat.png"))
stop = node.receptionist.subscribe("thumbnails", lambda update: print(update.added, update.removed))
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from coterie.actors.membership.cluster_membership import ClusterMembership
from coterie.actors.membership.receptionist.receptionist_actor import known_instances
from coterie.actors.membership.receptionist.service_messages import (
    EnterService,
    LeaveService,
    LeaveServices,
    ServiceInstance,
    ServiceUpdate,
)
from coterie.runtime.refs import Ref
from coterie.runtime.system import System
from coterie.runtime.user_code import notify

__all__ = ["Receptionist", "ServiceListener"]

REGISTER_S = 30.0

ServiceListener = Callable[[ServiceUpdate], object] | Ref[ServiceUpdate]
"""A function that is called with each update, or the ref of an actor of this node that is told it."""


class Receptionist:
    """The services of a cluster, as one node sees them: `node.receptionist`, in a topology with `Members`.

    Args:
        system: the node's system.
        membership: what the node knows of the view and the registry.
        actor: the node's `ReceptionistActor`.
    """

    def __init__(self, system: System, membership: ClusterMembership, actor: Ref[Any]) -> None:
        self._system = system
        self._membership = membership
        self._actor = actor

    def register(
        self, service: str, actor: Ref[Any] | str, *, unique: bool = False, timeout_s: float = REGISTER_S
    ) -> asyncio.Future[None]:
        """Register an actor of this node as a provider of a service; the future is done once `find` here can see it.

        It stays registered until it stops, `unregister` is called, or this node leaves: if the registry loses it
        for whatever reason, it is registered again. The other nodes know of it some 0.7 s later (`renew_every_s`).
        Need not be awaited: a refusal is logged, too (`service.refused`).

        Args:
            service: the name of the service, 1 to 128 visible characters.
            actor: its ref, or its path on this node; it must live.
            unique: whether it refuses all others of this service, and is refused beside another one. That finds
                duplicates, and is no lock: what must never run twice at one time is a singleton.
            timeout_s: for how long the future waits. It is wanted after that, too, until `unregister`.

        Raises:
            ValueError: it is no actor of this node, or none of that path lives; at once.
            ServiceRefused: through the future: the cluster refuses it. The text says why, and names the holder.
            AskTimeout: through the future: it is not registered yet: the node is not in the view, or the group
                `membership` has no leader.
        """
        entered = EnterService(service, self._living(actor), unique)
        asked: asyncio.Future[None] = self._actor.ask(entered, timeout_s=timeout_s)
        return asked

    def unregister(self, service: str, actor: Ref[Any] | str, *, timeout_s: float = REGISTER_S) -> asyncio.Future[bool]:
        """Take a registration back; the future is done once it is out, with whether this node had wanted it."""
        path = actor.path if isinstance(actor, Ref) else actor
        asked: asyncio.Future[bool] = self._actor.ask(LeaveService(service, path), timeout_s=timeout_s)
        return asked

    def unregister_all(self, *, timeout_s: float = REGISTER_S) -> asyncio.Future[None]:
        """Take all registrations of this node back: before it stops, so that nobody is sent to it any more."""
        asked: asyncio.Future[None] = self._actor.ask(LeaveServices(), timeout_s=timeout_s)
        return asked

    def instances(self, service: str) -> tuple[ServiceInstance, ...]:
        """Return the providers of a service on up members, as far as this node knows, sorted by node and path."""
        return known_instances(self._membership, service)

    def find(self, service: str) -> list[Ref[Any]]:
        """Return refs to the providers of a service on up members, as far as this node knows, by node and path."""
        return [self._system.at(instance.address) for instance in self.instances(service)]

    def subscribe(self, service: str, listener: ServiceListener) -> Callable[[], None]:
        """Tell `listener` the present providers at once, and then each change in order; return what ends this.

        A function is called on the event loop and must be quick; an error that it raises is logged. A ref stays until
        it is removed: remove it when its actor stops.
        """
        tell: Callable[[Any], object] = listener.tell if isinstance(listener, Ref) else listener
        told, is_over = self.instances(service), False
        notify(self._system.log, [tell], ServiceUpdate(service, told, told, ()))

        def look() -> None:
            nonlocal told
            now = self.instances(service)
            if now == told or is_over:
                return
            added = tuple(one for one in now if one not in told)
            removed = tuple(one for one in told if one not in now)
            told = now
            notify(self._system.log, [tell], ServiceUpdate(service, now, added, removed))

        def stop() -> None:
            nonlocal is_over
            is_over = True
            forget()

        forget = self._membership.on_change(look)
        return stop

    def _living(self, actor: Ref[Any] | str) -> Ref[Any]:
        """Return the ref of an actor of this node that lives now."""
        node, path = self._system.node, actor.path if isinstance(actor, Ref) else actor
        if isinstance(actor, Ref) and actor.node != node:
            raise ValueError(f"{actor!r} is an actor of {actor.node!r}: each node registers its own, this is {node!r}")
        cell = self._system.registry.cell_at(path)
        if cell is None or (isinstance(actor, Ref) and actor.uid not in (0, cell.ref.uid)):
            raise ValueError(
                f"no actor {path!r} lives on {node!r}: register it after it was spawned, and while it runs"
            )
        ref: Ref[Any] = cell.ref
        return ref
