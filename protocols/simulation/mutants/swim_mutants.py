"""SWIM mutants: define nine bugs of SWIM and Lifeguard, each killed by a directed schedule."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.failure_detector import MemberState
from coterie.protocols.detection.swim import opinions, swim
from coterie.protocols.detection.swim.opinions import Opinions
from coterie.protocols.detection.swim.probe_order import RoundRobinOrder
from coterie.protocols.detection.swim.probing import PendingProbe
from coterie.protocols.detection.swim.suspicion_timer import SuspicionTimer
from coterie.protocols.detection.swim.swim import Swim
from coterie.protocols.detection.swim.swim_messages import MemberRecord, Records
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.simulation.directed import swim_schedules
from coterie.protocols.simulation.mutants.mutation_testing import DirectedTrial, Mutant, Patch

__all__ = ["SWIM_MUTANTS"]


def _supersede_by_rank_only(new: MemberRecord, old: MemberRecord) -> bool:
    return new.state is not old.state


def _refute_without_raising(self: Opinions, above: int) -> None:
    record = MemberRecord(self._node, above, MemberState.ALIVE)
    self._table.put(record)
    self.news.add(record)


def _confirm_again(self: SuspicionTimer, accuser: NodeId) -> bool:
    self.accusers[NodeId(f"{accuser}/{len(self.accusers)}")] = None
    self.timeout_s = self._present_timeout_s()
    return True


def _never_shrink(self: SuspicionTimer) -> float:
    return self._max_s


def _ignore_pause(self: Swim, now: float) -> None:
    del self, now


def _skip_indirect_probes(self: Swim, probe: PendingProbe) -> None:
    del self
    probe.timeout_at = inf


def _draw_by_name(self: RoundRobinOrder) -> NodeId:
    self.nodes.sort()
    self._at = (self._at + 1) % len(self.nodes)
    return self.nodes[self._at]


def _send_once(multiplier: int, members: int) -> int:
    del multiplier, members
    return 1


def _answer_with_everything(self: Swim, sender: NodeId, question: Records) -> Records:
    del question
    return self._buddy(sender) + self._news(self._config.packet_budget_bytes)


def _directed(name: str, schedule: Callable[[], None]) -> DirectedTrial:
    return DirectedTrial(name, Level.PROTOCOL, lambda seed: schedule())


SWIM_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "swim: incarnation ignored",
        _directed("stale accusation", swim_schedules.stale_accusation),
        (Patch(opinions, "supersedes", _supersede_by_rank_only),),
    ),
    Mutant(
        "swim: refutation without raising the incarnation",
        _directed("refutation", swim_schedules.refutation),
        (Patch(Opinions, "refute", _refute_without_raising),),
    ),
    Mutant(
        "swim: accuser counted as confirmation",
        _directed("repeated accusation", swim_schedules.repeated_accusation),
        (Patch(SuspicionTimer, "confirm", _confirm_again),),
    ),
    Mutant(
        "swim: suspicion does not shrink",
        _directed("confirmed suspicion", swim_schedules.confirmed_suspicion),
        (Patch(SuspicionTimer, "_present_timeout_s", _never_shrink),),
    ),
    Mutant(
        "swim: own lag ignored",
        _directed("paused member", swim_schedules.paused_member),
        (Patch(Swim, "_notice_pause", _ignore_pause),),
    ),
    Mutant(
        "swim: indirect probes skipped",
        _directed("cut direct path", swim_schedules.cut_direct_path),
        (Patch(Swim, "_probe_indirectly", _skip_indirect_probes),),
    ),
    Mutant(
        "swim: one probe order for all",
        _directed("probe spread", swim_schedules.probe_spread),
        (Patch(RoundRobinOrder, "_draw", _draw_by_name),),
    ),
    Mutant(
        "swim: gossip sent too few times",
        DirectedTrial("dissemination", Level.PROTOCOL, swim_schedules.dissemination),
        (Patch(swim, "retransmit_limit", _send_once),),
    ),
    Mutant(
        "swim: answer larger than the question",
        _directed("amplification", swim_schedules.amplification),
        (Patch(Swim, "_answer", _answer_with_everything),),
    ),
)
"""All are killed by directed schedules (`directed/swim_schedules.py`)."""
