"""Lifeguard: counts false failures while some members are stalled again and again: SWIM, each part alone, all parts.

The set-up of Dadgar, Phillips, Currey (DSN-W 2018, §V): 128 members at LAN settings (period 1 s); 1 to 32 of them stand
still for a spell, wake for a short interval, and stand still again, for 120 s. As in the paper a stalled member is
stuck in its next send: the probe has begun, and all messages and timers wait. Afterwards timers are handled before
messages. A failure is false if its member was never stalled. SWIM is α = 5 with a fixed suspicion time-out. What is not
in the paper (doubt after late timers, `stall_s`, and inquiries) is off except in the last two variants. Detection is
measured without stalls: from crashes to the first member's `Failed`. Seeds: the row's number, the same for all.
"""

from __future__ import annotations

import random
from dataclasses import replace
from math import inf

from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result, percentile
from coterie.protocols.detection.failure_detector import Failed
from coterie.protocols.detection.swim.swim_config import SwimConfig
from coterie.protocols.simulation.detection.detection_world import DetectionWorld, SeenChange
from coterie.protocols.simulation.directed.swim_schedules import swim_world

__all__ = ["run"]

MEMBERS = 128
DURATION_S = 120.0
STALLED = (1, 4, 16, 32)
SPELLS = ((8.192, 0.256), (16.384, 0.064), (32.768, 1.024))
"""How long a stalled member stands still, and how long it is awake in between, s."""

_SWIM = replace(
    SwimConfig.lan(),
    suspicion_multiplier=5.0,
    suspicion_max_multiplier=1.0,
    confirmations=3,
    local_health_max=0,
    has_buddy=False,
    inquiries=0,
    stall_s=inf,
)
_ALL = replace(_SWIM, suspicion_max_multiplier=6.0, local_health_max=8, has_buddy=True)
VARIANTS = {
    "swim": _SWIM,
    "lha_probe": replace(_SWIM, local_health_max=8),
    "lha_suspicion": replace(_SWIM, suspicion_max_multiplier=6.0),
    "buddy": replace(_SWIM, has_buddy=True),
    "all_alpha_5": _ALL,
    "all_alpha_4": replace(_ALL, suspicion_multiplier=4.0),
    "coterie_alpha_5": replace(_ALL, stall_s=0.25, inquiries=4),
    "coterie_alpha_4": replace(_ALL, stall_s=0.25, inquiries=4, suspicion_multiplier=4.0),
}


async def run(
    *,
    members: int = MEMBERS,
    duration_s: float = DURATION_S,
    stalled: tuple[int, ...] = STALLED,
    spells: tuple[tuple[float, float], ...] = SPELLS,
    crashes: int = 20,
    results: list[Result] | None = None,
) -> list[Result]:
    """Run every variant with every number of stalled members and every spell; sum up the false failures."""
    progress = Progress(len(VARIANTS) * len(stalled) * len(spells))
    results = [] if results is None else results
    for name, config in VARIANTS.items():
        by_stalled: dict[str, float | int | str] = {}
        for count in stalled:
            by_stalled[f"stalled_{count}"] = 0
            for row, (spell_s, awake_s) in enumerate(spells):
                progress.show(f"{name}: {count} stalled for {spell_s} s")
                false = _false_failures(config, members, count, spell_s, awake_s, duration_s, seed=100 * count + row)
                by_stalled[f"stalled_{count}"] = int(by_stalled[f"stalled_{count}"]) + false
        total = sum(int(false) for false in by_stalled.values())
        baseline = results[0].value if results else float(total)
        detail = {
            **by_stalled,
            "times_fewer": baseline / total if total else inf,
            **_detection(config, members, crashes),
        }
        results.append(Result(f"swim_lifeguard/{name}", "coterie", "false failed", (float(total),), detail=detail))
    progress.clear()
    return results


def _false_failures(
    config: SwimConfig, members: int, count: int, spell_s: float, awake_s: float, duration_s: float, *, seed: int
) -> int:
    """Return how many times some member declared one failed that was never stalled."""
    world, names = swim_world(members, config, seed=seed)
    rng = random.Random(seed)
    stalled = rng.sample(names, count)
    world.run(5.0)
    end = world.now + duration_s
    while world.now < end:
        for node in stalled:
            world.pause(node, spell_s, is_stuck_in_send=True)
        world.run(spell_s + awake_s)
    world.run(5.0)
    healthy = frozenset(names).difference(stalled)
    return sum(isinstance(seen.change, Failed) and seen.change.peer in healthy for seen in world.changes)


def _detection(config: SwimConfig, members: int, crashes: int) -> dict[str, float]:
    """Return the median and p99 time from a crash to the first member's `Failed`, s."""
    seconds = []
    for seed in range(crashes):
        world, names = swim_world(members, config, seed=seed)
        world.run(3.0 + seed / crashes)
        crashed_at = world.now
        world.crash(names[0])
        world.run(120.0, until=_FailureSeen(world))
        seconds.append(world.now - crashed_at)
    return {"detection_s_p50": percentile(seconds, 0.5), "detection_s_p99": percentile(seconds, 0.99)}


class _FailureSeen:
    """Whether a `Failed` was seen since the last call."""

    def __init__(self, world: DetectionWorld) -> None:
        self._changes: list[SeenChange] = world.changes
        self._at = 0

    def __call__(self) -> bool:
        """Look at the new changes."""
        new, self._at = self._changes[self._at :], len(self._changes)
        return any(isinstance(seen.change, Failed) for seen in new)
