"""The judge of liveness: once everything has healed, a group must get on with it.

| invariant | broken when |
| --- | --- |
| `liveness.leader` | `patience_s` after everything healed there has been no leader |
| `liveness.reads` | `patience_s` after everything healed an acknowledged write has not been read |

Safety is judged at every step; this can only be judged when there is an end of faults, and a time to wait.
"""

from __future__ import annotations

from collections.abc import Hashable

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import Bench

__all__ = ["ELECTION_TIMEOUTS", "LivenessJudge"]

ELECTION_TIMEOUTS = 10
"""How many election time-outs a healed group gets."""

_MOST_NAMED = 5


class LivenessJudge:
    """Judges one group. Tell it who leads, what was acknowledged, what was read, and when the faults are over.

    `election_timeout_s`: the longest election time-out of the group (s). It forgives nothing that happens within the
    faults, and counts nothing that happened then: after `healed` a leader must show itself, and reads must come anew.
    """

    def __init__(self, bench: Bench, *, election_timeout_s: float) -> None:
        if not election_timeout_s > 0:
            raise ValueError(f"election_timeout_s={election_timeout_s}: it must be above 0")
        self._bench = bench
        self.patience_s = ELECTION_TIMEOUTS * election_timeout_s
        self._healed_s: float | None = None
        self._leader: NodeId | None = None
        self._unread: dict[Hashable, None] = {}

    @property
    def deadline_s(self) -> float | None:
        """When patience ends (s); None while faults go on."""
        return None if self._healed_s is None else self._healed_s + self.patience_s

    @property
    def is_satisfied(self) -> bool:
        """Whether everything is healed, somebody leads, and every acknowledged write was read."""
        return self._healed_s is not None and self._leader is not None and not self._unread

    def led(self, node: NodeId) -> None:
        """Note that `node` leads."""
        if self._healed_s is not None:
            self._leader = node

    def acknowledged(self, write: Hashable) -> None:
        """Note that a client was told that `write` happened (any unique name of it)."""
        self._unread[write] = None

    def superseded(self, write: Hashable) -> None:
        """Note that `write` need not be read any more: another one has taken its place."""
        self._unread.pop(write, None)

    def read(self, write: Hashable) -> None:
        """Note that a read showed `write`."""
        if self._healed_s is not None:
            self._unread.pop(write, None)

    def healed(self) -> None:
        """Note that the faults are over, now."""
        self._healed_s = self._bench.time_s
        self._leader = None

    def check(self) -> None:
        """Judge the present moment; it is free before the patience ends."""
        if self.deadline_s is None or self._bench.time_s < self.deadline_s:
            return
        waited = f"{self.patience_s:.3g} s after everything healed"
        if self._leader is None:
            self._bench.fail("liveness.leader", None, f"{waited} nobody has led")
        if self._unread:
            names = ", ".join(repr(write) for write in list(self._unread)[:_MOST_NAMED])
            detail = f"{waited} {len(self._unread)} acknowledged writes were not read, such as {names}"
            self._bench.fail("liveness.reads", None, detail)
