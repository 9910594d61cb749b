"""Demo job: runs the demo: starts a cluster, sends the input files, kills a node, and compares the results."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from coterie.actors.client import Client
from coterie.actors.groups.group_messages import LeaderIs
from coterie.cluster_processes import ClusterProcesses
from coterie.demo.coordinator import Coordinator, run_together
from coterie.demo.count_comparison import compare
from coterie.demo.demo_output import DemoOutput, DemoProgress
from coterie.demo.demo_report import DemoReport
from coterie.demo.demo_topology import STORE, demo_cluster
from coterie.demo.member_watch import MemberWatch
from coterie.demo.node_kill import NodeKill, Victim, held_back, term_of, void_reasons
from coterie.demo.plain_count_process import PlainCountProcess
from coterie.demo.source_files import find_sources
from coterie.demo.store_keys import StoredCounts, probe_key, read_counts, scan_prefixes
from coterie.protocols.balancing import Policy

__all__ = ["DemoOptions", "run_job"]

START_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """Options of the demo.

    `root`: the input directory. `data`: None is a temporary directory, removed afterwards. `balance`: the policy that
    picks the worker of each file; None: the default of a client. `events_on_stderr`: where events are printed.
    `loses_disk`: the victim comes back with an empty disk.
    """

    root: str
    nodes: int = 3
    victim: Victim = "leader"
    data: str | None = None
    balance: Policy | None = None
    events_on_stderr: bool = False
    loses_disk: bool = False


async def run_job(options: DemoOptions) -> DemoReport:
    """Run the whole job, print its events, return the report.

    Raises:
        OSError, ValueError: `root` is no directory, or holds no source file.
        CoterieError: a node ended by itself, or the cluster did not recover within minutes.
    """
    files = find_sources(options.root)
    output = DemoOutput(on_stderr=options.events_on_stderr)
    with _data_directory(options.data) as data:
        kept = "kept" if options.data else "removed afterwards"
        output.say(f"{len(files)} files of {options.root}, {options.nodes} nodes, data in {data} ({kept})")
        async with PlainCountProcess(options.root) as plain, demo_cluster(options.nodes, data) as cluster:
            for node in cluster.nodes:
                output.say(f"{node} starts at {cluster.address(node)} (pid {cluster.pid(node)})")
            return await cluster.guard(_Job(options, files, output, plain, cluster).run())


@contextlib.contextmanager
def _data_directory(data: str | None) -> Iterator[str]:
    if data is None:
        with tempfile.TemporaryDirectory(prefix="coterie-demo-") as temporary:
            yield temporary
    else:
        os.makedirs(data, mode=0o700, exist_ok=True)
        yield os.path.abspath(data)


class _Job:
    """One run on a cluster whose processes have been started."""

    def __init__(
        self,
        options: DemoOptions,
        files: Sequence[str],
        output: DemoOutput,
        plain: PlainCountProcess,
        cluster: ClusterProcesses,
    ) -> None:
        self._options = options
        self._files = files
        self._output = output
        self._plain = plain
        self._cluster = cluster
        self._run_id = secrets.token_hex(4)
        self._progress = DemoProgress(len(files))
        self._phase = "waiting for a leader"
        self._last_count = 0

    async def run(self) -> DemoReport:
        """Connect, send the files, compare the counts."""
        showing = asyncio.create_task(self._output.show(self._describe))
        try:
            async with Client(self._cluster.addresses, connect_timeout_s=0.0) as client:
                await client.linked(START_TIMEOUT_S)
                return await self._run_with(client)
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)

    async def _run_with(self, client: Client) -> DemoReport:
        store = client.group(STORE)
        store.on_leader(self._elected)
        session = await store.open_session(timeout_s=START_TIMEOUT_S)
        await client.key_value(STORE).increment(probe_key(self._run_id))  # the probe is ready, its session open
        coordinator = Coordinator(
            client,
            session,
            run=self._run_id,
            root=self._options.root,
            files=self._files,
            acknowledged=self._progress.add,
            held_back=held_back(len(self._files), self._options.victim),
            balance=self._options.balance,
        )
        kill = NodeKill(
            self._cluster,
            client,
            coordinator,
            self._progress,
            self._output,
            self._run_id,
            self._options.victim,
            self._options.loses_disk,
        )
        self._phase = ""
        work_s = await self._work(client, coordinator, kill)
        return await self._compare(client, coordinator, kill, work_s)

    async def _work(self, client: Client, coordinator: Coordinator, kill: NodeKill) -> float:
        began_s = time.monotonic()
        work_s = 0.0

        async def work() -> None:
            nonlocal work_s
            await coordinator.work()
            work_s = time.monotonic() - began_s
            self._output.say(f"all {len(self._files)} files are acknowledged")
            self._phase = "waiting for the node that was killed"

        watch = asyncio.create_task(MemberWatch(client, self._output).run())
        try:
            await run_together(work(), kill.run())
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        return work_s

    async def _compare(self, client: Client, coordinator: Coordinator, kill: NodeKill, work_s: float) -> DemoReport:
        self._phase = "reading everything back"
        found = await self._read_back(client)
        term = await term_of(client)
        self._phase = "waiting for the plain count"
        plain = await self._plain.result()
        killed = kill.killed
        return DemoReport(
            comparison=compare(plain, self._files, found),
            plain=plain,
            found=found,
            killed=killed,
            void=[] if killed is None else void_reasons(killed, term),
            skipped=coordinator.skipped,
            acknowledged=self._progress.count,
            resent=coordinator.resent,
            balance=str(coordinator.requests),
            requests_by_node=dict(sorted(coordinator.requests.sent_by_node.items())),
            term=term,
            work_s=work_s,
            seconds=self._output.elapsed_s,
        )

    async def _read_back(self, client: Client) -> StoredCounts:
        items: list[tuple[bytes, bytes]] = []
        for prefix in scan_prefixes(self._run_id):
            items += [item async for item in client.key_value(STORE).scan(prefix, page_size=500)]
        return read_counts(self._run_id, items)

    def _elected(self, news: LeaderIs) -> None:
        self._output.say(f"term {news.term}: {news.leader} leads")

    def _describe(self, interval_s: float) -> str:
        rate = (self._progress.count - self._last_count) / interval_s
        self._last_count = self._progress.count
        if self._phase:
            return self._phase
        return f"{self._progress.count} of {self._progress.total} files, {rate:.0f} commits/s"
