"""`ReceptionistActor`: has a node's actors registered as providers of services, for as long as they live.

node.receptionist ─ EnterService ─▶┐                                   ┌─▶ Register, Unregister ▶ group `membership`
actors ─────────── Terminated ────▶┤ ServiceBoard ─ OwnServices (pure) ┤
node.membership ── view, registry ▶┘                                   └─▶ replies to those that wait

clients ────────── FindService ───▶ the instances that this node knows

What is wanted is compared with the registry at each change: a registration that is missing there is sent again, one
that nobody wants is taken out, whatever the reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, assert_never

from coterie.actors.groups.group_client import GroupClient
from coterie.actors.membership.cluster_membership import ClusterMembership
from coterie.actors.membership.receptionist.service_board import ServiceBoard
from coterie.actors.membership.receptionist.service_messages import (
    EnterService,
    FindService,
    LeaveService,
    LeaveServices,
    ServiceInstance,
    ServiceListing,
)
from coterie.actors.membership.view_machine import Register, Unregister
from coterie.errors import CoterieError, ServiceRefused
from coterie.protocols.membership.own_services import Enter, ServiceKey, Withdraw
from coterie.protocols.membership.services import instances
from coterie.protocols.membership.view_decisions import Refused
from coterie.runtime.actor import Actor, Later, Terminated

__all__ = ["ReceptionistActor", "known_instances"]

COMMAND_S: Final = 4.0
"""For so long a command is tried. What has become of it then shows the registry."""


def known_instances(membership: ClusterMembership, service: str) -> tuple[ServiceInstance, ...]:
    """Return the instances of a service on up members, as far as a node knows, sorted by node and path."""
    found = instances(membership.registry.services, membership.view, service)
    return tuple(ServiceInstance(entry.member, entry.path) for entry in found)


class ReceptionistActor(Actor[EnterService | LeaveService | LeaveServices | FindService | Terminated]):
    """One node's receptionist. Each node of a topology with `Members` runs one at the same path.

    Args:
        board: what is wanted; it outlives this actor's restarts.
        membership: what the node knows of the view and the registry.
        group: the group that holds them.
    """

    def __init__(self, board: ServiceBoard, membership: ClusterMembership, group: GroupClient[Any]) -> None:
        self._board = board
        self._membership = membership
        self._group = group
        self._waiting: dict[ServiceKey, list[Later[None]]] = {}
        self._leaving: list[tuple[tuple[ServiceKey, ...], Later[Any], object]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._ignore: Callable[[], None] = lambda: None

    # --- life -------------------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Begin to compare; after a restart with what was wanted before."""
        for actor in self._board.actors:
            self.context.watch(actor)
        self._ignore = self._membership.on_change(self._compare)
        self._compare()

    def on_stop(self) -> None:
        """End: the entries of this member end with its membership."""
        self._ignore()
        for task in self._tasks:
            task.cancel()

    # --- incoming messages ------------------------------------------------------------------------------------------

    def receive(
        self, msg: EnterService | LeaveService | LeaveServices | FindService | Terminated, /
    ) -> ServiceListing | bool | None:
        """Take what is wanted, or answer."""
        match msg:
            case FindService(service):
                found = known_instances(self._membership, service)
                return ServiceListing(service, found, self._membership.may_act)
            case EnterService(service, actor, unique):
                key = self._board.want(service, actor, unique=unique)
                self.context.watch(actor)
                self._waiting.setdefault(key, []).append(self.context.reply_later(msg))
            case LeaveService(service, path):
                was_wanted = (service, path) in self._board.own.wanted
                self._leave(((service, path),), self.context.reply_later(msg), was_wanted)
            case LeaveServices():
                self._leave(self._board.own.wanted, self.context.reply_later(msg), None)
            case Terminated(ref, cause):
                for service, path in self._board.keys_of(ref):
                    self.context.log.info("service.actor_stopped", service=service, path=path, cause=cause)
                    self._unwant((service, path), ServiceRefused(service, f"its actor {path!r} has stopped: {cause}"))
            case _:
                assert_never(msg)
        self._compare()
        return None

    def _leave(self, keys: tuple[ServiceKey, ...], later: Later[Any], reply: object) -> None:
        for service, path in keys:
            self._unwant((service, path), ServiceRefused(service, f"{path!r} was unregistered meanwhile"))
        self._leaving.append((keys, later, reply))

    def _unwant(self, key: ServiceKey, why: ServiceRefused) -> None:
        idle = self._board.unwant(key)
        if idle is not None:
            self.context.unwatch(idle)
        for later in self._waiting.pop(key, ()):
            later.fail(why)

    # --- comparing --------------------------------------------------------------------------------------------------

    def _compare(self) -> None:
        """Send what is missing; reply to those whose wish is fulfilled."""
        known, own = self._membership, self._board.own
        own.learn(known.view, known.registry.services, known.registry.revision)
        for command in own.next():
            self._run(self._carry_out(command))
        for key in [key for key in self._waiting if own.is_settled(key)]:
            for later in self._waiting.pop(key):
                later.reply(None)
        done = [each for each in self._leaving if all(map(own.is_out, each[0]))]
        for each in done:
            self._leaving.remove(each)
            each[1].reply(each[2])

    async def _carry_out(self, command: Enter | Withdraw) -> None:
        me, log = self._membership.me.identity, self.context.log
        sent = (
            Register(command.service, me, command.path, command.unique)
            if isinstance(command, Enter)
            else Unregister(command.service, me, command.path)
        )
        try:
            answer = await self._group.execute(sent, timeout_s=COMMAND_S)
        except asyncio.CancelledError:
            self._board.own.failed(command)
            raise
        except CoterieError as error:
            log.debug("service.command_failed", service=command.service, path=command.path, error=str(error))
            self._board.own.failed(command)
            return  # what has become of it shows the registry: the next change sends it again, if it must
        if isinstance(command, Enter) and isinstance(answer, Refused):
            self._refused(command, answer.reason)
        else:
            self._board.own.answered(command)
            if isinstance(command, Enter):
                log.info("service.registered", service=command.service, path=command.path)
            else:
                log.info("service.unregistered", service=command.service, path=command.path)
        self._compare()

    def _refused(self, command: Enter, reason: str) -> None:
        """Give up what somebody waits for; what was registered before, and was lost, is wanted on."""
        own, why = self._board.own, ServiceRefused(command.service, reason)
        own.refused(command)
        self.context.log.warning("service.refused", service=command.service, path=command.path, reason=reason)
        if command.key not in self._waiting or command.key not in own.wanted:
            return
        registered = own.registered(command.key)
        if registered is None:
            self._unwant(command.key, why)
            return
        own.want(command.service, command.path, unique=registered)
        for later in self._waiting.pop(command.key, ()):
            later.fail(why)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.context.system.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
