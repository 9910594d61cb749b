"""`LoopTime`: counts the time that the event loop has spent for one pool on this node."""

from __future__ import annotations

__all__ = ["LoopTime"]


class LoopTime:
    """`seconds`: the time spent so far, s; shared by the meters of a pool's workers.

    It is the wall time in `def` handlers of requests, and in the steps of the tasks of `async def` ones.
    """

    __slots__ = ("seconds",)

    def __init__(self) -> None:
        self.seconds = 0.0
