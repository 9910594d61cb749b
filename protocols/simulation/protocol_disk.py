"""The simulated disk of one node: writes wait for a sync, syncs take time, and a crash keeps a prefix."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Generic, TypeVar

from coterie.protocols.algorithm import Token
from coterie.protocols.simulation.event_heap import Timeline

__all__ = ["SimulatedDisk"]

W = TypeVar("W")

FASTEST_S, SLOWEST_S = 0.0001, 0.001
"""Between these is what a sync of a sound disk usually takes."""


class SimulatedDisk(Generic[W]):
    """Makes writes durable in order, those that wait together in one sync (group commit).

    `durable(token, write)` is called for each write when it is, `synced(token)` after each group with its last token.
    A crash calls `survived(write)` for the prefix that reached the platter unreported.
    """

    __slots__ = (
        "_durable",
        "_epoch",
        "_failed",
        "_rng",
        "_slowed",
        "_survived",
        "_synced",
        "_syncing",
        "_timeline",
        "_waiting",
        "slowness",
    )

    def __init__(
        self,
        timeline: Timeline,
        rng: random.Random,
        *,
        durable: Callable[[Token, W], None],
        synced: Callable[[Token], None],
        survived: Callable[[W], None],
    ) -> None:
        self._timeline = timeline
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
        """Let every sync take `factor` times as long from now on; `slowed` is called for each."""
        self.slowness = factor
        self._slowed = slowed

    def fail_next(self, failed: Callable[[], None] | None) -> None:
        """Let the next sync fail: it loses what it should have kept, and `failed` is called (None: not any more).

        Whoever is told must end this life: nothing of that sync may ever be acknowledged.
        """
        self._failed = failed

    def submit(self, token: Token, write: W) -> None:
        """Take a write."""
        self._waiting.append((token, write))
        if not self._syncing:
            self._sync()

    def crash(self) -> None:
        """Lose what is not durable, except a random prefix of it, and forget who waits for an answer."""
        pending = self._syncing + self._waiting
        self._syncing, self._waiting = [], []
        self._epoch += 1
        if pending and self._rng.random() < 0.5:
            for _, write in pending[: self._rng.randint(0, len(pending))]:
                self._survived(write)

    def _sync(self) -> None:
        self._syncing, self._waiting = self._waiting, []
        self._timeline.after(self._duration_s(), self._finish, self._epoch)
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
        self._timeline.events += 1
        group, self._syncing = self._syncing, []
        if self._failed is not None:
            self._fail(self._failed)
            return
        for token, write in group:
            self._durable(token, write)
        self._synced(group[-1][0])
        if self._waiting and not self._syncing:  # who was told may have written at once
            self._sync()

    def _fail(self, failed: Callable[[], None]) -> None:
        self._failed = None
        self._waiting = []
        self._epoch += 1
        failed()
