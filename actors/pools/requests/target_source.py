"""`TargetSource`: the interface of what knows the targets of a pool; `PoolTarget`: one target and how to reach it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from coterie.protocols.balancing import Target
from coterie.runtime.refs import Ref

__all__ = ["MakeSource", "PoolTarget", "TargetSource"]


@dataclass(frozen=True, slots=True)
class PoolTarget:
    """One target of a pool.

    `target`: what the policy knows of it. `ref`: where requests go. `prober`: the actor that answers `ProbeLoad` for
    it; None if there is none.
    """

    target: Target
    ref: Ref[Any]
    prober: Ref[Any] | None


class TargetSource(ABC):
    """Knows which targets there are. It calls `changed` when that may have changed; the pool then calls `refresh`."""

    # set by the pool
    changed: Callable[[], None] = staticmethod(lambda: None)

    @abstractmethod
    def refresh(self) -> None:
        """Ask for what is missing. Does not block."""

    @property
    @abstractmethod
    def is_waiting(self) -> bool:
        """True if `wait` would wait."""

    @abstractmethod
    async def wait(self, timeout_s: float) -> None:
        """Wait until a target is known, or nothing more is expected; at most `timeout_s`.

        Before it returns, it asks for what is missing by then (`refresh`), without a pause after that: what changed
        during the wait is not announced again.
        """

    @abstractmethod
    def targets(self) -> Sequence[PoolTarget]:
        """Return the targets that can be reached now, each key once, alternating between the nodes."""

    @abstractmethod
    def discard(self, ref: Ref[Any]) -> None:
        """Remove a target that has stopped, until it is known to exist again."""

    @abstractmethod
    def close(self) -> None:
        """End the requests and timers."""


MakeSource = Callable[[Callable[[], bool], bool], TargetSource]
"""Makes the source of a pool, from a function that returns whether the pool was used since its last call, and from
whether the targets should report their load with each reply."""
