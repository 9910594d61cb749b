"""The sampler of a node: shares over half a second, the pool's own use of the loop left out, and only on demand."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from coterie import Actor, System, message
from coterie.actors.pools.loads.loop_time import LoopTime
from coterie.actors.pools.loads.node_sampler import LEASE_S, SAMPLE_S, SLICE_ACTORS, NodeSampler
from coterie.protocols.balancing import NodeResources
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.testing import no_leaks

pytestmark = pytest.mark.virtual


@message(name="test.node_sampler.Wait")
class Wait:
    pass


class Waiting(Actor[Wait]):
    async def receive(self, msg: Wait) -> None:
        await asyncio.sleep(1000)


async def test_a_sample_shows_the_shares_that_the_host_reports(virtual_host: VirtualHost) -> None:
    resources = virtual_host.resources
    resources.cpu_used, resources.cpu_granted, resources.loop_used = 0.75, 0.5, 0.4
    resources.memory_available_bytes, resources.memory_total_bytes = 100, 400
    async with System(host=virtual_host) as system:
        pool = system.extension(NodeSampler).track(LoopTime())
        assert pool.current() == NodeResources(), "nothing is known before the first sample"
        await asyncio.sleep(SAMPLE_S + 0.2)
        sample = pool.current()

    assert sample.cpu_used == pytest.approx(0.75)
    assert sample.cpu_granted == pytest.approx(0.5)
    assert sample.loop_used == pytest.approx(0.4)
    assert sample.memory_used == pytest.approx(0.75)
    assert (sample.memory_available_bytes, sample.memory_total_bytes) == (100, 400)
    assert sample.loop_lag_s == 0.0


async def test_the_loops_time_for_the_pool_itself_is_not_used_elsewhere(virtual_host: VirtualHost) -> None:
    virtual_host.resources.loop_used = 0.8
    async with System(host=virtual_host) as system:
        sampler, own, other = system.extension(NodeSampler), LoopTime(), LoopTime()
        pool, idle_pool = sampler.track(own), sampler.track(other)
        pool.current()
        for _ in range(12):
            await asyncio.sleep(0.1)
            own.seconds += 0.05  # half of the time
        busy, idle = pool.current(), idle_pool.current()

    assert busy.loop_used == idle.loop_used == pytest.approx(0.8)
    assert busy.loop_used_elsewhere == pytest.approx(0.3, abs=0.05)
    assert idle.loop_used_elsewhere == pytest.approx(0.8)


async def test_an_idle_thread_says_nothing_about_the_share_it_would_get(virtual_host: VirtualHost) -> None:
    virtual_host.resources.cpu_granted = 0.1
    async with System(host=virtual_host) as system:
        pool = system.extension(NodeSampler).track(LoopTime())
        pool.current()
        await asyncio.sleep(1)

        assert pool.current().cpu_granted is None


async def test_a_change_shows_within_a_second(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        pool = system.extension(NodeSampler).track(LoopTime())
        pool.current()
        await asyncio.sleep(3.05)
        virtual_host.resources.cpu_used = 1.0
        await asyncio.sleep(1.0)

        assert pool.current().cpu_used == pytest.approx(1.0, abs=0.05)


async def test_mailboxes_are_counted_a_slice_at_a_time(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        waiting = [system.spawn(Waiting, name=f"w{at}") for at in range(SLICE_ACTORS + 10)]
        for ref in (waiting[0], waiting[-1], waiting[-1]):
            ref.tell(Wait())
            ref.tell(Wait())
        pool = system.extension(NodeSampler).track(LoopTime())
        pool.current()
        await asyncio.sleep(0.65)
        assert pool.current().actors == SLICE_ACTORS + 10
        await asyncio.sleep(0.6)

        assert pool.current().mailbox_depth == 4, "one message of each of the two is being handled"
        for ref in waiting:
            system.stop(ref)
        for cell in system.registry.cells:
            cell.kill()


async def test_it_samples_only_while_reports_are_made_and_while_there_are_pools(virtual_host: VirtualHost) -> None:
    async with no_leaks(), System(host=virtual_host) as system:
        sampler = system.extension(NodeSampler)
        pool = sampler.track(LoopTime())
        states = [sampler.is_sampling]
        pool.current()
        await asyncio.sleep(LEASE_S - 1)
        states.append(sampler.is_sampling)
        await asyncio.sleep(1.2)
        states.append(sampler.is_sampling)

        pool.current()
        other = sampler.track(LoopTime())
        pool.close()
        pool.close()
        states.append(sampler.is_sampling)
        other.close()
        states.append(sampler.is_sampling)

    assert states == [False, True, False, True, False]


async def test_a_system_has_one_sampler(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        assert system.extension(NodeSampler) is system.extension(NodeSampler)
        assert system.extension(partial(NodeSampler)) is not system.extension(NodeSampler)
