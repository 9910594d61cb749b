"""`Opinions`: merges what is said about members into what this member believes, and reports each change.

merge: record ──▶ older than ours ─────────────▶ no effect (but an accusation may confirm ours)
             ├──▶ about this member, not ALIVE ─▶ refute: raise our incarnation, gossip
             └──▶ newer ──▶ keep, gossip on, start or end a suspicion, report the change
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from math import inf
from typing import Final

from coterie.protocols.algorithm import NodeId, Observe
from coterie.protocols.detection.failure_detector import Failed, MemberState, StateChange, Suspected, Trusted
from coterie.protocols.detection.local_health import LocalHealth
from coterie.protocols.detection.swim.gossip_queue import GossipQueue
from coterie.protocols.detection.swim.member_table import MemberTable, supersedes
from coterie.protocols.detection.swim.suspicion_timer import SuspicionTimer, suspicion_min_s
from coterie.protocols.detection.swim.swim_config import SwimConfig
from coterie.protocols.detection.swim.swim_messages import MemberRecord, record_size_bytes

__all__ = ["INCARNATION_JUMP_MAX", "INCARNATION_MAX", "Opinions"]

INCARNATION_JUMP_MAX: Final = 2**20
"""The most by which an incarnation may exceed the last that is known of its member, unless the member itself says so.

A member raises its incarnation once for each refutation. Without this bound one forged record near the end of the range
could not be refuted any more.
"""

INCARNATION_MAX: Final = 2**62
"""Higher incarnations are not believed."""


class Opinions:
    """The records, the suspicions that run, and the news to gossip. Changes are appended to `effects`.

    Args:
        node: this member.
        config: α, β and k.
        table: the records of all members.
        health: this member's doubt in itself.
        effects: where changes go; the caller empties it.
    """

    def __init__(
        self,
        node: NodeId,
        config: SwimConfig,
        table: MemberTable,
        health: LocalHealth,
        effects: list[object],
    ) -> None:
        self._node = node
        self._config = config
        self._table = table
        self._health = health
        self._effects = effects
        self._suspicions: dict[NodeId, SuspicionTimer] = {}
        self._due: list[tuple[float, NodeId]] = []  # a heap; entries of suspicions that ended or changed are stale
        self.news = GossipQueue()
        """The records to send on."""

    # --- merging ----------------------------------------------------------------------------------------------------

    def merge(self, records: Iterable[MemberRecord], *, now: float, sender: NodeId | None = None) -> None:
        """Merge what `sender` says (None: this member)."""
        for record in records:
            known = self._table.get(record.node)
            if known is record:
                continue  # simulated members share records: most of an exchange is no news
            if not self._is_plausible(record, known, sender):
                self._observe("swim.record_refused", member=record.node, incarnation=record.incarnation)
            elif record.node == self._node:
                self._hear_about_self(record)
            elif known is not None:
                self._merge_one(record, known, now)
            else:
                self._learn_member(record, now)

    def accuse(self, node: NodeId, *, now: float) -> None:
        """Suspect a member that did not acknowledge a probe."""
        record = self._table[node]
        if self._table.is_active(node):
            self.merge((MemberRecord(node, record.incarnation, MemberState.SUSPECTED, self._node),), now=now)

    def refute(self, above: int) -> None:
        """Gossip that this member lives, under an incarnation above `above`."""
        record = MemberRecord(self._node, above + 1, MemberState.ALIVE)
        self._table.put(record)
        self.news.add(record)

    def _is_plausible(self, record: MemberRecord, known: MemberRecord | None, sender: NodeId | None) -> bool:
        """Return whether a record may be true: it fits into a packet, and its incarnation can be refuted."""
        last = 0 if known is None else known.incarnation
        highest = INCARNATION_MAX if record.node == sender else last + INCARNATION_JUMP_MAX
        is_small = record_size_bytes(record) <= self._config.packet_budget_bytes
        return is_small and 0 <= record.incarnation <= min(highest, INCARNATION_MAX)

    def _merge_one(self, record: MemberRecord, old: MemberRecord, now: float) -> None:
        if supersedes(record, old):
            self._accept(record, old, now)
        elif record.state is old.state is MemberState.SUSPECTED and record.incarnation == old.incarnation:
            self._confirm(record)

    def _hear_about_self(self, record: MemberRecord) -> None:
        own = self._table[self._node]
        if own.state is MemberState.LEFT or record.incarnation < own.incarnation:
            return
        if record.state is MemberState.ALIVE:
            if record.incarnation > own.incarnation:  # from an earlier life of this member
                self.refute(record.incarnation)
            return
        self._health.worsen()
        self.refute(record.incarnation)
        self._observe("swim.refuted", accuser=record.accuser, state=record.state.value, incarnation=record.incarnation)

    def _learn_member(self, record: MemberRecord, now: float) -> None:
        if not self._config.learns_members or len(self._table) >= self._config.members_max:
            self._observe("swim.unknown_member", member=record.node)
        elif record.state in {MemberState.ALIVE, MemberState.SUSPECTED}:
            alive = MemberRecord(record.node, record.incarnation, MemberState.ALIVE)
            self._table.put(alive)
            self.news.add(alive)
            self._observe("swim.member_learned", member=record.node)
            self._merge_one(record, alive, now)

    def _confirm(self, record: MemberRecord) -> None:
        """Count an independent confirmation, and gossip it, so that others count it too (Lifeguard §IV.B)."""
        suspicion = self._suspicions[record.node]
        if suspicion.confirm(record.accuser):
            self.news.add(record)
            heappush(self._due, (suspicion.next_at, record.node))

    def _accept(self, record: MemberRecord, old: MemberRecord, now: float) -> None:
        self._table.put(record)
        self.news.add(record)
        self._suspicions.pop(record.node, None)
        match record.state:
            case MemberState.SUSPECTED:
                self._begin_suspicion(record, old, now)
            case MemberState.FAILED:
                self._hear_of_failure(record, old)
            case _:
                self._end_suspicion(record, old)

    def _hear_of_failure(self, record: MemberRecord, old: MemberRecord) -> None:
        reason = f"{record.accuser} declared it failed"
        if old.state in {MemberState.ALIVE, MemberState.LEFT}:
            self._report(Suspected(record.node, reason, _evidence(record)))
        if old.state is not MemberState.FAILED:
            self._report(Failed(record.node, reason, _evidence(record)))

    def _begin_suspicion(self, record: MemberRecord, old: MemberRecord, now: float) -> None:
        config, members = self._config, self._table.active
        min_s = suspicion_min_s(config.suspicion_multiplier, members, config.period_s)
        suspicion = SuspicionTimer(
            record.accuser,
            confirmations=config.confirmations_among(members),
            min_s=min_s,
            max_s=min_s * config.suspicion_max_multiplier,
            now=now,
            inquiries=config.inquiries,
        )
        self._suspicions[record.node] = suspicion
        heappush(self._due, (suspicion.next_at, record.node))
        if old.state is MemberState.SUSPECTED:
            return
        if old.state is not MemberState.ALIVE:
            self._report(Trusted(record.node, f"it is back with incarnation {record.incarnation}"))
        self._report(Suspected(record.node, f"{record.accuser} got no acknowledgement", _evidence(record)))

    def _end_suspicion(self, record: MemberRecord, old: MemberRecord) -> None:
        if old.state in {MemberState.SUSPECTED, MemberState.FAILED}:
            reason = "it has left" if record.state is MemberState.LEFT else "it refuted"
            self._report(Trusted(record.node, f"{reason}, with incarnation {record.incarnation}", _evidence(record)))
        elif record.state is not old.state:
            self._observe(
                "swim.member_left" if record.state is MemberState.LEFT else "swim.member_back", member=record.node
            )

    # --- time -------------------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float:
        """When to inquire about a suspicion, or when one ends; infinite if there is none."""
        due = self._due
        while due:
            due_at, node = due[0]
            suspicion = self._suspicions.get(node)
            if suspicion is not None and suspicion.next_at == due_at:
                return due_at
            heappop(due)
        return inf

    def expire(self, *, now: float) -> list[NodeId]:
        """Declare the members failed whose suspicion ends by `now`; return those whose suspicion to inquire about."""
        inquiries: list[NodeId] = []
        while self.deadline <= now:
            _, node = heappop(self._due)
            suspicion = self._suspicions[node]
            if suspicion.inquire(now=now):
                inquiries.append(node)
                heappush(self._due, (suspicion.next_at, node))
                continue
            record = MemberRecord(node, self._table[node].incarnation, MemberState.FAILED, self._node)
            self._table.put(record)
            self.news.add(record)
            del self._suspicions[node]
            facts = _evidence(record) | {"suspected_s": now - suspicion.began_at, "accusers": tuple(suspicion.accusers)}
            self._report(Failed(node, f"it did not refute within {suspicion.timeout_s:.2f} s", facts))
        return inquiries

    def paused(self, pause_s: float, *, now: float) -> None:
        """Prolong the suspicions by a pause of this process, in which no refutation could be heard."""
        for suspicion in self._suspicions.values():
            suspicion.began_at = min(now, suspicion.began_at + pause_s)
        self._due = [(suspicion.next_at, node) for node, suspicion in self._suspicions.items()]
        heapify(self._due)

    # --- reading ----------------------------------------------------------------------------------------------------

    def suspicion_of(self, node: NodeId) -> SuspicionTimer | None:
        """Return the suspicion of a member that runs now, or None."""
        return self._suspicions.get(node)

    def _report(self, change: StateChange) -> None:
        self._effects.append(change)

    def _observe(self, event: str, **facts: object) -> None:
        self._effects.append(Observe(event, facts))


def _evidence(record: MemberRecord) -> dict[str, object]:
    return {"incarnation": record.incarnation, "accuser": record.accuser}
