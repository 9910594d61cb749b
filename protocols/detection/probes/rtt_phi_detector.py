"""`RttPhiDetector`: probes its peers one after the other, and suspects those that leave three probes without answer.

    next probe is due ──▶ Probe ──┬─ ProbeReply in time ──▶ its round trip is sampled; wait for the rest of the time-out
                                  └─ time-out ──▶ missed ──▶ the next probe at once; the last one through another node:
    ProbeRequest ──▶ (other node: Probe ──▶ ProbeReply) ──▶ ProbeReport
    three missed in a row ──▶ Suspected ──▶ fail_after_s later ──▶ Failed;  answered again ──▶ Trusted

The procedure is that of Orleans (dotnet/orleans #10510 and #6800); the local health is Lifeguard's (`LocalHealth`).
Where it differs: a pause of this process is left out of account, as in #9979, and counts as a sign of bad health; a
suspected peer is probed directly and indirectly in turn, so that it is noticed when the direct link alone comes back;
misses of a peer that is already suspected do not worsen the own health, or one crash would slow everything down.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from coterie.protocols.algorithm import NodeId, Observe, Received, Send
from coterie.protocols.detection.detection_messages import Probe, ProbeReply, ProbeReport, ProbeRequest
from coterie.protocols.detection.detection_observations import PAUSE_NOTICED, message_refused
from coterie.protocols.detection.failure_detector import LoopLagged, MemberStatus, StateChange, check_peers
from coterie.protocols.detection.local_health import LocalHealth
from coterie.protocols.detection.own_pauses import OwnPauses
from coterie.protocols.detection.peer_state import PeerState
from coterie.protocols.detection.peer_timers import PeerTimers
from coterie.protocols.detection.probes.rtt_phi import RttPhi
from coterie.protocols.detection.relayed_probes import RelayedProbe, RelayedProbes

if TYPE_CHECKING:
    from coterie.protocols.detection.probes.rtt_phi_config import RttPhiConfig

__all__ = ["ProbeEffect", "ProbeEvent", "ProbeMessage", "RttPhiDetector"]

RELAYED_MAX: Final = 1024
"""The most probes that are pending for other nodes."""

ProbeMessage = Probe | ProbeReply | ProbeRequest | ProbeReport
ProbeEvent = Received[ProbeMessage] | LoopLagged
ProbeEffect = Send[Probe] | Send[ProbeReply] | Send[ProbeRequest] | Send[ProbeReport] | StateChange | Observe


@dataclass(slots=True)
class _Outstanding:
    """A probe without answer so far. `relay`: the node that probes for us; None: direct."""

    number: int
    relay: NodeId | None
    sent_at: float
    is_spoilt: bool = False


@dataclass(slots=True)
class _Peer:
    round_trips: RttPhi
    opinion: PeerState
    probe: _Outstanding | None = None


class RttPhiDetector:
    """A `FailureDetector` by probes. It starts with the first call of `handle` or `tick`.

    Args:
        node: this node.
        peers: the nodes to monitor, which monitor this one in turn and relay its probes.
        config: the settings.
        seed: draws when the first probe of each peer leaves, the intermediaries, and the numbers of this life.

    Raises:
        ValueError: `peers` contains `node`, or a peer twice.
    """

    def __init__(self, node: NodeId, peers: Sequence[NodeId], config: RttPhiConfig, *, seed: int) -> None:
        check_peers(node, peers)
        self._node = node
        self._names = tuple(peers)
        self._config = config
        self._seed = seed
        self._rng = random.Random(f"{seed}/{node}")
        self._peer_by_name: dict[NodeId, _Peer] = {}
        self._probing = PeerTimers()
        self._failing = PeerTimers()
        self._pauses = OwnPauses(config.lag_tolerance_s)
        self._health = LocalHealth(config.local_score_limit)
        self._suspects_all_from = 0.0
        self._start_with_number(0)

    def handle(self, events: Sequence[ProbeEvent], *, now: float) -> Sequence[ProbeEffect]:
        """Take a batch of received messages and lag reports at `now` (monotonic, s); return ordered effects."""
        effects = self._wake(now)
        for event in events:
            match event:
                case LoopLagged(lag_s):
                    effects += self._leave_out(self._pauses.late(lag_s, now=now), now)
                case Received(sender, message) if sender in self._peer_by_name:
                    effects += self._received(sender, message, now)
                case Received(sender, message):
                    effects.append(self._refusal(sender, message, "its sender is not monitored"))
        return effects

    def tick(self, *, now: float) -> Sequence[ProbeEffect]:
        """Send the probes that are due, and count those whose time has expired."""
        effects = self._wake(now)
        for name in self._probing.pop_expired(now):
            peer = self._peer_by_name[name]
            if peer.probe is not None:
                effects += self._missed(peer, now, is_own_fault_possible=True)
            effects.append(self._probe(peer, now))
        for name in self._failing.pop_expired(now):
            effects.append(self._fail(self._peer_by_name[name], now))
        effects += [
            Send(relayed.requester, ProbeReport(relayed.request_number, False))
            for relayed in self._relayed.pop_expired(now=now)
        ]
        return effects

    @property
    def deadline(self) -> float | None:
        """When `tick` is due: monotonic s; 0.0 (at once) before the first call. None if there are no peers."""
        if not self._is_started:
            return 0.0
        times = (self._probing.earliest, self._failing.earliest, self._relayed.earliest)
        return min((time for time in times if time is not None), default=None)

    @property
    def local_score(self) -> int:
        """The health of this process: 0 is healthy; see `LocalHealth`."""
        return self._health.score

    def members(self, *, now: float) -> Sequence[MemberStatus]:
        """Return the status of each monitored peer, sorted by name, with its last round trip."""
        peers = self._peer_by_name
        if not peers:
            return [PeerState(name).status(0.0) for name in sorted(self._names)]
        return [
            peers[name].opinion.status(
                peers[name].round_trips.suspicion(now=now), peers[name].round_trips.last_round_trip_s
            )
            for name in sorted(peers)
        ]

    def suspicion(self, peer: NodeId, *, now: float) -> float:
        """Return the suspicion of `peer`: 0 just after an answer, suspected from 1 on. KeyError names an unknown."""
        if peer not in self._names:
            raise KeyError(f"{peer!r} is not a peer of {self._node!r}")
        return self._peer_by_name[peer].round_trips.suspicion(now=now) if self._is_started else 0.0

    # Time: the start, and own pauses.

    def _wake(self, now: float) -> list[ProbeEffect]:
        """Start at the first call; later, find out whether this process comes late."""
        if not self._is_started:
            self._start(now)
            return []
        due = self.deadline
        return [] if due is None else self._leave_out(self._pauses.late(now - due, now=now), now)

    def _start(self, now: float) -> None:
        # Another time draws other numbers: answers to a former life are not mistaken for answers to this one.
        self._start_with_number(random.Random(f"{self._seed}/{self._node}/{now!r}").getrandbits(52))
        self._is_started = True
        self._suspects_all_from = now + self._config.start_grace_s
        for name in self._names:
            self._peer_by_name[name] = _Peer(RttPhi(self._config, now=now), PeerState(name))
            self._probing.arm(name, now + self._rng.uniform(0.0, self._config.probe_timeout_s))

    def _start_with_number(self, number: int) -> None:
        self._numbers = itertools.count(number)
        self._relayed = RelayedProbes()
        self._is_started = False

    def _leave_out(self, pause_s: float, now: float) -> list[ProbeEffect]:
        """Leave a pause of this process out of account: probes are out for longer, and their round trips are spoilt."""
        if pause_s <= 0:
            return []
        self._health.worsen()
        for name, peer in self._peer_by_name.items():
            if peer.probe is not None:
                spoilt_s = min(pause_s, now - peer.probe.sent_at)
                peer.probe.is_spoilt = True
                peer.probe.sent_at += spoilt_s
                self._probing.postpone(name, spoilt_s)
            peer.round_trips.paused(min(pause_s, max(0.0, now - peer.round_trips.since)))
            self._failing.postpone(name, pause_s)
        return [Observe(PAUSE_NOTICED, {"node": self._node, "pause_s": pause_s})]

    # Own probes.

    def _probe(self, peer: _Peer, now: float) -> ProbeEffect:
        """Send the next probe of `peer`: directly, or through another node if it is the last that may be missed."""
        target, number, score = peer.opinion.peer, next(self._numbers), self._health.score
        relay = self._choose_relay(peer)
        timeout_s = peer.round_trips.timeout_s(local_score=score, is_indirect=relay is not None)
        peer.probe = _Outstanding(number, relay, now)
        peer.round_trips.sent(timeout_s, now=now)
        self._probing.arm(target, now + timeout_s)
        if relay is None:
            return Send(target, Probe(number))
        # The report must be back in time: of the shares of the time-out, one is left for the way (Orleans #10510).
        return Send(relay, ProbeRequest(number, target, timeout_s * (1.0 - 1.0 / (2 + score))))

    def _choose_relay(self, peer: _Peer) -> NodeId | None:
        beyond = peer.round_trips.missed - (self._config.missed_limit - 1)
        if self._config.missed_limit < 2 or beyond < 0 or beyond % 2 == 1:
            return None
        relays = [
            name for name in self._names if name != peer.opinion.peer and self._peer_by_name[name].opinion.is_alive
        ]
        return self._rng.choice(relays) if relays else None

    def _missed(self, peer: _Peer, now: float, *, is_own_fault_possible: bool) -> list[ProbeEffect]:
        round_trips, opinion, peer.probe = peer.round_trips, peer.opinion, None
        if now < self._suspects_all_from and round_trips.last_round_trip_s is None:
            round_trips.heard(now=now)  # it may not have started yet: this probe does not count
            return []
        round_trips.missed_one(now=now)
        if opinion.is_alive and is_own_fault_possible:
            self._health.worsen()
        if not opinion.is_alive or round_trips.missed < self._config.missed_limit:
            return []
        self._failing.arm(opinion.peer, now + self._config.fail_after_s)
        return [opinion.suspect(f"{round_trips.missed} probes without answer", self._evidence(peer, now))]

    def _fail(self, peer: _Peer, now: float) -> ProbeEffect:
        reason = f"suspected for {self._config.fail_after_s:g} s, {peer.round_trips.missed} probes without answer"
        return peer.opinion.fail(reason, self._evidence(peer, now))

    def _evidence(self, peer: _Peer, now: float) -> dict[str, object]:
        return {**peer.round_trips.evidence(now=now), "local_score": self._health.score}

    # Messages.

    def _received(self, sender: NodeId, message: object, now: float) -> list[ProbeEffect]:
        match message:
            case Probe(number):
                return [Send(sender, ProbeReply(number))]
            case ProbeReply(number):
                return self._replied(sender, number, now)
            case ProbeRequest():
                return self._requested(sender, message, now)
            case ProbeReport(number, has_replied):
                return self._reported(sender, number, has_replied=has_replied, now=now)
        return [self._refusal(sender, message, "not a message of probe detectors")]

    def _requested(self, sender: NodeId, request: ProbeRequest, now: float) -> list[ProbeEffect]:
        if request.target == self._node:
            return [Send(sender, ProbeReport(request.number, True))]
        if request.target in self._peer_by_name:
            return [self._relay(sender, request, now)]
        return [
            self._refusal(sender, request, "its target is not monitored"),
            Send(sender, ProbeReport(request.number, False)),
        ]

    def _relay(self, requester: NodeId, request: ProbeRequest, now: float) -> ProbeEffect:
        """Probe the target of `request`; beyond RELAYED_MAX the oldest relayed probe is forgotten."""
        number, longest_s = next(self._numbers), self._config.longest_timeout_s
        # A time-out that is no number, or far too long, comes from another version: its probe must not stay forever.
        timeout_s = request.timeout_s if 0 <= request.timeout_s <= longest_s else longest_s
        self._relayed.add(number, RelayedProbe(requester, request.number, request.target, now + timeout_s))
        if len(self._relayed) > RELAYED_MAX:
            self._relayed.forget_oldest()
        return Send(request.target, Probe(number))

    def _replied(self, sender: NodeId, number: int, now: float) -> list[ProbeEffect]:
        relayed = self._relayed.answered(sender, number)
        if relayed is not None:
            return [Send(relayed.requester, ProbeReport(relayed.request_number, True))]
        peer = self._peer_by_name[sender]
        probe = peer.probe
        if probe is None or probe.relay is not None or probe.number != number:
            return []  # too late: it was counted as missed
        peer.round_trips.answered(now=now, is_sampled=not probe.is_spoilt)
        return self._alive(peer, probe, "it answered a probe", now)

    def _reported(self, sender: NodeId, number: int, *, has_replied: bool, now: float) -> list[ProbeEffect]:
        for peer in self._peer_by_name.values():
            probe = peer.probe
            if probe is None or probe.relay != sender or probe.number != number:
                continue
            if has_replied:
                peer.round_trips.heard(now=now)
                return self._alive(peer, probe, f"it answered a probe of {sender}", now)
            # A negative report proves that the relay hears us: the fault is not ours (Lifeguard §IV-A).
            return [*self._missed(peer, now, is_own_fault_possible=False), self._probe(peer, now)]
        return []

    def _alive(self, peer: _Peer, probe: _Outstanding, reason: str, now: float) -> list[ProbeEffect]:
        """Wait for the rest of the time-out, counted from the sending of the probe, before the next one."""
        opinion, peer.probe = peer.opinion, None
        self._health.improve()
        timeout_s = peer.round_trips.timeout_s(local_score=self._health.score, is_indirect=probe.relay is not None)
        self._probing.arm(opinion.peer, max(now, probe.sent_at + timeout_s))
        if opinion.is_alive:
            return []
        self._failing.disarm(opinion.peer)
        return [opinion.trust(reason, self._evidence(peer, now))]

    def _refusal(self, sender: NodeId, message: object, reason: str) -> Observe:
        return message_refused(self._node, sender, message, reason)
