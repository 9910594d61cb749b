"""The main job from beginning to end: cluster, work, kill, read back, judge."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from coterie.actors.client import Client
from coterie.actors.groups.group_messages import LeaderIs
from coterie.cluster_processes import Cluster
from coterie.demo.coordinator import Coordinator
from coterie.demo.count_comparison import judge
from coterie.demo.demo_output import Progress, Timeline
from coterie.demo.demo_report import Report
from coterie.demo.demo_topology import STORE, demo_cluster
from coterie.demo.node_kill import Disturbance, Victim, term_of, void_reasons
from coterie.demo.plain_count_process import PlainCounter
from coterie.demo.run_together import run_together
from coterie.demo.source_files import find_sources
from coterie.demo.store_keys import Found, probe_key, read_found, scan_prefixes

__all__ = ["Options", "run_job"]

START_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the demo is asked to do. `root`: the input; `data`: None is a temporary directory, removed afterwards."""

    root: str
    nodes: int = 3
    victim: Victim = "leader"
    data: str | None = None


async def run_job(options: Options) -> Report:
    """Do it all, printing a timeline; return what came out.

    Raises:
        OSError, ValueError: the input is none.
        CoterieError: a node ended by itself, or the cluster did not recover in minutes.
    """
    files = find_sources(options.root)
    timeline = Timeline()
    with _data_directory(options.data) as data:
        kept = "kept" if options.data else "removed afterwards"
        timeline.say(f"{len(files)} files of {options.root}, {options.nodes} nodes, data in {data} ({kept})")
        async with PlainCounter(options.root) as plain, demo_cluster(options.nodes, data) as cluster:
            for node in cluster.nodes:
                timeline.say(f"{node} starts at {cluster.address(node)} (pid {cluster.pid(node)})")
            return await cluster.guard(_Job(options, files, timeline, plain, cluster).run())


@contextlib.contextmanager
def _data_directory(data: str | None) -> Iterator[str]:
    if data is None:
        with tempfile.TemporaryDirectory(prefix="coterie-demo-") as temporary:
            yield temporary
    else:
        os.makedirs(data, exist_ok=True)
        yield os.path.abspath(data)


class _Job:
    """One run on a cluster whose processes have been started."""

    def __init__(
        self, options: Options, files: Sequence[str], timeline: Timeline, plain: PlainCounter, cluster: Cluster
    ) -> None:
        self._options = options
        self._files = files
        self._timeline = timeline
        self._plain = plain
        self._cluster = cluster
        self._run = secrets.token_hex(4)
        self._progress = Progress(len(files))
        self._doing = "waiting for a leader"
        self._told = 0

    async def run(self) -> Report:
        """Connect, work, judge."""
        report: list[Report] = []

        async def connected() -> None:
            async with Client(self._cluster.addresses, connect_timeout_s=START_TIMEOUT_S) as client:
                report.append(await self._with(client))
            raise _Finished

        with contextlib.suppress(_Finished):
            await run_together(connected(), self._timeline.show(self._describe))
        return report[0]

    async def _with(self, client: Client) -> Report:
        store = client.group(STORE)
        store.on_leader(self._elected)
        session = await store.open_session(timeout_s=START_TIMEOUT_S)
        await client.key_value(STORE).increment(probe_key(self._run))  # the probe is ready, its session open
        coordinator = Coordinator(
            client, session, run=self._run, root=self._options.root, files=self._files, acknowledged=self._progress.add
        )
        disturbance = Disturbance(
            self._cluster, client, coordinator, self._progress, self._timeline, self._run, self._options.victim
        )
        self._doing = ""
        work_s = await self._work(coordinator, disturbance)
        return await self._judge(client, coordinator, disturbance, work_s)

    async def _work(self, coordinator: Coordinator, disturbance: Disturbance) -> float:
        began_s = time.monotonic()
        took_s: list[float] = []

        async def work() -> None:
            await coordinator.work()
            took_s.append(time.monotonic() - began_s)
            self._timeline.say(f"all {len(self._files)} files are acknowledged")
            self._doing = "waiting for the node that was killed"

        await run_together(work(), disturbance.carry_out())
        return took_s[0]

    async def _judge(self, client: Client, coordinator: Coordinator, disturbance: Disturbance, work_s: float) -> Report:
        self._doing = "reading everything back"
        found = await self._read_back(client)
        term = await term_of(client)
        self._doing = "waiting for the plain count"
        plain = await self._plain.result()
        killed = disturbance.killed
        return Report(
            judgement=judge(plain, self._files, found),
            plain=plain,
            found=found,
            killed=killed,
            void=[] if killed is None else void_reasons(killed, term),
            skipped=coordinator.skipped,
            acknowledged=self._progress.count,
            resent=coordinator.resent,
            term=term,
            work_s=work_s,
            seconds=self._timeline.elapsed_s,
        )

    async def _read_back(self, client: Client) -> Found:
        items: list[tuple[bytes, bytes]] = []
        for prefix in scan_prefixes(self._run):
            items += [item async for item in client.key_value(STORE).scan(prefix, page_size=500)]
        return read_found(self._run, items)

    def _elected(self, news: LeaderIs) -> None:
        self._timeline.say(f"term {news.term}: {news.leader} leads")

    def _describe(self, interval_s: float) -> str:
        rate = (self._progress.count - self._told) / interval_s
        self._told = self._progress.count
        if self._doing:
            return self._doing
        return f"{self._progress.count} of {self._progress.total} files, {rate:.0f} commits/s"


class _Finished(Exception):
    """The job is done."""
