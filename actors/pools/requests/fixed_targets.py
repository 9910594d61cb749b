"""`FixedTargets`: the targets of a pool that are given as refs: all of them, while they can be reached."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from coterie.actors.pools.requests.target_source import PoolTarget, TargetSource
from coterie.protocols.balancing import Target
from coterie.runtime.refs import Ref
from coterie.runtime.remote.link_events import LinkEvent
from coterie.runtime.system import System

__all__ = ["FixedTargets"]

RETURN_AFTER_S: Final = 1.0
"""After this time an address at which there was no actor is tried again, seconds."""


class FixedTargets(TargetSource):
    """Given refs. A ref whose actor has stopped leaves for good; an address (`System.at`) is tried again later.

    Args:
        system: the caller's.
        refs: the targets; each actor once.
        weights: the weight of a target by its node (default: 1 each).
        are_probed: True if the targets answer `ProbeLoad` themselves.

    Raises:
        ValueError: two of the refs have the same node and path.
    """

    def __init__(
        self,
        system: System,
        refs: Sequence[Ref[Any]],
        *,
        weights: Mapping[str, float] | None = None,
        are_probed: bool = False,
    ) -> None:
        self._system = system
        self._target_by_key: dict[str, PoolTarget] = {}
        self._away: dict[str, asyncio.TimerHandle] = {}
        for ref in refs:
            key = f"{ref.node}/{ref.path}"
            if key in self._target_by_key:
                raise ValueError(f"target {key!r} is given twice")
            target = Target(key, (weights or {}).get(ref.node, 1.0), ref.node)
            self._target_by_key[key] = PoolTarget(target, ref, ref if are_probed else None)
        self._unsubscribe = system.on_link(self._link_changed)

    def refresh(self) -> None:
        """Nothing is missing."""

    @property
    def is_waiting(self) -> bool:
        """Never."""
        return False

    async def wait(self, timeout_s: float) -> None:
        """Return at once."""

    def targets(self) -> Sequence[PoolTarget]:
        """Return the targets on this node and on linked ones."""
        linked = {self._system.node} | self._system.remoting.linked_names
        return [
            target for key, target in self._target_by_key.items() if target.ref.node in linked and key not in self._away
        ]

    def discard(self, ref: Ref[Any]) -> None:
        """Remove a stopped target: for good if it is one actor's ref, for a while if it is an address."""
        key = f"{ref.node}/{ref.path}"
        if ref.uid:
            self._target_by_key.pop(key, None)
        elif key not in self._away:
            self._away[key] = self._system.loop.call_later(RETURN_AFTER_S, self._return, key)
        self.changed()

    def close(self) -> None:
        """End the timers."""
        self._unsubscribe()
        for timer in self._away.values():
            timer.cancel()
        self._away.clear()

    def _return(self, key: str) -> None:
        self._away.pop(key, None)
        self.changed()

    def _link_changed(self, _: LinkEvent) -> None:
        self.changed()
