"""`LivenessChecker`: checks that a group has a leader and serves reads within a time limit after all faults have ended.

| invariant | broken when |
| --- | --- |
| `liveness.leader` | `timeout_s` after all faults ended there has been no leader |
| `liveness.reads` | `timeout_s` after all faults ended an acknowledged write has not been read |

Safety is checked at every step; liveness can be checked only after the faults have ended, and with a time limit.
"""

from __future__ import annotations

from collections.abc import Hashable

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext

__all__ = ["ELECTION_TIMEOUTS", "LivenessChecker"]

ELECTION_TIMEOUTS = 10
"""The time limit of a healed group, in election time-outs."""

_MOST_NAMED = 5


class LivenessChecker:
    """Checks one group. Report leaders, acknowledged writes, reads, and the end of the faults.

    `election_timeout_s`: the longest election time-out of the group (s). Writes acknowledged during the faults must be
    read too, but leaders and reads count only after `healed`.
    """

    def __init__(self, context: ViolationContext, *, election_timeout_s: float) -> None:
        if not election_timeout_s > 0:
            raise ValueError(f"election_timeout_s={election_timeout_s}: it must be above 0")
        self._context = context
        self.timeout_s = ELECTION_TIMEOUTS * election_timeout_s
        self._healed_s: float | None = None
        self._leader: NodeId | None = None
        self._unread: dict[Hashable, None] = {}

    @property
    def deadline_s(self) -> float | None:
        """The end of the time limit (s); None until `healed`."""
        return None if self._healed_s is None else self._healed_s + self.timeout_s

    @property
    def is_satisfied(self) -> bool:
        """Whether everything is healed, there is a leader, and every acknowledged write was read."""
        return self._healed_s is not None and self._leader is not None and not self._unread

    def led(self, node: NodeId) -> None:
        """Note that `node` leads."""
        if self._healed_s is not None:
            self._leader = node

    def acknowledged(self, write: Hashable) -> None:
        """Note that `write` (any unique name of it) was acknowledged to a client."""
        self._unread[write] = None

    def superseded(self, write: Hashable) -> None:
        """Note that `write` need not be read any more: another write has replaced it."""
        self._unread.pop(write, None)

    def read(self, write: Hashable) -> None:
        """Note that a read returned `write`."""
        if self._healed_s is not None:
            self._unread.pop(write, None)

    def healed(self) -> None:
        """Note that the faults have ended now."""
        self._healed_s = self._context.time_s
        self._leader = None

    def check(self) -> None:
        """Check the current moment. Before `deadline_s` this never fails."""
        if self.deadline_s is None or self._context.time_s < self.deadline_s:
            return
        waited = f"{self.timeout_s:.3g} s after all faults ended"
        if self._leader is None:
            self._context.fail("liveness.leader", None, f"{waited} there has been no leader")
        if self._unread:
            names = ", ".join(repr(write) for write in list(self._unread)[:_MOST_NAMED])
            detail = f"{waited} {len(self._unread)} acknowledged writes were not read, such as {names}"
            self._context.fail("liveness.reads", None, detail)
