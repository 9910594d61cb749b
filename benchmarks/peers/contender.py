"""A peer's laps, measured in a process of its own that ends with all it has started."""

from __future__ import annotations

import json

from benchmarks.peers.catalogue import PEERS
from benchmarks.processes import Child
from benchmarks.results import Lap
from benchmarks.settings import Settings

__all__ = ["peer_laps"]

PATIENCE_S = 10.0
"""How long a peer may take to end its own processes."""


async def peer_laps(peer: str, contest: str, other_core: int, settings: Settings) -> list[Lap]:
    """Let `peer` do the work of `contest` for about a second, `settings.runs` times; none if it has no such work.

    It inherits this process's pinning; `other_core` is for a second process, if it needs one.
    """
    seconds, runs = settings.seconds(1.0), settings.runs
    module = PEERS[peer].module
    child = Child(["benchmarks.peers.lap", module, contest, str(seconds), str(runs), str(other_core)], ready=b"\n")
    try:
        await child.start()
        if child.first_line.split() != [b"ready"]:
            return []
        laps = [Lap(**json.loads(await child.line())) for _ in range(runs)]
        await child.wait(PATIENCE_S)
        return laps
    finally:
        await child.end_session(patience_s=PATIENCE_S)
