"""Pool asks: measures what an ask through a pool costs, with 3 and with 100 targets, local and on another node.

The floor is the same ask without a pool, `await ref.ask(message)`. Pools and floor are timed in turn, 50 asks each,
many times over, and the fastest round of each counts: other work on the machine only slows rounds down. The nodes of
the remote case run in this process, linked over loopback. `python -m benchmarks.balancing.pool_ask`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack

import uvloop

from benchmarks.harness.results import Result, show
from benchmarks.harness.settings import Settings, settings_of_program
from coterie import Actor, Ask, System, message
from coterie.actors.pools.pool import Pool
from coterie.actors.pools.requests.fixed_targets import FixedTargets
from coterie.protocols.balancing import (
    LeastRequest,
    PeakEwma,
    Policy,
    PowerOfTwoChoices,
    RandomChoice,
    RoundRobin,
    SmoothWeighted,
)
from coterie.runtime.refs import Ref

__all__ = ["run"]

POLICIES: dict[str, Policy] = {
    "round_robin": RoundRobin(),
    "random": RandomChoice(),
    "smooth_weighted": SmoothWeighted(),
    "least_request": LeastRequest(),
    "two_choices_peak_ewma": PowerOfTwoChoices(PeakEwma()),
}
SIZES = (3, 100)
ASKS = 50
ROUNDS = 600


@message(name="bench.PoolAdd")
class Add(Ask[int]):
    """Add to a total."""

    amount: int


class Adder(Actor[Add]):
    """Adds."""

    total = 0

    def receive(self, msg: Add) -> int:
        """Return the total."""
        self.total += msg.amount
        return self.total


async def fastest_ns(ask_by_name: Mapping[str, Callable[[Add], Awaitable[int]]], rounds: int) -> dict[str, float]:
    """Time the asks of each name in turn; return the nanoseconds of one ask in each one's fastest round."""
    fastest = dict.fromkeys(ask_by_name, float("inf"))
    asked = Add(1)
    for _ in range(rounds):
        for name, ask in ask_by_name.items():
            begin = time.perf_counter()
            for _ in range(ASKS):
                await ask(asked)
            fastest[name] = min(fastest[name], (time.perf_counter() - begin) / ASKS * 1e9)
    return fastest


def pools_over(system: System, refs: list[Ref[Add]]) -> dict[str, Pool]:
    """Return a pool for each policy and size, by name."""

    def pool(policy: Policy, size: int) -> Pool:
        return Pool(system, "pool", lambda *_: FixedTargets(system, refs[:size]), policy=policy)

    return {f"{name}/{size}": pool(policy, size) for name, policy in POLICIES.items() for size in SIZES}


async def measured(place: str, system: System, refs: list[Ref[Add]], rounds: int) -> list[Result]:
    """Measure all pools over these targets."""
    pools = pools_over(system, refs)
    fastest = await fastest_ns({"bare": refs[0].ask, **{name: pool.ask for name, pool in pools.items()}}, rounds)
    for pool in pools.values():
        pool.close()
    floor = fastest.pop("bare")
    return [Result(f"pool_ask/{place}/{name}", "coterie", "ns", (ns,), floor) for name, ns in fastest.items()]


async def run(settings: Settings) -> list[Result]:
    """Measure local and remote asks."""
    rounds = settings.count(ROUNDS)
    async with AsyncExitStack() as stack:
        near = await stack.enter_async_context(System("near", cluster="bench"))
        far = await stack.enter_async_context(System("far", cluster="bench"))
        near.add_peer("far", *await far.listen())
        far.add_peer("near", *await near.listen())
        await near.linked("far")
        local = [near.spawn(Adder, name=f"adder-{number}") for number in range(max(SIZES))]
        remote = [near.at(far.spawn(Adder, name=ref.path).address) for ref in local]
        return [*await measured("local", near, local, rounds), *await measured("remote", near, remote, rounds)]


if __name__ == "__main__":
    given = settings_of_program("benchmarks.balancing.pool_ask", __doc__, runs=1)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for result in runner.run(run(given)):
            print(show(result), flush=True)
