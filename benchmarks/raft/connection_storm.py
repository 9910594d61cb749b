"""Connection storm: measures how soon a killed node rejoins while far more clients dial than the nodes may have files.

Three nodes with at most 256 open files each (`ulimit -n 256`); 2,000 clients dial all of them for a minute. In the
middle one node is killed and started again. Reach: no other node ends, and it is linked with both within 5 s.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time

from benchmarks.harness.processes import Child
from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result
from benchmarks.raft.raft_cluster import STORE, BenchmarkCluster
from coterie import Client
from coterie.actors.node_report import NODE_REPORT_PATH, ReportNode
from coterie.errors import CoterieError
from coterie.runtime.refs import Address

__all__ = ["kill_and_rejoin", "run"]

OPEN_FILES = 256
PROCESSES = 4
DOWN_S = 2.0
REJOIN_TIMEOUT_S = 60.0


async def run(
    *, clients: int = 2000, seconds: float = 60.0, victim: str = "n1", results: list[Result] | None = None
) -> list[Result]:
    """Measure one kill of `victim`, which dials nobody or both others, according to its name.

    Raises:
        RuntimeError: a node ended.
        TimeoutError: the node was not linked within a minute.
    """
    results = [] if results is None else results
    progress = Progress(3)
    async with BenchmarkCluster(3, open_files=OPEN_FILES) as cluster:
        async with Client([cluster.address_by_node[name] for name in cluster.names]) as client:
            await cluster.leader(client)
            storm = await _storm(cluster, clients, seconds)
            try:
                progress.show("the storm has begun")
                await asyncio.sleep(seconds / 3)
                progress.show(f"{victim} is killed")
                up_s, rejoined_s = await kill_and_rejoin(cluster, client, victim)
                progress.show("waiting for the end of the storm")
                await client.key_value(STORE).put(b"after", b"the storm")
                lines = [(await child.line()).decode().strip() for child in storm]
            finally:
                await asyncio.gather(*(child.end() for child in storm))
        ended = [name for name, child in cluster.child_by_node.items() if not child.is_running]
    progress.clear()
    if ended:
        raise RuntimeError(f"nodes ended in the storm: {', '.join(ended)}")
    detail: dict[str, float | int | str] = {
        "up": up_s,
        "clients": float(clients),
        "links": _total(lines, 1),
        "refusals": _total(lines, 3),
    }
    results.append(Result("connection_storm/rejoin", "coterie", "s", (rejoined_s,), detail=detail))
    return results


async def _storm(cluster: BenchmarkCluster, clients: int, seconds: float) -> list[Child]:
    addresses = list(cluster.address_by_node.values())
    each = ["benchmarks.raft.storm_clients", str(clients // PROCESSES), str(seconds), *addresses]
    children = [Child(each) for _ in range(PROCESSES)]
    await asyncio.gather(*(child.start() for child in children))
    return children


async def kill_and_rejoin(cluster: BenchmarkCluster, client: Client, victim: str) -> tuple[float, float]:
    """Kill a node and start it again; return after how long it was up, and linked with the others, s.

    Raises:
        TimeoutError: it was not linked within a minute.
    """
    os.kill(cluster.child_by_node[victim].pid, signal.SIGKILL)
    await asyncio.sleep(DOWN_S)
    began_s = time.monotonic()
    await cluster.start(victim)
    up_s = time.monotonic() - began_s
    await _until_linked(client, [name for name in cluster.names if name != victim], victim)
    return up_s, time.monotonic() - began_s


async def _until_linked(client: Client, others: list[str], victim: str) -> None:
    """Wait until the other nodes report a link with the victim."""
    async with asyncio.timeout(REJOIN_TIMEOUT_S):
        missing = list(others)
        while missing:
            try:
                report = await client.system.at(Address(missing[0], NODE_REPORT_PATH)).ask(ReportNode(), timeout_s=5.0)
                if victim in report.links:
                    del missing[0]
                    continue
            except CoterieError:
                pass  # a slow answer in the storm: ask again
            await asyncio.sleep(0.02)


def _total(lines: list[str], word: int) -> float:
    return float(sum(int(line.split()[word]) for line in lines))
