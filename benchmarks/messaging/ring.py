"""Ring: measures how many times per second one message is passed on in a ring of 1,000 actors.

The floor is a deque and a `call_soon` per player;
`floor_shared` is one deque of (method, message) for all, drained by one `call_soon`.
"""

from __future__ import annotations

from benchmarks.harness.results import Result
from benchmarks.harness.settings import Settings
from benchmarks.messaging.message_circle import circle_comparison

__all__ = ["run"]

SIZE = 1_000


async def run(settings: Settings) -> list[Result]:
    """Measure passes."""
    return await circle_comparison("ring", SIZE).run(settings)
