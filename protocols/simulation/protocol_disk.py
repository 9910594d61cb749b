"""`ProtocolDisk`: simulates a node's disk: a sync takes time, and a crash may lose the last unsynced writes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Generic, TypeVar

from coterie.protocols.algorithm import Token
from coterie.protocols.simulation.event_heap import EventHeap

__all__ = ["ProtocolDisk"]

W = TypeVar("W")

FASTEST_S, SLOWEST_S = 0.0001, 0.001
"""The usual duration of a sync on a sound disk is between these."""


class ProtocolDisk(Generic[W]):
    """Makes writes durable in order; writes that wait together share one sync (group commit).

    `durable(token, write)` is called for each write that has become durable, then `synced(token)` with the group's last
    token. A crash calls `survived(write)` for each write of the prefix that became durable without a report.
    """

    __slots__ = (
        "_durable",
        "_epoch",
        "_failed",
        "_heap",
        "_rng",
        "_slowed",
        "_survived",
        "_synced",
        "_syncing",
        "_waiting",
        "slowness",
    )

    def __init__(
        self,
        heap: EventHeap,
        rng: random.Random,
        *,
        durable: Callable[[Token, W], None],
        synced: Callable[[Token], None],
        survived: Callable[[W], None],
    ) -> None:
        self._heap = heap
        self._rng = rng
        self._durable = durable
        self._synced = synced
        self._survived = survived
        self._syncing: list[tuple[Token, W]] = []
        self._waiting: list[tuple[Token, W]] = []
        self._epoch = 0
        self._failed: Callable[[], None] | None = None
        self._slowed: Callable[[], None] | None = None
        self.slowness = 1.0

    def slow_down(self, factor: float, slowed: Callable[[], None] | None = None) -> None:
        """Make every sync take `factor` times as long from now on; `slowed` is called for each."""
        self.slowness = factor
        self._slowed = slowed

    def fail_next(self, failed: Callable[[], None] | None) -> None:
        """Make the next sync fail: its writes are lost, and `failed` is called (None: cancel this).

        `failed` must end the current life: no write of that sync may ever be acknowledged.
        """
        self._failed = failed

    def submit(self, token: Token, write: W) -> None:
        """Accept a write."""
        self._waiting.append((token, write))
        if not self._syncing:
            self._sync()

    def crash(self) -> None:
        """Lose all writes that are not durable, except a random prefix of them; none of them is reported."""
        pending = self._syncing + self._waiting
        self._syncing, self._waiting = [], []
        self._epoch += 1
        if pending and self._rng.random() < 0.5:
            for _, write in pending[: self._rng.randint(0, len(pending))]:
                self._survived(write)

    def _sync(self) -> None:
        self._syncing, self._waiting = self._waiting, []
        self._heap.after(self._duration_s(), self._finish, self._epoch)
        if self._slowed is not None:
            self._slowed()

    def _duration_s(self) -> float:
        draw = self._rng.random
        sync_s = FASTEST_S + (SLOWEST_S - FASTEST_S) * draw()
        if draw() < 0.02:
            sync_s *= 20  # the p99 of a real disk
        return sync_s * self.slowness

    def _finish(self, epoch: int) -> None:
        if epoch != self._epoch:
            return
        self._heap.events += 1
        group, self._syncing = self._syncing, []
        if self._failed is not None:
            self._fail(self._failed)
            return
        for token, write in group:
            self._durable(token, write)
        self._synced(group[-1][0])
        if self._waiting and not self._syncing:  # `synced` may have submitted a write
            self._sync()

    def _fail(self, failed: Callable[[], None]) -> None:
        self._failed = None
        self._waiting = []
        self._epoch += 1
        failed()
