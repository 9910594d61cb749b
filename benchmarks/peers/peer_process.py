"""Peer process: measures another actor system in a separate process, and ends that process with its children."""

from __future__ import annotations

import json

from benchmarks.harness.processes import Child
from benchmarks.harness.results import Measurement
from benchmarks.harness.settings import Settings
from benchmarks.peers.peer_catalogue import PEERS

__all__ = ["peer_measurements"]

END_TIMEOUT_S = 10.0
"""Time limit for a peer to end its own processes."""


async def peer_measurements(peer: str, comparison: str, other_core: int, settings: Settings) -> list[Measurement]:
    """Measure `peer` with the work of `comparison`, `settings.runs` times for about 1 s; empty if it has no such work.

    It inherits the pinning of this process; `other_core` is for a second process, if it needs one.
    """
    seconds, runs = settings.seconds(1.0), settings.runs
    module = PEERS[peer].module
    child = Child(
        ["benchmarks.peers.peer_runs", module, comparison, str(seconds), str(runs), str(other_core)], ready=b"\n"
    )
    try:
        await child.start()
        if child.first_line.split() != [b"ready"]:
            return []
        measurements = [Measurement(**json.loads(await child.line())) for _ in range(runs)]
        await child.wait(END_TIMEOUT_S)
        return measurements
    finally:
        await child.end_session(timeout_s=END_TIMEOUT_S)
