"""Attacked node: runs one node of a cluster with keys, measures what each frame costs, and reports on request.

    python -m benchmarks.fuzzing.attacked_node n1 DATA n1=127.0.0.1:7401 n2=127.0.0.1:7402 n3=127.0.0.1:7403

For each line on stdin it prints one JSON object (see `report`).
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import resource
import sys
import time
from typing import Any, Final

import uvloop

from benchmarks.fuzzing.fuzz_keys import CLUSTER, STORE, node_auth
from coterie import KeyValue, RaftConfig, Topology
from coterie.actors.groups.raft_actor import RaftActor
from coterie.actors.node import Node
from coterie.actors.node_report import NODE_REPORT_PATH
from coterie.actors.simulation.checkers.state_structure import structure_of
from coterie.cli.commands.run_command import COLLECT_AFTER
from coterie.protocols.algorithm import NodeId
from coterie.runtime.observing.lag_probe import LagProbe
from coterie.runtime.transport.connection import Connection
from coterie.runtime.transport.link import Link

__all__ = ["main"]

PROBE_INTERVAL_S: Final = 0.01
PAGE_BYTES: Final = resource.getpagesize()


def topology(nodes: list[str], election_timeout_s: float) -> Topology:
    """Return the topology: one replicated key-value store."""

    def config(voters: tuple[NodeId, ...]) -> RaftConfig:
        return RaftConfig(
            voters,
            heartbeat_interval_s=election_timeout_s / 4,
            election_timeout_min_s=election_timeout_s,
            election_timeout_max_s=2 * election_timeout_s,
        )

    declared = Topology(CLUSTER, nodes)
    declared.raft(STORE, machine=KeyValue, config=config)
    return declared


class Observation:
    """What has happened in this process so far."""

    def __init__(self) -> None:
        self.frame_cpu_s_max = 0.0
        self.lag_s_max = 0.0
        self.hold_s_max = 0.0
        self._used_s = time.thread_time()
        self.refs: dict[str, object] = {}
        """The actors of the node at its beginning, by path."""

    def measure_frames(self) -> None:
        """Measure the processor time that each frame takes from the link to the mailboxes.

        Without the garbage collector, which visits all objects of the process whenever enough new ones were made.
        """
        take, collected_s, collection_began_s = Link.payload_received, 0.0, 0.0

        def on_collection(phase: str, facts: object) -> None:
            nonlocal collected_s, collection_began_s
            if phase == "start":
                collection_began_s = time.thread_time()
            else:
                collected_s += time.thread_time() - collection_began_s

        def measured(link: Link, connection: Connection, payload: bytes) -> None:
            began_s = time.thread_time() - collected_s
            try:
                take(link, connection, payload)
            finally:
                self.frame_cpu_s_max = max(self.frame_cpu_s_max, time.thread_time() - collected_s - began_s)

        gc.callbacks.append(on_collection)
        link_class: Any = Link  # replaced for this process only
        link_class.payload_received = measured

    def on_lag(self, lag_s: float) -> None:
        """Note how late the loop is, and how much processor time it took since the last probe.

        A late loop that took little processor time has waited for the machine, not for its own work.
        """
        self.lag_s_max = max(self.lag_s_max, lag_s)
        used_s, self._used_s = time.thread_time() - self._used_s, time.thread_time()
        self.hold_s_max = max(self.hold_s_max, min(lag_s, used_s))


def report(node: Node, seen: Observation) -> dict[str, object]:
    """Return what the attack has done to the node."""
    cell = node.system.registry.cell_at(STORE)
    stats = node.system.stats()
    facts: dict[str, object] = {
        "frame_ms_max": round(seen.frame_cpu_s_max * 1000, 2),
        "lag_ms_max": round(seen.lag_s_max * 1000, 1),
        "hold_ms_max": round(seen.hold_s_max * 1000, 1),
        "ended": [path for path, ref in seen.refs.items() if _ref_at(node, path) != ref],
        "failures": stats.failures,
        "restarts": stats.restarts,
        "dead_letters": stats.dead_letters,
        "items_in": stats.transport["items_in"],
        "broken_frames": stats.transport["broken_frames"],
        "links": len(stats.links),
        "rss_mb": round(_resident_bytes() / 2**20, 1),
    }
    return facts | (_replica(cell.actor) if cell is not None and isinstance(cell.actor, RaftActor) else {})


def _ref_at(node: Node, path: str) -> object:
    cell = node.system.registry.cell_at(path)
    return None if cell is None else cell.ref


def _replica(actor: Any) -> dict[str, object]:
    """Return the state of the replica; nothing before it has been restored."""
    raft = getattr(actor, "_raft", None)
    if raft is None:
        return {}
    digest = actor._replica.digest_at(raft.applied_index)  # noqa: SLF001 (states have no public view)
    state = structure_of(actor._machine.machine)  # noqa: SLF001
    return {
        "term": raft.term,
        "leader": raft.leader,
        "applied": raft.applied_index,
        "digest": digest.hex() if digest is not None else None,
        "state": hashlib.sha256(repr(state).encode()).hexdigest(),
    }


def _resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * PAGE_BYTES


async def serve(name: str, data: str, election_timeout_s: float, addresses: dict[str, str]) -> None:
    """Run the node, and answer the lines on stdin until it ends."""
    seen = Observation()
    seen.measure_frames()
    peers = {peer: at for peer, at in addresses.items() if peer != name}
    running = topology(list(addresses), election_timeout_s).start(
        node=name, listen=addresses[name], peers=peers, data=data, bootstrap="new", auth=node_auth()
    )
    async with running as node:
        seen.refs = {path: _ref_at(node, path) for path in (STORE, NODE_REPORT_PATH)}
        loop = asyncio.get_running_loop()
        LagProbe(loop, time.monotonic, PROBE_INTERVAL_S, seen.on_lag)
        print("ready", flush=True)
        lines = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while await lines.readline():
            print(json.dumps(report(node, seen)), flush=True)


def main() -> None:
    """Read the arguments and run."""
    gc.set_threshold(COLLECT_AFTER, 20, 50)  # as `coterie run` does
    name, data, election_timeout_s, *places = sys.argv[1:]
    addresses = dict(place.split("=", 1) for place in places)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(name, data, float(election_timeout_s), addresses))


if __name__ == "__main__":
    main()
