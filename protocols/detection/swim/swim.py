"""`Swim`: monitors the members of a cluster by probing one at a time, and spreads what it finds out by gossip.

In each period one member is probed: directly, then through others. A member that acknowledges neither is suspected; it
may refute until the suspicion ends, and has failed after that. News rides on probes, and is gossiped besides.

This process may be the one that is slow. A timer that is handled late by `stall_s` means that the process stood still:
then it accuses nobody, because the acknowledgements may be waiting, unread.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final, assert_never

from coterie.protocols.algorithm import NodeId, Observe, Received, Send
from coterie.protocols.detection.failure_detector import LoopLagged, MemberState, MemberStatus, StateChange
from coterie.protocols.detection.local_health import LocalHealth
from coterie.protocols.detection.swim.gossip_queue import retransmit_limit
from coterie.protocols.detection.swim.member_table import MemberTable, supersedes
from coterie.protocols.detection.swim.opinions import Opinions
from coterie.protocols.detection.swim.probe_order import make_order
from coterie.protocols.detection.swim.probing import PendingProbe, Probing
from coterie.protocols.detection.swim.swim_config import SwimConfig
from coterie.protocols.detection.swim.swim_messages import (
    Ack,
    Gossip,
    IndirectPing,
    MemberRecord,
    Nack,
    Ping,
    Records,
    StateExchange,
    SwimMessage,
    record_size_bytes,
    records_size_bytes,
)

__all__ = ["Leave", "Swim", "SwimEffect", "SwimEvent", "initial_records"]

_UNTRACKED: Final = 0
"""The sequence of a ping that nobody waits for: an announcement to a failed member, or an inquiry about a suspicion."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Event: this member stops on purpose; the others are told, so that nobody suspects it."""


SwimEvent = Received[SwimMessage] | LoopLagged | Leave
SwimEffect = Send[SwimMessage] | StateChange | Observe


class Swim:
    """One member of a cluster that runs SWIM; its presets are `Swim.local()`, `Swim.lan()` and `Swim.wan()`.

    Each preset returns a `SwimConfig`, for `topology.detector`; other values with
    `dataclasses.replace(Swim.local(), period_s=0.5)`. `SwimConfig.make` makes the members: call the constructor only
    in a simulation.

    Implements `FailureDetector`; events are `SwimEvent`, effects `SwimEffect`.

    Args:
        node: this member.
        config: periods and limits.
        initial: the record of each member to begin with, this one included (`initial_records`).
        rng: makes all random choices.
    """

    def __init__(
        self, node: NodeId, config: SwimConfig, initial: Mapping[NodeId, MemberRecord], rng: random.Random
    ) -> None:
        self._node = node
        self._config = config
        self._rng = rng
        self._effects: list[SwimEffect] = []
        self._table = MemberTable(initial)
        self._order = make_order(config.probe_order, [peer for peer in initial if peer != node], rng)
        self._health = LocalHealth(config.local_health_max)
        self._opinions = Opinions(node, config, self._table, self._health, self._effects)  # type: ignore[arg-type]
        self._probing = Probing(rng.getrandbits(31))
        self._round_trips_s: dict[NodeId, float] = {}
        self._deadline = 0.0
        self._is_started = self._is_up_to_date = False
        self._accuses_all_from = 0.0
        self._introductions = 0
        self._probe_at = 0.0
        self._gossip_at = self._exchange_at = self._announce_at = inf

    @staticmethod
    def lan() -> SwimConfig:
        """Return the preset for one data centre: see `SwimConfig.lan`."""
        return SwimConfig.lan()

    @staticmethod
    def wan() -> SwimConfig:
        """Return the preset for several data centres: see `SwimConfig.wan`."""
        return SwimConfig.wan()

    @staticmethod
    def local() -> SwimConfig:
        """Return the preset for one machine or rack: see `SwimConfig.local`."""
        return SwimConfig.local()

    # --- FailureDetector --------------------------------------------------------------------------------------------

    def handle(self, events: Sequence[SwimEvent], *, now: float) -> Sequence[SwimEffect]:
        """Take messages of members; see `FailureDetector`."""
        self._notice_pause(now)
        for event in events:
            match event:
                case Received(sender, message):
                    self._receive(sender, message, now)
                case LoopLagged(lag_s):
                    if lag_s >= self._config.stall_s:
                        self._health.worsen()
                case Leave():
                    self._leave()
                case _:
                    assert_never(event)
        return self._taken_effects(now)

    def tick(self, *, now: float) -> Sequence[SwimEffect]:
        """Probe, judge the last probe, end suspicions, and gossip, as is due; see `FailureDetector`."""
        if not self._is_started:
            self._start(now)
        self._notice_pause(now)
        for suspect in self._opinions.expire(now=now):
            self._inquire(suspect)
        self._end_relays(now)
        probe = self._probing.pending
        if probe is not None and probe.timeout_at <= now:
            self._probe_indirectly(probe)
        if self._probe_at <= now:
            self._begin_period(now)
        if self._exchange_at <= now:
            self._exchange(now)
        if self._announce_at <= now:
            self._announce(now)
        if self._gossip_at <= now:
            self._gossip()
        return self._taken_effects(now)

    @property
    def deadline(self) -> float | None:
        """The next time at which `tick` must be called; 0 before the first one."""
        return self._deadline

    def members(self, *, now: float) -> Sequence[MemberStatus]:
        """Return the status of each other member, sorted by name."""
        return [self._status(record, now) for record in sorted(self._table, key=_name) if record.node != self._node]

    def suspicion(self, peer: NodeId, *, now: float) -> float:
        """Return 0 for a member that is alive, 1 to 2 while it is suspected, 2 once it has failed or left."""
        state = self._table[peer].state
        if state is MemberState.ALIVE:
            return 0.0
        suspicion = self._opinions.suspicion_of(peer)
        return 2.0 if suspicion is None else min(2.0, 1.0 + (now - suspicion.began_at) / suspicion.timeout_s)

    @property
    def incarnation(self) -> int:
        """The number with which this member last refuted a suspicion of itself."""
        return self._table[self._node].incarnation

    @property
    def local_health(self) -> int:
        """The score of Lifeguard's local health: 0 is healthy."""
        return self._health.score

    # --- messages ---------------------------------------------------------------------------------------------------

    def _receive(self, sender: NodeId, message: object, now: float) -> None:
        if sender not in self._table:
            self._merge((MemberRecord(sender, 0, MemberState.ALIVE),), now, sender)
            if sender not in self._table:
                return
        match message:
            case Ping(sequence, records):
                self._merge(records, now, sender)
                self._send(sender, Ack(sequence, self._answer(sender, records)))
            case Ack(sequence, records):
                self._merge(records, now, sender)
                self._acknowledged(sender, sequence, now)
            case Gossip(records):
                self._merge(records, now, sender)
            case IndirectPing():
                self._merge(message.records, now, sender)
                self._relay(sender, message, now)
            case Nack(sequence):
                self._probing.nacked(sender, sequence)
            case StateExchange():
                self._receive_exchange(sender, message, now)
            case _:  # of another detector, while the nodes change over from one to the other
                facts = {"member": sender, "message": type(message).__name__}
                self._effects.append(Observe("swim.message_refused", facts))

    def _merge(self, records: Records, now: float, sender: NodeId) -> None:
        if records:
            known = len(self._table)
            self._opinions.merge(records, now=now, sender=sender)
            if len(self._table) > known:
                self._add_learned(records, now)

    def _add_learned(self, records: Records, now: float) -> None:
        """Probe new members too; exchange records again soon, because there may be more of them."""
        if self._config.exchange_interval_s:
            self._exchange_at = min(self._exchange_at, now + self._config.period_s)
        listed = frozenset(self._order.nodes)
        for record in records:
            if record.node in self._table and record.node not in listed and record.node != self._node:
                self._order.add(record.node)

    def _acknowledged(self, sender: NodeId, sequence: int, now: float) -> None:
        probe = self._probing.acknowledged(sender, sequence)
        if probe is not None:
            self._health.improve()
            if sender == probe.target:
                self._round_trips_s[sender] = now - probe.sent_at
            return
        relayed = self._probing.relayed.answered(sender, sequence)
        if relayed is not None:
            self._send(relayed.requester, Ack(relayed.request_number))

    def _relay(self, requester: NodeId, message: IndirectPing, now: float) -> None:
        if message.target == self._node or message.target not in self._table:
            return
        timeout_s = min(max(0.0, message.timeout_s), self._config.period_s)
        own = self._probing.relay(requester, message.sequence, message.target, timeout_s=timeout_s, now=now)
        if own is not None:
            self._send(message.target, Ping(own, self._buddy(message.target)))

    def _end_relays(self, now: float) -> None:
        for relayed in self._probing.relayed.pop_expired(now=now):
            self._send(relayed.requester, Nack(relayed.request_number))

    def _receive_exchange(self, sender: NodeId, message: StateExchange, now: float) -> None:
        """Merge all records of a member, and answer with those that are newer here.

        A failure that is only heard of this way is taken for a suspicion, as in memberlist: after a partition both
        sides have declared the other failed, and each member must get the time to refute.
        """
        if message.is_answer and not self._is_up_to_date:
            self._is_up_to_date = True
            self._exchange_at = now + self._config.exchange_interval_s
        self._merge(tuple(map(_as_suspicion, message.records)), now, sender)
        if not message.is_answer:
            theirs = {record.node: record for record in message.records}
            newer = tuple(record for record in self._table if _is_newer(record, theirs.get(record.node)))
            self._send(sender, StateExchange(newer, is_answer=True))

    # --- probing ----------------------------------------------------------------------------------------------------

    def _start(self, now: float) -> None:
        """Begin at a random point of the period, so that the members do not probe in step."""
        self._is_started, self._deadline = True, now
        self._accuses_all_from = now + self._config.start_grace_s
        config, rng = self._config, self._rng
        self._probe_at = now + rng.random() * config.period_s
        if config.exchange_interval_s:
            self._exchange_at = self._probe_at
        if config.announce_interval_s:
            self._announce_at = now + rng.random() * config.announce_interval_s
        self._introductions = retransmit_limit(config.retransmit_multiplier, self._table.active)

    def _begin_period(self, now: float) -> None:
        """Judge the last probe, and start the next one (SWIM §3.1). The intervals grow with our own ill health."""
        self._judge(now)
        factor = self._health.factor
        self._probe_at = now + self._config.period_s * factor
        target = self._order.next(self._table.is_active)
        if target is None:
            self._probing.abandon()
            return
        probe = self._probing.start(target, timeout_s=self._config.probe_timeout_s * factor, now=now)
        self._send(target, Ping(probe.sequence, self._packet(target)))

    def _judge(self, now: float) -> None:
        probe = self._probing.pending
        if probe is None or probe.is_acknowledged:
            return
        if now < self._accuses_all_from and probe.target not in self._round_trips_s:
            return  # it may not have started yet
        # Lifeguard §IV-A: helpers that send nacks can reach us, so only missing nacks are signs of our own ill health.
        self._health.worsen(len(probe.helpers) - len(probe.nacked_by) if probe.helpers else 1)
        self._opinions.accuse(probe.target, now=now)

    def _probe_indirectly(self, probe: PendingProbe) -> None:
        probe.timeout_at = inf
        probe.helpers = self._random_members(self._config.indirect_probes, besides=probe.target)
        timeout_s = self._config.probe_timeout_s * self._health.factor
        for helper in probe.helpers:
            records = self._news(self._config.packet_budget_bytes)
            self._send(helper, IndirectPing(probe.sequence, probe.target, timeout_s, records))

    def _inquire(self, suspect: NodeId) -> None:
        """Ask the suspect and some others whether the suspicion still holds; answers carry what was missed here."""
        record = self._table[suspect]
        for target in (suspect, *self._random_members(self._config.gossip_fanout - 1, besides=suspect)):
            self._send(target, Ping(_UNTRACKED, (record,)))

    # --- dissemination ----------------------------------------------------------------------------------------------

    def _news(self, budget_bytes: int) -> Records:
        """Return news that fits in `budget_bytes`; it counts as sent."""
        news = self._opinions.news
        if not news:
            return ()
        return news.take(budget_bytes, limit=retransmit_limit(self._config.retransmit_multiplier, self._table.active))

    def _packet(self, target: NodeId) -> Records:
        """Return the records of a ping: the suspicion of the target first, then news.

        The first pings of a new process carry its own record: so there is room in the answer for what others believe of
        it from its last life.
        """
        first = self._buddy(target)
        if self._introductions:
            self._introductions -= 1
            first += (self._table[self._node],)
        return first + self._news(self._config.packet_budget_bytes - records_size_bytes(first))

    def _answer(self, sender: NodeId, question: Records) -> Records:
        """Return the records of an acknowledgement, no larger than those of its `question`.

        First newer records of the members in question, so that refutations arrive (ours, and those that the sender has
        missed); then what the sender must refute, without the accuser, so that it fits where its own record was.
        """
        budget_bytes = records_size_bytes(question)
        records: Records = ()
        known = ((self._table.get(asked.node), asked) for asked in question)
        newer = tuple(record for record, asked in known if record is not None and supersedes(record, asked))
        about_sender = tuple(MemberRecord(told.node, told.incarnation, told.state) for told in self._buddy(sender))
        for record in newer + about_sender:
            size_bytes = record_size_bytes(record)
            if size_bytes <= budget_bytes:
                budget_bytes -= size_bytes
                records += (record,)
        return records + self._news(budget_bytes)

    def _buddy(self, target: NodeId) -> Records:
        """Return the record of a suspected or failed member, which it must be told of (Lifeguard §IV.C)."""
        record = self._table[target]
        return (record,) if self._config.has_buddy and record.state is not MemberState.ALIVE else ()

    def _gossip(self) -> None:
        self._gossip_at = inf  # set again by `_taken_effects` while there is news
        for target in self._random_members(self._config.gossip_fanout):
            records = self._news(self._config.packet_budget_bytes)
            if not records:
                return
            self._send(target, Gossip(records))

    def _exchange(self, now: float) -> None:
        """Send all records to one member; until the first answer in each period: a new process has to catch up."""
        config = self._config
        self._exchange_at = now + (config.exchange_interval_s if self._is_up_to_date else config.period_s)
        for target in self._random_members(1):
            self._send(target, StateExchange(tuple(self._table)))

    def _announce(self, now: float) -> None:
        """Tell some failed members so: if they live they refute, and a healed partition heals (as in foca)."""
        self._announce_at = now + self._config.announce_interval_s
        if self._table.active == len(self._table):
            return
        failed = [record for record in self._table if record.state is MemberState.FAILED]
        for record in self._rng.sample(failed, min(self._config.gossip_fanout, len(failed))):
            self._send(record.node, Ping(_UNTRACKED, (record,)))

    def _leave(self) -> None:
        record = MemberRecord(self._node, self.incarnation, MemberState.LEFT)
        self._table.put(record)
        self._opinions.news.add(record)
        self._gossip()

    def _random_members(self, count: int, *, besides: NodeId | None = None) -> tuple[NodeId, ...]:
        """Return up to `count` different active members."""
        nodes = self._order.nodes
        found: dict[NodeId, None] = {}
        attempts = 4 * count if len(nodes) > 8 * count else 0
        for _ in range(attempts):
            node = nodes[self._rng.randrange(len(nodes))]
            if node != besides and self._table.is_active(node):
                found[node] = None
                if len(found) == count:
                    return tuple(found)
        candidates = [node for node in nodes if node != besides and self._table.is_active(node)]
        return tuple(self._rng.sample(candidates, min(count, len(candidates))))

    # --- time and effects -------------------------------------------------------------------------------------------

    def _notice_pause(self, now: float) -> None:
        """Doubt ourselves if a timer is handled very late: acknowledgements and refutations may be waiting, unread."""
        pause_s = now - self._deadline
        if pause_s < self._config.stall_s or not self._is_started:
            return
        self._health.worsen()
        self._probing.abandon()
        self._probing.relayed.postpone(pause_s)
        self._opinions.paused(pause_s, now=now)
        self._probe_at = now
        self._effects.append(Observe("swim.paused", {"pause_s": pause_s, "local_health": self._health.score}))

    def _send(self, to: NodeId, message: SwimMessage) -> None:
        self._effects.append(Send(to, message))

    def _taken_effects(self, now: float) -> list[SwimEffect]:
        if self._gossip_at == inf and self._opinions.news:
            self._gossip_at = now + self._config.gossip_interval_s
        due = min(
            self._probe_at,
            self._probing.deadline,
            self._opinions.deadline,
            self._gossip_at,
            self._exchange_at,
            self._announce_at,
        )
        self._deadline = max(due, now)  # a suspicion that has just shrunk may be overdue: that is no pause of ours
        effects = self._effects[:]
        self._effects.clear()
        return effects

    def _status(self, record: MemberRecord, now: float) -> MemberStatus:
        suspicion = self._opinions.suspicion_of(record.node)
        accusers = (record.accuser,) if record.accuser else ()
        return MemberStatus(
            record.node,
            record.state,
            self.suspicion(record.node, now=now),
            reason=f"accused by {record.accuser}" if record.accuser else "",
            incarnation=record.incarnation,
            round_trip_s=self._round_trips_s.get(record.node),
            suspected_by=tuple(sorted(suspicion.accusers)) if suspicion is not None else accusers,
        )


def initial_records(nodes: Sequence[NodeId]) -> dict[NodeId, MemberRecord]:
    """Return the records with which the members `nodes` begin: all alive. Simulated members may share them."""
    return {node: MemberRecord(node, 0, MemberState.ALIVE) for node in nodes}


def _is_newer(record: MemberRecord, theirs: MemberRecord | None) -> bool:
    return record is not theirs and (theirs is None or supersedes(record, theirs))


def _as_suspicion(record: MemberRecord) -> MemberRecord:
    if record.state is MemberState.FAILED:
        return MemberRecord(record.node, record.incarnation, MemberState.SUSPECTED, record.accuser)
    return record


def _name(record: MemberRecord) -> str:
    return record.node
