"""Clusters with a view, in virtual time, and actors that provide services there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from coterie import (
    Actor,
    Ask,
    Members,
    Role,
    Topology,
    message,
)
from coterie.actors.node import Node
from coterie.testing import Cluster


@message(name="receptionist_tests.Where")
class Where(Ask[str]):
    pass


@message(name="receptionist_tests.Fail")
class Fail:
    pass


class Worker(Actor[Where | Fail]):
    def __init__(self, node: Node) -> None:
        self._node = node

    def receive(self, msg: Where | Fail, /) -> str:
        if isinstance(msg, Fail):
            raise RuntimeError("on purpose")
        return self._node.name


def topology_of(*, has_part: bool = False) -> Topology:
    made = Topology("shop", nodes=Members(founders=["n1", "n2", "n3"]))
    if has_part:
        made.actor("thumbs", Worker, nodes=Role("worker"), service="thumbnails")
    return made


async def up(make_cluster: Any, topology: Topology) -> Cluster:
    cluster: Cluster = make_cluster(topology)
    await cluster.start()
    for node in cluster.values():
        assert node.membership is not None
        await node.membership.up()
    return cluster


@asynccontextmanager
async def joined(cluster: Cluster, name: str, *roles: str) -> AsyncIterator[Node]:
    """Run one node more, which joins."""
    host = cluster.host(name)
    async with cluster.topology.start(node=name, join=[cluster.addresses["n1"]], roles=roles, host=host) as node:
        assert node.membership is not None
        await node.membership.up()
        yield node


def worker(node: Node, name: str = "worker", **options: Any) -> Any:
    return node.system.spawn(lambda: Worker(node), name=name, **options)


async def until(is_so: Callable[[], object]) -> None:
    for _ in range(1200):
        if is_so():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never came about")


def found(node: Node, service: str = "cart") -> list[str]:
    return [str(instance) for instance in node.receptionist.instances(service)]


def all_find(cluster: Cluster, *instances: str, service: str = "cart") -> Callable[[], bool]:
    return lambda: all(found(node, service) == list(instances) for node in cluster.values())
