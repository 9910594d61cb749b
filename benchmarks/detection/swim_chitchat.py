"""SWIM at chitchat's bars: all members found and none lost while half of all datagrams are lost; bytes per node.

The bars are those of the tests of quickwit-oss/chitchat: 100 nodes, 50 % loss: all found within 15 s, none lost in 30
s; and less than 15, 25, 50 and 120 kB/s per node at 10, 20, 40 and 100 nodes. Here each member begins with one seed
member and learns the others (`learns_members`); preset `lan`. Full exchanges go over streams: what is lost of them is
sent again, late. Bytes are counted after all were found. Seeds: 0, 1, 2, ….
"""

from __future__ import annotations

import random
from dataclasses import replace

from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result
from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.failure_detector import Failed
from coterie.protocols.detection.swim.swim import Swim, initial_records
from coterie.protocols.detection.swim.swim_config import SwimConfig
from coterie.protocols.simulation.detection.detection_world import DetectionWorld
from coterie.protocols.simulation.detection.member_network import MemberNetwork

__all__ = ["run"]

SIZES = (10, 20, 40, 100)
LOSS = 0.5
FOUND_WITHIN_S = 15.0
KEPT_FOR_S = 30.0
CONFIG = replace(SwimConfig.lan(), learns_members=True)


async def run(*, sizes: tuple[int, ...] = SIZES, runs: int = 5, results: list[Result] | None = None) -> list[Result]:
    """Measure the time to find all members, the members lost afterwards, and the bytes."""
    results = [] if results is None else results
    for count in sizes:
        found_s: list[float] = []
        lost, rates = 0, []
        progress = Progress(runs)
        for seed in range(runs):
            progress.show(f"{count} members, run {seed + 1} of {runs}")
            world = _world(count, seed)
            world.run(60.0, until=_AllFound(world))
            found_s.append(world.now)
            sent_bytes = sum(world.counts.size_bytes.values())
            seen = len(world.changes)
            world.run(KEPT_FOR_S)
            lost += sum(isinstance(change.change, Failed) for change in world.changes[seen:])
            rates.append((sum(world.counts.size_bytes.values()) - sent_bytes) / KEPT_FOR_S / count)
        detail: dict[str, float | int | str] = {"max_s": max(found_s), "lost": lost, "kb_per_s": max(rates) / 1000}
        results.append(Result(f"swim_chitchat/{count}", "coterie", "s to find all", tuple(found_s), detail=detail))
        progress.clear()
    return results


def _world(count: int, seed: int) -> DetectionWorld:
    names = [NodeId(f"m{number:03}") for number in range(count)]
    members = {
        node: Swim(
            node,
            CONFIG,
            initial_records([names[0], node] if node != names[0] else [node]),
            random.Random(f"{seed}/{node}"),
        )
        for node in names
    }
    return DetectionWorld(members, MemberNetwork(random.Random(seed), loss=LOSS))


class _AllFound:
    """Whether every member knows every other one; looked at ten times a second."""

    def __init__(self, world: DetectionWorld) -> None:
        self._world = world
        self._next_s = 0.0

    def __call__(self) -> bool:
        """Look again if it is time."""
        world = self._world
        if world.now < self._next_s:
            return False
        self._next_s = world.now + 0.1
        others = len(world.up) - 1
        return all(len(world.detector(node).members(now=world.now)) == others for node in world.up)
