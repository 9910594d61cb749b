"""How many messages a second do two actors pass to each other?

One message, built before, goes to and fro. The floor is a deque and a `call_soon` per player;
`floor_shared` is one deque of (method, message) for all, drained by one `call_soon`.
"""

from __future__ import annotations

from benchmarks.passing import circle
from benchmarks.results import Result
from benchmarks.settings import Settings

__all__ = ["run"]


async def run(settings: Settings) -> list[Result]:
    """Measure passes."""
    return await circle("ping_pong", 2).run(settings)
