"""`BenchmarkCluster`: runs three or five node processes with a replicated key-value store, durable logs and fsync."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from types import TracebackType
from typing import Self

from benchmarks.harness.processes import Child, cpu_seconds, free_ports
from coterie import Client, KeyValue, Topology
from coterie.actors.groups.group_messages import GroupStatus

__all__ = ["CLUSTER", "STORE", "BenchmarkCluster"]

CLUSTER = "benchmark"
STORE = "store"


def topology(nodes: int) -> Topology:
    """Return the topology of the benchmark."""
    declared = Topology(CLUSTER, [f"n{number}" for number in range(1, nodes + 1)])
    declared.raft(STORE, machine=KeyValue)
    return declared


three_nodes = topology(3)
five_nodes = topology(5)


class NextKeyValue(KeyValue):
    """The store as a newer release has it."""

    version = 2


next_release = Topology(CLUSTER, three_nodes.nodes)
next_release.raft(STORE, machine=NextKeyValue)


class BenchmarkCluster:
    """Three or five node processes, started with `coterie run`. Use it as an async context manager.

    `open_files`: the limit of open files of each node (default: none). `key`: the shared key (default: none).
    `declared_in`: the module with the topology `three_nodes` or `five_nodes`.
    """

    def __init__(
        self,
        nodes: int = 3,
        *,
        open_files: int | None = None,
        key: bytes | None = None,
        declared_in: str = "benchmarks.raft.raft_cluster",
    ) -> None:
        self._prefix = [] if open_files is None else ["benchmarks.harness.limited_files", str(open_files)]
        self.topology = declared_in + {3: ":three_nodes", 5: ":five_nodes"}[nodes]
        """The topology on which nodes start, as `module:name`."""
        self.names = topology(nodes).nodes
        self._data = tempfile.mkdtemp(prefix="coterie-benchmark-")
        self._key_file = "" if key is None else os.path.join(self._data, "key")
        if key is not None:
            with open(os.open(self._key_file, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
                file.write(key)
        ports = free_ports(nodes)
        self.address_by_node = {name: f"127.0.0.1:{port}" for name, port in zip(self.names, ports, strict=True)}
        self.child_by_node: dict[str, Child] = {}

    async def __aenter__(self) -> Self:
        """Format the data directories and start the processes."""
        await asyncio.gather(*(self.start(name, bootstrap="new") for name in self.names))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes, remove the data."""
        await asyncio.gather(*(child.end() for child in self.child_by_node.values()))
        shutil.rmtree(self._data, ignore_errors=True)

    def data_of(self, name: str) -> str:
        """Return the data directory of a node."""
        return os.path.join(self._data, name)

    async def start(self, name: str, *, bootstrap: str | None = None) -> None:
        """Start one node; `bootstrap`: as `--bootstrap`."""
        peers = [f"--peer={peer}={at}" for peer, at in self.address_by_node.items() if peer != name]
        where = ["--node", name, "--listen", self.address_by_node[name], "--data", self.data_of(name)]
        new = [] if bootstrap is None else ["--bootstrap", bootstrap]
        new += ["--key-file", self._key_file] if self._key_file else []
        child = Child(
            [*self._prefix, "coterie", "run", self.topology, "--with-stdin", *where, *peers, *new], ready=b"is up"
        )
        self.child_by_node[name] = child
        await child.start()

    async def leader(self, client: Client) -> GroupStatus:
        """Return the status of the leader, once there is one."""
        while True:
            for status in (await client.group(STORE).status()).values():
                if isinstance(status, GroupStatus) and status.role == "leader" and status.commit_index:
                    return status
            await asyncio.sleep(0.05)

    async def syncs(self, client: Client) -> int:
        """Return the number of fdatasyncs of all nodes."""
        answers = (await client.group(STORE).status()).values()
        return sum(answer.syncs for answer in answers if isinstance(answer, GroupStatus))

    def cpu_seconds(self) -> float:
        """Return the processor time that the nodes have taken so far."""
        return cpu_seconds([child.pid for child in self.child_by_node.values()])
