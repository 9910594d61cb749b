"""Clusters with a singleton in virtual time, and the account of what its actors did: no two may act at once."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from coterie import Actor, Ask, CoterieError, Members, Node, Topology, message
from coterie.actors.membership.cluster_nodes import NodeSelector
from coterie.actors.membership.singleton.singleton_client import SingletonClient
from coterie.runtime.cells.cell import State
from coterie.testing import Cluster, no_leaks

CRON: Final = "cron"
STEP_S: Final = 0.005


@message(name="test.singleton.Do")
class Do(Ask[str]):
    """Take `for_s` seconds, and answer with the node and the epoch."""

    number: int
    for_s: float = 0.0


@message(name="test.singleton.Fail")
class Fail(Ask[None]):
    """Fail."""


@message(name="test.singleton.End")
class End:
    """Stop."""


@dataclass
class Account:
    """What the actors of a singleton did, in their order; all in one process."""

    done: list[tuple[float, str, int, int]] = field(default_factory=list)
    """(time, node, epoch, number) of each message that was begun."""
    finished: list[int] = field(default_factory=list)
    """The numbers of the messages whose handler came to its end."""
    lives: list[tuple[str, str, int]] = field(default_factory=list)
    """("start" or "stop", node, epoch)."""

    def check(self) -> None:
        """No message was begun twice, nor in an epoch after one of a later epoch."""
        twice = [number for number, count in Counter(number for *_, number in self.done).items() if count > 1]
        assert not twice, f"done twice: {twice}"
        epochs = [epoch for _, _, epoch, _ in self.done]
        assert epochs == sorted(epochs), "an epoch acted after a later one"

    @property
    def holders(self) -> list[str]:
        """The nodes on which it was started, in their order."""
        return [node for what, node, _ in self.lives if what == "start"]

    @property
    def epochs(self) -> list[int]:
        """The epochs in which it was started, in their order."""
        return [epoch for what, _, epoch in self.lives if what == "start"]


class Cron(Actor[Do | Fail | End]):
    """The actor of the singleton."""

    def __init__(self, account: Account, node: Node, epoch: int) -> None:
        self.node, self.epoch = node, epoch
        self._account = account

    def on_start(self) -> None:
        self._account.lives.append(("start", self.node.name, self.epoch))

    def on_stop(self) -> None:
        self._account.lives.append(("stop", self.node.name, self.epoch))

    async def receive(self, msg: Do | Fail | End, /) -> str | None:
        match msg:
            case Do(number, for_s):
                now = self.context.clock.monotonic()
                self._account.done.append((now, self.node.name, self.epoch, number))
                if for_s:
                    await asyncio.sleep(for_s)
                self._account.finished.append(number)
                return f"{self.node.name}/{self.epoch}"
            case Fail():
                raise ValueError("as it was told")
            case End():
                self.context.stop()
        return None


def topology(
    account: Account,
    *,
    founders: Sequence[str] = ("n1", "n2", "n3"),
    nodes: Sequence[str] | NodeSelector | None = None,
    **members: Any,
) -> Topology:
    declared = Topology("shop", nodes=Members(founders=list(founders), **members))
    declared.singleton(CRON, partial(Cron, account), nodes=nodes)
    return declared


def acting(nodes: Iterable[Node]) -> list[tuple[str, str]]:
    """Return the actors of the singleton whose node may act now: (node, path)."""
    found = []
    for node in nodes:
        cell = node.system.registry.cell_at(CRON)
        membership = node.membership
        assert membership is not None
        now = node.system.host.clock.monotonic()
        if cell is None or not now < membership.lease_ends_at:
            continue
        found += [(node.name, child.path) for child in cell.children if child.state is not State.STOPPED]
    return found


def running(cluster: Cluster) -> list[tuple[str, str]]:
    """Return the actors of the singleton that run, whether they may or not: (node, path)."""
    found = []
    for node in cluster.values():
        cell = node.system.registry.cell_at(CRON)
        found += [] if cell is None else [(node.name, child.path) for child in cell.children]
    return found


@asynccontextmanager
async def watched(cluster: Cluster, account: Account) -> AsyncIterator[None]:
    """Check at each step that at most one actor acts, and that none runs when its node's lease is over."""
    problems: list[str] = []

    async def watch() -> None:
        while True:
            found = acting(cluster.values())
            if len(found) > 1:
                problems.append(f"several act: {found}")
            for node, path in set(running(cluster)) - set(found):
                problems.append(f"{path} runs on {node} without a lease")
            await asyncio.sleep(STEP_S)

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()
    assert not problems, problems[:5]
    account.check()


@asynccontextmanager
async def started(account: Account, declared: Topology | None = None, *, seed: int = 0) -> AsyncIterator[Cluster]:
    """Run a cluster whose nodes are up, and in which the singleton is watched."""
    async with no_leaks(), Cluster(declared or topology(account), seed=seed) as cluster, watched(cluster, account):
        await all_up(cluster)
        yield cluster


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, in virtual time."""
    while not holds():  # noqa: ASYNC110 (virtual time)
        await asyncio.sleep(STEP_S)


async def all_up(cluster: Cluster) -> None:
    for node in list(cluster.values()):
        assert node.membership is not None
        await node.membership.up()


_numbers = itertools.count(1)


async def where(singleton: SingletonClient, *, timeout_s: float = 20.0) -> str:
    """Return where the singleton runs: ask until an ask is answered."""
    while True:
        try:
            return await singleton.ask(Do(-next(_numbers)), timeout_s=timeout_s)
        except CoterieError:
            await asyncio.sleep(0.05)
