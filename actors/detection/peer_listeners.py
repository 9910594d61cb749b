"""`PeerListeners`: calls functions and tells actors each change of a detector's opinion; an error harms nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from coterie.actors.detection.detector_messages import PeerChange, peer_change
from coterie.protocols.detection.failure_detector import StateChange
from coterie.runtime.refs import Ref
from coterie.runtime.system import System
from coterie.runtime.user_code import notify

__all__ = ["PeerListener", "PeerListeners"]

PeerListener = Callable[[StateChange], object] | Ref[PeerChange]
"""A function that is called with each change, or the ref of an actor that is told it as a message."""


class PeerListeners:
    """The listeners to one node's opinions, in the order in which they were added.

    Args:
        system: that of the node whose opinions they are.
        listeners: the first listeners.
    """

    def __init__(self, system: System, listeners: Iterable[PeerListener] = ()) -> None:
        self._system = system
        self._call_by_key: dict[object, Callable[[StateChange], object]] = {}
        for listener in listeners:
            self.add(listener)

    def add(self, listener: PeerListener) -> Callable[[], None]:
        """Notify `listener` of each change from now on; return a function that removes it (twice is harmless).

        A function must be quick. A ref stays until it is removed: remove it when its actor stops.
        """
        key = object()
        self._call_by_key[key] = self._telling(listener) if isinstance(listener, Ref) else listener
        return partial(self._remove, key)

    def notify(self, change: StateChange) -> None:
        """Call all listeners. An error of one is logged, and the others are called."""
        notify(self._system.log, list(self._call_by_key.values()), change)

    def _telling(self, ref: Ref[Any]) -> Callable[[StateChange], object]:
        return lambda change: ref.tell(peer_change(self._system.node, change))

    def _remove(self, key: object) -> None:
        self._call_by_key.pop(key, None)
