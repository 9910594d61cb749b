"""Singleton trials: run one node's part in a singleton with a scripted group; look what its actor does, and when.

| invariant | broken when |
| --- | --- |
| `singleton.lease` | the actor acts, or starts, when the lease of its node has ended |
| `singleton.epoch` | the actor has another epoch than the last grant |
| `singleton.returned` | a singleton is given back while its actor is there |
| `singleton.handled_twice` | an ask that may have been handled is sent again |
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from coterie.actors.membership.cluster_membership import ClusterMembership
from coterie.actors.membership.membership_feed import MembershipFeed
from coterie.actors.membership.membership_records import Registry
from coterie.actors.membership.singleton.held_messages import HeldMessages
from coterie.actors.membership.singleton.singleton_actor import SingletonActor, SingletonOptions
from coterie.actors.membership.view_machine import Claim, Release
from coterie.errors import ConnectionLost, CoterieError
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.membership.members import Incarnation, Member, MembershipState, ViewNumber
from coterie.protocols.membership.partition_policy import Stand
from coterie.protocols.membership.singletons import Epoch, Granted, Holder
from coterie.protocols.membership.view import View
from coterie.runtime.actor import Actor
from coterie.runtime.hosts.simulation.process_life import Life
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.system import System

__all__ = ["ask_without_an_outcome", "grant_after_the_lease", "lease_that_ends", "return_of_a_busy_one", "second_grant"]

CRON: Final = "cron"
LEASE_S: Final = 2.5
COMMAND_S: Final = 0.05
ME: Final = Member(NodeId("n1"), Incarnation(1), "127.0.0.1:7401", state=MembershipState.UP, since=ViewNumber(1))


@message(name="simulation.Work")
class Work(Ask[None]):
    """Work for `for_s` seconds, a tenth at a time."""

    for_s: float


class _Worker(Actor[Work]):
    """Notes when it acts, and with which epoch."""

    def __init__(self, acts: list[tuple[float, Epoch]], epoch: Epoch) -> None:
        self._acts = acts
        self._epoch = epoch

    def on_start(self) -> None:
        self._act()

    async def receive(self, msg: Work, /) -> None:
        """Work."""
        for _ in range(round(msg.for_s * 10)):
            self._act()
            await asyncio.sleep(0.1)

    def _act(self) -> None:
        self._acts.append((self.context.clock.monotonic(), self._epoch))


class _Trial:
    """One node whose singleton is granted as `answer` says, and what its actor did: `acts`."""

    def __init__(self, system: System, answer: Callable[[Claim | Release], Awaitable[object]]) -> None:
        self._answer = answer
        self.acts: list[tuple[float, Epoch]] = []
        self.system = system
        self.feed = MembershipFeed(system, ME)
        self.feed.learn(View(ViewNumber(1), (ME,)))
        self.feed.registry = Registry(0, {}, ())
        self.feed.stand = Stand.ACT
        self.now = system.host.clock.monotonic
        self.lease_ends_at = self.feed.lease_ends_at = self.now() + LEASE_S

    def spawn(self) -> None:
        """Spawn the node's part in the singleton."""
        options = SingletonOptions(partial(_Worker, self.acts), lambda _: True, LEASE_S)
        group: Any = self
        make: Any = partial(SingletonActor, ClusterMembership(self.feed), group, options, messages=(Work,))
        self.singleton = self.system.spawn(make, name=CRON)

    async def execute(self, command: Claim | Release, *, timeout_s: float) -> object:
        """Answer a command, as a handle of the group does."""
        await asyncio.sleep(COMMAND_S)
        return await self._answer(command)

    @property
    def actors(self) -> list[str]:
        """The paths of the singleton's actors that are there."""
        cell = self.system.registry.cell_at(CRON)
        return [] if cell is None else [child.path for child in cell.children]

    def check_acts(self) -> None:
        """Violation: it acted after the lease that was never renewed."""
        late = [time for time, _ in self.acts if time >= self.lease_ends_at]
        if late:
            detail = f"the actor acted {late[-1] - self.lease_ends_at:.2f} s after the lease had ended"
            ViolationContext().fail("singleton.lease", ME.name, detail)


def _run(seed: int, trial: Callable[[System], Awaitable[None]]) -> None:
    world = SimulatedWorld(seed)
    life = world.begin(ME.name)
    world.run(partial(_within, life, trial))


async def _within(life: Life, trial: Callable[[System], Awaitable[None]]) -> None:
    await life.create_task(_with_system(life, trial))


async def _with_system(life: Life, trial: Callable[[System], Awaitable[None]]) -> None:
    async with System(life.name, host=life.host) as system:
        await trial(system)


async def _granted(_command: Claim | Release) -> object:
    return Granted(Epoch(1))


def lease_that_ends(seed: int) -> None:
    """Let the lease end under an actor whose handler takes longer. Violation: `singleton.lease`."""

    async def trial(system: System) -> None:
        it = _Trial(system, _granted)
        it.spawn()
        it.singleton.tell(Work(60.0))
        await asyncio.sleep(2 * LEASE_S)
        it.check_acts()

    _run(seed, trial)


def grant_after_the_lease(seed: int) -> None:
    """Answer a claim when the lease of the claimant has ended. Violation: `singleton.lease`."""

    async def late(_command: Claim | Release) -> object:
        await asyncio.sleep(2 * LEASE_S)
        return Granted(Epoch(1))

    async def trial(system: System) -> None:
        it = _Trial(system, late)
        it.spawn()
        await asyncio.sleep(3 * LEASE_S)
        it.check_acts()

    _run(seed, trial)


def second_grant(seed: int) -> None:
    """Grant a singleton again while the registry shows the earlier grant. Violation: `singleton.epoch`."""

    async def again(_command: Claim | Release) -> object:
        return Granted(Epoch(5))

    async def trial(system: System) -> None:
        it = _Trial(system, again)
        it.feed.registry = Registry(1, {CRON: Holder(ME.identity, Epoch(4))}, ())
        it.spawn()
        await asyncio.sleep(1.5 * COMMAND_S)
        epochs = [epoch for _, epoch in it.acts]
        if epochs != [5]:
            ViolationContext().fail("singleton.epoch", ME.name, f"its actors had the epochs {epochs}, granted was 5")

    _run(seed, trial)


def return_of_a_busy_one(seed: int) -> None:
    """Give a singleton up while its actor is at work. Violation: `singleton.returned`."""

    async def trial(system: System) -> None:
        left: list[str] = []

        async def answer(command: Claim | Release) -> object:
            if isinstance(command, Claim):
                return Granted(Epoch(1))
            left.extend(it.actors)
            return True

        it = _Trial(system, answer)
        it.spawn()
        it.singleton.tell(Work(1.0))
        await asyncio.sleep(0.5)
        await it.feed.hand_over()
        if left:
            ViolationContext().fail("singleton.returned", ME.name, f"given back while {left[0]} was there")

    _run(seed, trial)


class _Lossy:
    """A target whose link drops after each ask, which it may have handled."""

    asked = 0

    async def ask(self, _msg: object, *, timeout_s: float) -> object:
        """Lose the answer."""
        self.asked += 1
        raise ConnectionLost("as it was told")


def ask_without_an_outcome(seed: int) -> None:
    """Lose the connection to the holder after an ask. Violation: `singleton.handled_twice`."""

    async def trial(system: System) -> None:
        lossy: Any = _Lossy()
        held = HeldMessages(system, CRON, lambda: lossy)
        try:
            await held.ask(Work(0.0), system.host.clock.monotonic() + 1.0)
        except CoterieError:
            if lossy.asked > 1:
                ViolationContext().fail("singleton.handled_twice", ME.name, f"one ask was sent {lossy.asked} times")

    _run(seed, trial)
