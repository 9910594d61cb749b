"""`HeartbeatDetector`: sends heartbeats to all peers, and suspects those whose heartbeats stay away.

    every interval_s ──▶ Heartbeat to all          a Heartbeat arrives ──▶ PeerDetector.heard, timer postponed
    timer of a peer expires: ALIVE ──▶ Suspected ──▶ fail_after_s later ──▶ Failed;  heard again ──▶ Trusted

1. Heartbeats of one sender are numbered. An old or repeated one is ignored; a number that restarts comes from a new
   life of the sender (another `run`), whose intervals are learned anew. Of two lives the one whose numbers go on
   growing is the present one: a late heartbeat of an older life displaces it for two intervals at most.
2. The decision about each peer is left to a `PeerDetector`; this class owns the messages, the timers and the states.
3. A pause of this process (a late timer, or `LoopLagged`) is not the peers' fault: it is left out of account for all.
   Heartbeats that queued up meanwhile then arrive in one burst, which says nothing about the sender's rhythm: within
   one interval after a pause or a suspicion, they prove life but are not sampled.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coterie.protocols.algorithm import NodeId, Observe, Received, Send
from coterie.protocols.detection.detection_messages import Heartbeat
from coterie.protocols.detection.detection_observations import PAUSE_NOTICED, message_refused
from coterie.protocols.detection.failure_detector import (
    LoopLagged,
    MemberState,
    MemberStatus,
    PeerDetector,
    StateChange,
    check_peers,
)
from coterie.protocols.detection.own_pauses import OwnPauses
from coterie.protocols.detection.peer_state import PeerState
from coterie.protocols.detection.peer_timers import PeerTimers

if TYPE_CHECKING:
    from coterie.protocols.detection.heartbeats.heartbeat_config import HeartbeatConfig

__all__ = ["HeartbeatDetector", "HeartbeatEffect", "HeartbeatEvent"]

HeartbeatEvent = Received[Heartbeat] | LoopLagged
HeartbeatEffect = Send[Heartbeat] | StateChange | Observe


@dataclass(slots=True)
class _Peer:
    """What is known about one peer. `heard_at`: its silence counts from here; own pauses have been added."""

    detector: PeerDetector
    opinion: PeerState
    heard_at: float
    settled_at: float
    run: int | None = None
    former_run: int | None = None
    sequence: int = 0
    former_sequence: int = 0
    former_heard: int = 0

    def is_former_alive(self, sequence: int) -> bool:
        """Take a heartbeat of the former run; return whether that run is the present one after all.

        It is if two heartbeats in a row, with growing numbers, come from it, and none from the present run in between.
        """
        if sequence <= self.former_sequence:
            return False
        self.former_sequence = sequence
        self.former_heard += 1
        return self.former_heard >= 2


class HeartbeatDetector:
    """A `FailureDetector` by heartbeats. It starts with the first call of `handle` or `tick`.

    Args:
        node: this node.
        peers: the nodes to monitor, which monitor this one in turn.
        config: the settings, and the per-peer detectors.
        seed: draws the moment within the interval at which this node sends, so that nodes do not send in step.

    Raises:
        ValueError: `peers` contains `node`, or a peer twice.
    """

    def __init__(self, node: NodeId, peers: Sequence[NodeId], config: HeartbeatConfig, *, seed: int) -> None:
        check_peers(node, peers)
        self._node = node
        self._names = tuple(peers)
        self._config = config
        self._seed = seed
        self._peer_by_name: dict[NodeId, _Peer] = {}
        self._timers = PeerTimers()
        self._pauses = OwnPauses(config.lag_tolerance_s)
        self._run: int | None = None
        self._sequence = 0
        self._next_beat_at = 0.0

    def handle(self, events: Sequence[HeartbeatEvent], *, now: float) -> Sequence[HeartbeatEffect]:
        """Take a batch of received heartbeats and lag reports at `now` (monotonic, s); return ordered effects."""
        effects = self._wake(now)
        for event in events:
            match event:
                case LoopLagged(lag_s):
                    effects += self._leave_out(self._pauses.late(lag_s, now=now), now)
                case Received(sender, Heartbeat() as heartbeat) if sender in self._peer_by_name:
                    effects += self._heard(self._peer_by_name[sender], heartbeat, now)
                case Received(sender, message):
                    effects.append(self._refusal(sender, message))
        return effects

    def tick(self, *, now: float) -> Sequence[HeartbeatEffect]:
        """Send the heartbeat that is due, and suspect peers whose time has expired."""
        effects = self._wake(now)
        if now >= self._next_beat_at:
            effects += self._beat(now)
        for name in self._timers.pop_expired(now):
            effects += self._expired(self._peer_by_name[name], now)
        return effects

    @property
    def deadline(self) -> float | None:
        """When `tick` is due: monotonic s; 0.0 (at once) before the first call."""
        return self._due()

    def members(self, *, now: float) -> Sequence[MemberStatus]:
        """Return the status of each monitored peer, sorted by name."""
        peers = self._peer_by_name
        if not peers:
            return [PeerState(name).status(0.0) for name in sorted(self._names)]
        return [peers[name].opinion.status(peers[name].detector.suspicion(now=now)) for name in sorted(peers)]

    def suspicion(self, peer: NodeId, *, now: float) -> float:
        """Return the suspicion of `peer`: 0 just after a heartbeat, suspected from 1 on. KeyError names an unknown."""
        if peer not in self._names:
            raise KeyError(f"{peer!r} is not a peer of {self._node!r}")
        return self._peer_by_name[peer].detector.suspicion(now=now) if self._peer_by_name else 0.0

    # Time: the start, own pauses, own heartbeats, and the silence of peers.

    def _wake(self, now: float) -> list[HeartbeatEffect]:
        """Start at the first call; later, find out whether this process comes late."""
        if self._run is None:
            self._start(now)
            return []
        return self._leave_out(self._pauses.late(now - self._due(), now=now), now)

    def _due(self) -> float:
        earliest = self._timers.earliest
        return self._next_beat_at if earliest is None else min(self._next_beat_at, earliest)

    def _start(self, now: float) -> None:
        rng = random.Random(f"{self._seed}/{self._node}/{now!r}")  # a new life at another time draws another run
        self._run = rng.getrandbits(53)
        self._next_beat_at = now + rng.uniform(0.0, self._config.interval_s)
        for name in self._names:
            peer = _Peer(self._config.peer_detector(now=now), PeerState(name), now, now)
            peer.detector.paused(self._config.start_grace_s)
            self._peer_by_name[name] = peer
            self._timers.arm(name, peer.detector.suspects_at())

    def _leave_out(self, pause_s: float, now: float) -> list[HeartbeatEffect]:
        """Leave a pause of this process out of account for all peers; those that were heard in it, only in part."""
        if pause_s <= 0:
            return []
        for name, peer in self._peer_by_name.items():
            silence_s = min(pause_s, now - peer.heard_at)
            peer.detector.paused(silence_s)
            peer.heard_at += silence_s
            peer.settled_at = now + self._config.interval_s
            if peer.opinion.is_alive:
                self._timers.arm(name, max(now, peer.detector.suspects_at()))
            else:
                self._timers.postpone(name, pause_s)
        return [Observe(PAUSE_NOTICED, {"node": self._node, "pause_s": pause_s})]

    def _beat(self, now: float) -> list[HeartbeatEffect]:
        """Send a heartbeat to all. Its number counts intervals, also those in which this process did not run.

        So the time of sending is a linear function of the number, on which Chen's estimate rests.
        """
        intervals = 1 + int((now - self._next_beat_at) / self._config.interval_s)
        self._sequence += intervals
        self._next_beat_at += intervals * self._config.interval_s
        heartbeat = Heartbeat(self._run or 0, self._sequence)
        return [Send(name, heartbeat) for name in self._names]

    def _expired(self, peer: _Peer, now: float) -> list[HeartbeatEffect]:
        opinion, silence_s = peer.opinion, now - peer.heard_at
        if opinion.state is MemberState.SUSPECTED:
            reason = f"suspected for {self._config.fail_after_s:g} s, no heartbeat for {silence_s:.3f} s"
            return [opinion.fail(reason, peer.detector.evidence(now=now))]
        suspects_at = peer.detector.suspects_at()
        if now < suspects_at:
            self._timers.arm(opinion.peer, suspects_at)
            return []
        self._timers.arm(opinion.peer, now + self._config.fail_after_s)
        return [opinion.suspect(f"no heartbeat for {silence_s:.3f} s", peer.detector.evidence(now=now))]

    # Messages.

    def _heard(self, peer: _Peer, heartbeat: Heartbeat, now: float) -> list[HeartbeatEffect]:
        if heartbeat.run != peer.run:
            if heartbeat.run == peer.former_run and not peer.is_former_alive(heartbeat.sequence):
                return []
            self._begin_new_life(peer, heartbeat.run, now)
        elif heartbeat.sequence <= peer.sequence:
            return []
        peer.former_heard = 0
        peer.sequence = heartbeat.sequence
        silence_s = now - peer.heard_at
        if now < peer.settled_at:
            peer.detector.paused(silence_s)
        else:
            peer.detector.heard(now=now, sequence=heartbeat.sequence)
        peer.heard_at = now
        return self._judge_heard(peer, silence_s, now)

    def _begin_new_life(self, peer: _Peer, run: int, now: float) -> None:
        if peer.run is not None:
            peer.detector = self._config.peer_detector(now=now)
            peer.settled_at = now
        peer.run, peer.former_run, peer.former_sequence = run, peer.run, peer.sequence

    def _judge_heard(self, peer: _Peer, silence_s: float, now: float) -> list[HeartbeatEffect]:
        """Trust the peer again, unless its heartbeat was so late that the next one is overdue (Chen's NFD-E)."""
        opinion, suspects_at = peer.opinion, peer.detector.suspects_at()
        if opinion.is_alive:
            # Never in the past, which Chen's estimate may reach: a timer that is late from the start is no own pause.
            self._timers.arm(opinion.peer, max(now, suspects_at))
            return []
        if now >= suspects_at:
            return []
        self._timers.arm(opinion.peer, suspects_at)
        peer.settled_at = now + self._config.interval_s
        reason = f"heartbeat {peer.sequence} arrived after {silence_s:.3f} s of silence"
        return [opinion.trust(reason, peer.detector.evidence(now=now))]

    def _refusal(self, sender: NodeId, message: object) -> Observe:
        reason = "not a heartbeat" if sender in self._peer_by_name else "its sender is not monitored"
        return message_refused(self._node, sender, message, reason)
