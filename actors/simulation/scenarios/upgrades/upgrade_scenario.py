"""Scenario `upgrade`: rolls a new release of a state machine out under faults, and back, with old and new clients.

    deploy the old release ─▶ upgrade node by node (perhaps back, and again) ─▶ activate (perhaps with another leader)
        ─▶ perhaps roll one node back, which is quarantined ─▶ perhaps stop and start all nodes ─▶ compare

Which change the new release makes, and what is done besides, is drawn from the seed. Nothing acknowledged is lost,
nothing is executed twice, a refused command never, no command under a schema that was not active, and at the end every
replica is healthy and has the same state.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Final

from coterie.actors.groups.group_messages import GroupStatus
from coterie.actors.simulation.scenarios.system_scenario import SystemScenario
from coterie.actors.simulation.scenarios.upgrades.ledger_releases import (
    GROUP,
    OLD,
    OTHER_RELEASE_OF_THE_SAME_VERSION,
    RELEASES,
    Read,
    Release,
    topology_of,
)
from coterie.actors.simulation.scenarios.upgrades.upgrade_account import UpgradeAccount
from coterie.actors.simulation.simulated_client import SimulatedClient
from coterie.actors.simulation.simulation import Simulation
from coterie.errors import CoterieError

__all__ = ["UPGRADE"]

CLIENTS_OF_EACH: Final = 2
ROUNDS: Final = 60
THINK_S: Final = 0.8
COMMAND_S: Final = 4.0
END_S: Final = 180.0

LOSES_A_REPLICA: Final = ("wiped_disk", "stale_disk", "bit_rot", "disk_full", "fsync_error", "short_write")
"""Kinds of faults that leave a node without its replica: a schema becomes active only if all voters have it."""


class Upgrade:
    """One run: the releases, and what clients were told."""

    def __init__(self, sim: Simulation, nodes: Sequence[str]) -> None:
        self.sim = sim
        self.nodes = nodes
        self.rng: random.Random = sim.world.rng("upgrade")
        self.kind = self.rng.choice(sorted(RELEASES))
        self.new = RELEASES[self.kind]
        self.account = UpgradeAccount()

    async def work(self, client: SimulatedClient, release: Release) -> None:
        """Send commands of a release, each once."""
        group = client.access.group(GROUP)
        for at in client.rounds(ROUNDS):
            await asyncio.sleep(THINK_S * client.random.random())
            number = client.number * 1_000 + at
            command, effect = release.draw(client.random, number)
            self.account.sent(number, (effect, 2 * effect) if self.kind == "version" else (effect,))
            try:
                reply = await group.execute(command, timeout_s=COMMAND_S)
            except CoterieError as error:
                self.account.failed(number, error)
            else:
                self.account.answered(number, reply.total)

    # --- the steps of a rollout -------------------------------------------------------------------------------------

    async def roll(self, release: Release, nodes: Sequence[str]) -> None:
        """Restart nodes on a release, one after the other, in any order."""
        for name in self.rng.sample(list(nodes), len(nodes)):
            await asyncio.sleep(self.rng.uniform(0.2, 2.0))
            self.sim.upgrade(name, topology_of(release, self.nodes), down_s=self.rng.uniform(0.0, 0.5))

    async def roll_out(self) -> None:
        """Bring every node to the new release; perhaps some go there, and back, first; perhaps one has another one."""
        if self.rng.random() < 0.4:
            some = self.rng.sample(list(self.nodes), self.rng.randint(1, len(self.nodes)))
            await self.roll(self.new, some)
            await self.roll(OLD, some)
        if self.kind == "field" and self.rng.random() < 0.5:
            await self.roll(OTHER_RELEASE_OF_THE_SAME_VERSION, [self.rng.choice(list(self.nodes))])
        await self.roll(self.new, self.nodes)

    async def activate(self) -> None:
        """Make the new schema active; perhaps the leader changes just before or after the entry is written."""
        group = (await self.sim.observer()).group(GROUP)
        if self.rng.random() < 0.5:
            delay_s = self.rng.uniform(0.0, 0.05)
            leader = self.sim.leader_of(GROUP)
            if leader is not None:
                self.sim.node(leader).crash(after_s=delay_s, down_s=0.5)
        await self.sim.until(lambda: group.activate(timeout_s=2.0), within_s=END_S)

    async def disturb(self) -> None:
        """Perhaps roll one node back, which is quarantined, and forward again; perhaps stop and start all nodes."""
        if self.rng.random() < 0.4:
            one = [self.rng.choice(list(self.nodes))]
            await self.roll(OLD, one)
            await asyncio.sleep(self.rng.uniform(0.5, 3.0))
            await self.roll(self.new, one)
        if self.rng.random() < 0.4:
            down_s = self.rng.uniform(0.1, 1.0)
            for name in self.nodes:
                self.sim.node(name).restart(down_s=down_s)

    # --- the end ----------------------------------------------------------------------------------------------------

    async def are_healthy(self) -> bool:
        """Return whether every replica runs, takes its part, and has applied the same entries."""
        answers = (await (await self.sim.observer()).group(GROUP).status()).values()
        found = [answer for answer in answers if isinstance(answer, GroupStatus)]
        applied = {status.applied_index for status in found}
        return len(found) == len(self.nodes) and len(applied) == 1 and {s.role for s in found} == {"leader", "follower"}

    async def rows(self) -> Sequence[tuple[int, int]]:
        """Read all rows, as a client of the old release, which must still be understood."""
        return await (await self.sim.observer()).group(GROUP).execute(Read(), timeout_s=COMMAND_S)


async def run(sim: Simulation) -> None:
    """Run the scenario in `sim`, which must have a plan."""
    if sim.plan is None:
        raise ValueError("the scenario takes its nodes from the plan: pass one to Simulation(plan=…)")
    upgrade = Upgrade(sim, sim.plan.nodes)
    sim.deploy(topology_of(OLD, sim.plan.nodes))
    old = sim.clients(CLIENTS_OF_EACH, lambda client: upgrade.work(client, OLD))
    new = sim.clients(CLIENTS_OF_EACH, lambda client: upgrade.work(client, upgrade.new))
    await asyncio.sleep(upgrade.rng.uniform(0.5, 2.0))
    await upgrade.roll_out()
    await upgrade.activate()
    await upgrade.disturb()
    await sim.until(lambda: sim.injector.is_over and old.is_done and new.is_done, within_s=END_S)
    await sim.until(upgrade.are_healthy, within_s=END_S)
    mistakes = upgrade.account.mistakes(await upgrade.rows())
    if mistakes:
        raise AssertionError(f"release {upgrade.kind!r}: {'; '.join(mistakes[:5])}")
    if not upgrade.account.answers:
        raise AssertionError("no command was answered")


UPGRADE = SystemScenario("upgrade", run, nodes=3, min_operations=0, excluded_kinds=LOSES_A_REPLICA)
"""`coterie sim upgrade`."""
