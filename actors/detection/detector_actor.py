"""`DetectorActor`: runs one failure detector as an actor, which monitors the other nodes of a cluster.

peers ── DetectorPeerMessage ─▶┐                              ┌─▶ DetectorPeerMessage ▶ peers (datagrams)
timer ── Tick ────────────────▶│ Driver ─ FailureDetector ────│
own loop ── LoopLagged ───────▶┘          (pure)              └─▶ Suspected, Trusted, Failed ▶ listeners

The actor only observes: what follows from an opinion is done by its listeners, on a node by `NodeHealth`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, assert_never

from coterie.actors.detection.detection_wire import DetectorPeerMessage
from coterie.actors.detection.detector_messages import MembersReport, ReportMembers, member_line
from coterie.actors.detection.peer_listeners import PeerListener, PeerListeners
from coterie.actors.driver import Driver, Tick
from coterie.protocols.algorithm import NodeId, Received
from coterie.protocols.detection.failure_detector import (
    Failed,
    LoopLagged,
    MakeDetector,
    StateChange,
    Suspected,
    Trusted,
)
from coterie.protocols.detection.swim.swim_messages import StateExchange
from coterie.runtime.actor import Actor
from coterie.runtime.observing.lag_probe import LagProbe
from coterie.runtime.refs import Address

__all__ = ["DetectorActor"]

PROBE_INTERVAL_S: Final = 0.1
"""How often the lag of this process's own loop is measured."""

LAG_MIN_S: Final = 0.05
"""The shortest lag that the detector is told: less is the ordinary work of other actors."""


class DetectorActor(Actor[DetectorPeerMessage | ReportMembers | Tick]):
    """One node's failure detector. Each node runs one at the same path, and they exchange messages.

    Args:
        config: the settings, which make the detector; the same on every node.
        nodes: the names of all nodes; this one may be among them.
        listeners: are notified of each change of its opinion. After a restart of this actor they hear `Trusted` of
            every peer: the new instance knows nothing of what the one before suspected.
    """

    def __init__(self, config: MakeDetector, nodes: Sequence[str], listeners: Sequence[PeerListener] = ()) -> None:
        self._config = config
        self._nodes = tuple(nodes)
        self._first_listeners = listeners
        self._driver: Driver[Any, Any] | None = None
        self._has_failed = False

    # --- life -------------------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Make the detector, and begin to measure the lag of the loop."""
        system = self.context.system
        self._node = NodeId(system.node)
        peers = [NodeId(node) for node in self._nodes if node != self._node]
        self._detector = self._config.make(self._node, peers, seed=self.context.random.getrandbits(64))
        self._listeners = PeerListeners(system, self._first_listeners)
        self._address_by_peer: dict[str, Address] = {}
        self._unhealthy: set[str] = set()  # the peers that the log says are suspected or failed
        self._driver = Driver(self._detector, self.context, self)
        self._lag_probe = LagProbe(system.loop, self.context.clock.monotonic, PROBE_INTERVAL_S, self._on_lag_probe)
        self.context.wake()  # the first visit arms the timer

    def on_restart(self, error: BaseException) -> None:
        """Begin anew, and take back what the instance before suspected: this one knows nothing of it."""
        self.on_start()
        for node in self._nodes:
            if node != self._node:
                self._listeners.notify(Trusted(NodeId(node), "the detector was restarted: it begins anew"))

    def on_stop(self) -> None:
        """End this life."""
        if self._driver is not None:
            self._driver.close()
            self._lag_probe.stop()

    # --- incoming messages ------------------------------------------------------------------------------------------

    def receive(self, msg: DetectorPeerMessage | ReportMembers | Tick, /) -> MembersReport | None:
        """Turn each message into an event of the batch, or answer it."""
        match msg:
            case DetectorPeerMessage():
                self._running.feed(Received(NodeId(msg.sender), msg.body))
            case Tick():
                self._running.ticked()
            case ReportMembers():
                return self._report()
            case _:
                assert_never(msg)
        return None

    def on_visit_end(self) -> None:
        """Hand the messages of this visit to the detector as one batch."""
        try:
            self._running.flush()
        except BaseException:
            self._has_failed = True
            raise

    @property
    def _running(self) -> Driver[Any, Any]:
        if self._driver is None:
            raise RuntimeError("the detector has not started")
        return self._driver

    def _on_lag_probe(self, lag_s: float) -> None:
        if lag_s >= LAG_MIN_S:
            self._running.wake_with(LoopLagged(lag_s))

    def _report(self) -> MembersReport:
        members = self._detector.members(now=self.context.clock.monotonic())
        return MembersReport(self._node, type(self._config).__name__, tuple(map(member_line, members)))

    # --- effects ----------------------------------------------------------------------------------------------------

    def persist(self, write: object, done: Callable[[], None]) -> None:
        """Refuse a write: detectors keep nothing."""
        raise TypeError(f"a failure detector keeps nothing, but asked to write {write!r:.80}")

    def send(self, to: str, message: Any) -> None:
        """Send a message to a peer, by datagram if possible; what grows with the cluster goes over the link."""
        address = self._address_by_peer.get(to)
        if address is None:  # a detector may learn of peers later
            address = self._address_by_peer[to] = Address(to, self.context.self_ref.path)
        letter = DetectorPeerMessage(self._node, message)
        if isinstance(message, StateExchange):
            self.context.system.at(address).tell(letter)
        else:
            self.context.system.datagrams.tell(address, letter)

    def perform(self, effect: StateChange) -> None:
        """Log a change of opinion, and notify the listeners."""
        log = self.context.log
        match effect:
            case Suspected():
                say, event = log.warning, "peer.suspected"
                self._unhealthy.add(effect.peer)
            case Failed():
                say, event = log.error, "peer.failed"
                self._unhealthy.add(effect.peer)
            case Trusted():  # as visible as the alarm that it ends
                say, event = log.warning if effect.peer in self._unhealthy else log.info, "peer.trusted"
                self._unhealthy.discard(effect.peer)
            case _:
                assert_never(effect)
        say(event, **{**_rounded(effect.evidence), "peer": effect.peer, "reason": effect.reason})
        self._listeners.notify(effect)

    def observed(self, event: str, facts: Any) -> None:
        """Log an event of the detector."""
        self.context.log.debug(event, **facts)


def _rounded(evidence: Mapping[str, object]) -> dict[str, object]:
    """Return the evidence for a reader: floats with 4 significant digits."""
    return {key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in evidence.items()}
