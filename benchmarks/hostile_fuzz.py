"""Hostile fuzzing: sends millions of rows as an authenticated peer to three nodes, and checks what that does to them.

    python -m benchmarks.hostile_fuzz --rows 10000000 --seed 1
    python -m benchmarks.hostile_fuzz --rows 1000000 --as-node

The peer has the key of a client; with `--as-node` that of the nodes, and is no member. An honest client works
meanwhile. The command prints figures now and then, and a verdict at the end: broken (exit code 1) if a replica differs,
an actor failed, the leader was lost, the honest client read a wrong value, a frame held the loop, or memory grew.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

from benchmarks.fuzzing.fuzz_keys import CLUSTER, HONEST, STORE, client_auth
from benchmarks.harness.processes import Child, free_ports
from coterie import Client
from coterie.errors import CommandError

__all__ = ["main", "verdict"]

NODES: Final = ("n1", "n2", "n3")
FRAME_MS_MAX: Final = 50.0
GROWTH_MB_MAX: Final = 48.0
"""How much larger a node may be after the attack than after its first tenth."""

STARVED_MS: Final = 100.0
"""A loop that is this late, and did not use the processor meanwhile, waited for the machine."""

SETTLE_S: Final = 10.0
CONVERGE_S: Final = 60.0
REPORT_EVERY_S: Final = 10.0
KEYS: Final = 16

Report = dict[str, Any]


class AttackedCluster:
    """Three node processes with keys (`benchmarks.fuzzing.attacked_node`). Use it as an async context manager."""

    def __init__(self, election_timeout_s: float) -> None:
        self._data = tempfile.mkdtemp(prefix="coterie-fuzz-")
        ports = free_ports(len(NODES))
        self.places = [f"{name}=127.0.0.1:{port}" for name, port in zip(NODES, ports, strict=True)]
        self.addresses = [place.partition("=")[2] for place in self.places]
        self._children = [
            Child(
                [
                    "benchmarks.fuzzing.attacked_node",
                    name,
                    os.path.join(self._data, name),
                    str(election_timeout_s),
                    *self.places,
                ],
                keeps_stderr=True,
            )
            for name in NODES
        ]

    async def __aenter__(self) -> Self:
        """Start the processes."""
        await asyncio.gather(*(child.start() for child in self._children))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes, remove the data."""
        await asyncio.gather(*(child.end() for child in self._children))
        shutil.rmtree(self._data, ignore_errors=True)

    async def reports(self) -> list[Report]:
        """Return the report of each node. RuntimeError if one has ended; the text has its last words."""
        return list(await asyncio.gather(*(self._report(child) for child in self._children)))

    async def _report(self, child: Child) -> Report:
        child.say("report")
        try:
            return dict(json.loads(await child.line()))
        except RuntimeError as error:
            raise RuntimeError(f"{error}: {child.last_words}") from error


class HonestClient:
    """Writes and reads keys of its own; `wrong` holds what no store may answer."""

    def __init__(self, client: Client) -> None:
        self._store = client.key_value(STORE)
        self.answered = 0
        self.unanswered = 0
        self.wrong: list[str] = []

    async def work(self) -> None:
        """Work until cancelled."""
        for number in range(2**62):
            key, value = b"honest%d" % (number % KEYS), b"%d" % number
            try:
                await self._store.put(key, value)
                found = await self._store.get(key)
            except CommandError:
                self.unanswered += 1
                continue
            self.answered += 1
            if found != value:
                self.wrong.append(f"{key!r} is {found!r:.60}, and {value!r} was written")
            await asyncio.sleep(0.01)


def verdict(
    begin: Sequence[Report], warm: Sequence[Report], end: Sequence[Report], *, frame_ms_max: float = FRAME_MS_MAX
) -> list[str]:
    """Return what is broken in the nodes: each a line.

    The reports are those of all nodes in order: before the attack, after its first tenth, and after its end.
    """
    broken = []
    for name, before, after in zip(NODES, warm, end, strict=True):
        if after["failures"] or after["restarts"] or after["ended"]:
            broken.append(
                f"{name}: {after['failures']} failures, {after['restarts']} restarts, ended: {after['ended']}"
            )
        if after["frame_ms_max"] > frame_ms_max:
            broken.append(f"{name}: a frame took {after['frame_ms_max']} ms of processor time, at most {frame_ms_max}")
        growth = after["rss_mb"] - before["rss_mb"]
        if growth > GROWTH_MB_MAX:
            broken.append(f"{name}: {growth:.1f} MB more than after the first tenth, at most {GROWTH_MB_MAX}")
    replicas = [(report["applied"], report["digest"], report["state"]) for report in end]
    if len(set(replicas)) > 1:
        broken.append(f"replicas differ: {replicas}")
    return broken + _leaders_lost(begin, end)


def _leaders_lost(begin: Sequence[Report], end: Sequence[Report]) -> list[str]:
    """Return how the leader changed; nothing if it did not, or if the machine did not run a node for so long."""
    terms = [max(report["term"] for report in reports) for reports in (begin, end)]
    is_starved = any(report["lag_ms_max"] - report["hold_ms_max"] > STARVED_MS for report in end)
    return [] if terms[0] == terms[1] or is_starved else [f"the leader was lost: term {terms[0]} became {terms[1]}"]


async def _settled(cluster: AttackedCluster) -> list[Report]:
    """Return the reports once all replicas have applied the same entries, or after a minute."""
    ends_s = time.monotonic() + CONVERGE_S
    while True:
        reports = await cluster.reports()
        if len({report.get("applied") for report in reports}) == 1 or time.monotonic() > ends_s:
            return reports
        await asyncio.sleep(0.5)


async def _led(cluster: AttackedCluster) -> list[Report]:
    while True:
        reports = await cluster.reports()
        if all(report.get("leader") for report in reports):
            return reports
        await asyncio.sleep(0.1)


async def _follow(source: Child, cluster: AttackedCluster, rows: int) -> list[Report]:
    """Print the progress of an attack until it ends; return the reports after its first tenth."""
    warm: list[Report] = []
    began_s = shown_s = time.monotonic()
    while not (line := (await source.line()).decode()).startswith("end"):
        sent, now_s = int(line), time.monotonic()
        if not warm and sent >= rows / 10:
            warm = await cluster.reports()
        if now_s - shown_s >= REPORT_EVERY_S:
            shown_s = now_s
            _show(f"{sent:>12,} of {rows:,} rows, {sent / (now_s - began_s):,.0f}/s", await cluster.reports())
    _, taken, links = line.split()
    print(f"{taken} rows taken, {links} links broken, {time.monotonic() - began_s:.1f} s", flush=True)
    return warm or await cluster.reports()


def _show(text: str, reports: Sequence[Report]) -> None:
    kept = ("frame_ms_max", "hold_ms_max", "lag_ms_max", "rss_mb", "term", "applied", "failures")
    print(f"{text}; " + "; ".join(f"{key} {[report.get(key) for report in reports]}" for key in kept), flush=True)


async def fuzz(seed: int, rows: int, *, as_node: bool, frame_ms_max: float, election_timeout_s: float) -> list[str]:
    """Attack a new cluster; return what is broken."""
    async with AttackedCluster(election_timeout_s) as cluster:
        begin = await _led(cluster)
        async with Client(cluster.addresses, cluster=CLUSTER, name=HONEST, auth=client_auth(HONEST)) as client:
            honest = HonestClient(client)
            working = asyncio.create_task(honest.work())
            mode = "node" if as_node else "client"
            source = Child(["benchmarks.fuzzing.hostile_source", mode, str(seed), str(rows), *cluster.places])
            try:
                await source.start()
                warm = await _follow(source, cluster, rows)
            finally:
                await source.end()
                working.cancel()
                await asyncio.wait([working])
            await asyncio.sleep(SETTLE_S)
            end = await _settled(cluster)
    _show("after the attack", end)
    print(f"dead letters: {[report['dead_letters'] for report in end]}")
    print(f"honest client: {honest.answered} rounds answered, {honest.unanswered} not")
    wrong = [f"the honest client: {each}" for each in honest.wrong[:5]]
    if not honest.answered:
        wrong.append("the honest client got no answer")
    return wrong + verdict(begin, warm, end, frame_ms_max=frame_ms_max)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    description = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile_fuzz", description=description)
    parser.add_argument("--rows", type=int, default=100_000, help="how many rows the nodes must take")
    parser.add_argument("--seed", type=int, default=1, help="the seed of all rows")
    parser.add_argument("--as-node", action="store_true", help="with the key of the nodes, as a node that is no member")
    parser.add_argument(
        "--frame-ms-max", type=float, default=FRAME_MS_MAX, help="the most that one frame may take (ms)"
    )
    parser.add_argument(
        "--election-timeout", type=float, default=0.2, metavar="S", help="the shortest of the group (default 0.2 s)"
    )
    options = parser.parse_args(arguments)
    broken = asyncio.run(
        fuzz(
            options.seed,
            options.rows,
            as_node=options.as_node,
            frame_ms_max=options.frame_ms_max,
            election_timeout_s=options.election_timeout,
        )
    )
    for each in broken:
        print(f"BROKEN: {each}")
    print(f"seed {options.seed}: " + ("broken" if broken else "held"))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
