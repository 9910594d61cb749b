"""`NodeHealth`: knows which nodes are suspected or failed, calls hooks, and ends the watches on failed nodes.

    detector ── Suspected ─▶ requests prefer other nodes; hooks on_suspected
             ── Failed ────▶ `System.declare_lost`: watches and pending asks end with the cause; hooks on_failed
             ── Trusted ───▶ as before; hooks on_trusted

An opinion is a guess: it steers requests, and no safety property depends on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, assert_never

from coterie.actors.detection.peer_listeners import PeerListener, PeerListeners
from coterie.protocols.detection.failure_detector import Failed, MemberState, StateChange, Suspected, Trusted
from coterie.runtime.system import System

__all__ = ["NodeHealth", "PeerHealth"]

ChangeT = TypeVar("ChangeT", Suspected, Trusted, Failed)


@dataclass(frozen=True, slots=True)
class PeerHealth:
    """The opinion of a peer: `state` is SUSPECTED or FAILED, `reason` a sentence, `since_s` monotonic, s."""

    peer: str
    state: MemberState
    reason: str
    since_s: float


class NodeHealth:
    """What one node's failure detector thinks of the other nodes. Without a detector no node is ever suspected.

    Args:
        system: the node's system.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._unhealthy: dict[str, PeerHealth] = {}
        self._listeners = PeerListeners(system)

    # --- opinions ---------------------------------------------------------------------------------------------------

    @property
    def suspected(self) -> tuple[str, ...]:
        """The nodes that are suspected but have not failed, sorted."""
        return self._in_state(MemberState.SUSPECTED)

    @property
    def failed(self) -> tuple[str, ...]:
        """The nodes that have failed, sorted."""
        return self._in_state(MemberState.FAILED)

    @property
    def unhealthy(self) -> tuple[PeerHealth, ...]:
        """The nodes that are suspected or failed, with the reasons, sorted by name."""
        return tuple(self._unhealthy[node] for node in sorted(self._unhealthy))

    def is_suspected(self, node: str) -> bool:
        """Return whether a node is suspected or failed: requests should go to other nodes, if there are any."""
        return node in self._unhealthy

    # --- listeners --------------------------------------------------------------------------------------------------

    def subscribe(self, listener: PeerListener) -> Callable[[], None]:
        """Notify `listener` of each change from now on; return a function that removes it.

        A function is called with `Suspected`, `Trusted` or `Failed`, on the event loop: it must be quick. An actor is
        told `PeerSuspected`, `PeerTrusted` or `PeerFailed`. An error that a function raises is logged.
        """
        return self._listeners.add(listener)

    def on_suspected(self, hook: Callable[[Suspected], object]) -> Callable[[], None]:
        """Call `hook` when a node is suspected; return a function that removes it. As `subscribe`."""
        return self.subscribe(_only(Suspected, hook))

    def on_failed(self, hook: Callable[[Failed], object]) -> Callable[[], None]:
        """Call `hook` when a node has failed; return a function that removes it. As `subscribe`."""
        return self.subscribe(_only(Failed, hook))

    def on_trusted(self, hook: Callable[[Trusted], object]) -> Callable[[], None]:
        """Call `hook` when a node is trusted again; return a function that removes it. As `subscribe`."""
        return self.subscribe(_only(Trusted, hook))

    # --- the detector -----------------------------------------------------------------------------------------------

    def take(self, change: StateChange) -> None:
        """Take a change of the detector's opinion: record it, act on it, then notify the listeners in order."""
        match change:
            case Suspected():
                self._record(change, MemberState.SUSPECTED)
            case Failed():
                self._record(change, MemberState.FAILED)
                self._system.declare_lost(change.peer, change.reason)
            case Trusted():
                if self._unhealthy.pop(change.peer, None) is None:
                    return  # it was not suspected: a restarted detector takes all suspicions back
            case _:
                assert_never(change)
        self._listeners.notify(change)

    def _record(self, change: Suspected | Failed, state: MemberState) -> None:
        now = self._system.host.clock.monotonic()
        self._unhealthy[change.peer] = PeerHealth(change.peer, state, change.reason, now)

    def _in_state(self, state: MemberState) -> tuple[str, ...]:
        return tuple(health.peer for health in self.unhealthy if health.state is state)


def _only(kind: type[ChangeT], hook: Callable[[ChangeT], object]) -> Callable[[StateChange], None]:
    def call(change: StateChange) -> None:
        if isinstance(change, kind):
            hook(change)

    return call
