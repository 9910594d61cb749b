"""`PySyncObjCluster`: runs three PySyncObj processes with a replicated dictionary and their journals on disk.

PySyncObj (https://github.com/bakwc/PySyncObj) replicates the methods of a Python object with Raft, from a thread in
each process of its user. Its defaults: election time-out 400 … 1,400 ms, `append_entries` in batches every 100 ms.

Its journal is a file in shared memory (mmap) that it never syncs, nor its votes and dumps: version 0.3.17 calls neither
`fsync` nor, before its end, `msync`. What it has acknowledged survives the kill of all processes, and no power failure.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.harness.processes import Child, cpu_seconds, free_ports
from benchmarks.peers.load_figures import LoadFigures, read_figures
from benchmarks.peers.peer_cluster import PeerCluster

__all__ = ["INSTALL", "PySyncObjCluster", "PySyncObjWrites", "pysyncobj_missing"]

INSTALL: Final = "pip install 'coterie[peers]'"

_POLL_S: Final = 0.05
_NODE: Final = "benchmarks.peers.syncobj.pysyncobj_node"


def pysyncobj_missing() -> str | None:
    """Return that PySyncObj is missing, and how to install it; None if it is installed."""
    return None if importlib.util.find_spec("pysyncobj") else f"no package 'pysyncobj' ({INSTALL})"


@dataclass(frozen=True, slots=True)
class PySyncObjStatus:
    """What a node says of itself: whether it leads, its term, whether it is connected and up to date."""

    is_leader: bool
    term: int
    is_ready: bool


class PySyncObjCluster(PeerCluster):
    """Three nodes on loopback. It starts them, and waits for a leader and until all are connected.

    `options`: settings of `SyncObjConf` (default: none, so PySyncObj's defaults hold).
    """

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__("pysyncobj")
        self._options = json.dumps(dict(options or {}))
        self.addresses = sorted(f"127.0.0.1:{port}" for port in free_ports(3))
        self.child_by_address: dict[str, Child] = {}

    async def _start_all(self) -> None:
        for address in self.addresses:  # a node connects to those before it: none has to try again in 5 s
            await self._start(address)

    async def _ready(self) -> None:
        await self._all_ready()
        await self.leader()

    async def _kill_all(self) -> None:
        for child in self.child_by_address.values():
            await child.end()

    async def _start(self, address: str) -> None:
        directory = os.path.join(self._data, address.replace(":", "-"))
        os.mkdir(directory)
        others = [other for other in self.addresses if other != address]
        child = self.child_by_address[address] = Child([_NODE, directory, self._options, address, *others])
        await child.start()

    async def _all_ready(self) -> None:
        while True:
            if all(status.is_ready for status in (await self.status()).values()):
                return
            await asyncio.sleep(_POLL_S)

    async def status(self) -> dict[str, PySyncObjStatus]:
        """Return what each running node says, by address."""
        found = {}
        for address, child in self.child_by_address.items():
            if child.is_running:
                found[address] = PySyncObjStatus(**json.loads(await ask(child, do="status")))
        return found

    async def leader(self) -> str:
        """Return the address of the leader, once there is one. RuntimeError if a process ends."""
        while True:
            leading = {address: status.term for address, status in (await self.status()).items() if status.is_leader}
            if leading:
                return max(leading, key=leading.__getitem__)
            await asyncio.sleep(_POLL_S)

    async def load(
        self,
        address: str,
        *,
        clients: int,
        size: int,
        keys: int,
        warm_up_s: float,
        measure_s: float,
        at_begin: Callable[[], None] = lambda: None,
    ) -> LoadFigures:
        """Let the process of this node keep `clients` writes in flight; `at_begin` is called after the warm-up.

        ValueError: it printed something else. RuntimeError: it ended, for example since nothing was acknowledged.
        """
        child = self.child_by_address[address]
        options = {"clients": clients, "size": size, "keys": keys, "warm_up_s": warm_up_s, "measure_s": measure_s}
        if (line := await ask(child, do="load", **options)).strip() != b"begin":
            raise ValueError(f"PySyncObj's node said {line!r} before the measurement began")
        at_begin()
        return read_figures(await child.line(), "PySyncObj's node")

    def kill(self, address: str) -> None:
        """Send SIGKILL to a node."""
        self.child_by_address[address].signal(signal.SIGKILL)

    def cpu_seconds(self) -> float:
        """Return the processor time that the nodes have taken so far, without that of their dumps."""
        return cpu_seconds([child.pid for child in self.child_by_address.values()])


class PySyncObjWrites:
    """Steady writes from the process of one node: one is started every `interval_s`, answered or not.

    The node answers nothing else from then on.
    """

    def __init__(self, node: Child, *, interval_s: float, size: int) -> None:
        self._node = node
        self._options = {"interval_s": interval_s, "size": size}

    async def ready(self) -> None:
        """Start them; wait until the first write is acknowledged. ValueError if the node says something else."""
        _expect(await ask(self._node, do="steady", **self._options), b"ready")

    async def first_acknowledged(self) -> None:
        """Wait until a write is acknowledged that was started after this call."""
        _expect(await ask(self._node, do="mark"), b"recovered")


async def ask(node: Child, **request: object) -> bytes:
    """Send a request to a node; return the first line of its answer. RuntimeError if it ends instead."""
    node.say(json.dumps(request))
    return await node.line()


def _expect(line: bytes, word: bytes) -> None:
    if line.strip() != word:
        raise ValueError(f"PySyncObj's node said {line!r}, not {word!r}")
