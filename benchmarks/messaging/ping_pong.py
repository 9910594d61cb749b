"""Ping-pong: measures the messages per second that two actors pass to each other.

One message, built before, goes back and forth. The floor is a deque and a `call_soon` per player;
`floor_shared` is one deque of (method, message) for all, drained by one `call_soon`.
"""

from __future__ import annotations

from benchmarks.harness.results import Result
from benchmarks.harness.settings import Settings
from benchmarks.messaging.message_circle import circle_comparison

__all__ = ["run"]


async def run(settings: Settings) -> list[Result]:
    """Measure passes."""
    return await circle_comparison("ping_pong", 2).run(settings)
