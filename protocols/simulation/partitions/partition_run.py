"""`PartitionRun`: runs one Raft group through one partial partition, and measures how long nothing is committed.

The group has the default settings (`RaftConfig`), disks and links as in other simulations, and no other fault. Every
`PROPOSAL_INTERVAL_S` each node that leads gets a command. The checkers of Raft's safety watch the whole run:

    start ── a leader is elected, and commits ── [some links break] ── the partition ───────────────────── it heals ──
                                                  LAG time-outs       OBSERVED time-outs: measured here      the same
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.raft_checker import RaftChecker
from coterie.protocols.checking.raft_disk import founded
from coterie.protocols.checking.violation import Violation, ViolationContext
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import TargetRole
from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_messages import LogWrite, RaftMessage
from coterie.protocols.raft.role import RaftRole
from coterie.protocols.replicated_log import Applied, Apply, Load, Propose, Reject
from coterie.protocols.simulation.event_heap import stream
from coterie.protocols.simulation.faults.link_rules import block
from coterie.protocols.simulation.hearing_raft import HearingRaft
from coterie.protocols.simulation.partitions.partial_partition import PartialPartition
from coterie.protocols.simulation.protocol_network import FaultRule, NodePair
from coterie.protocols.simulation.protocol_node import AnyAlgorithm
from coterie.protocols.simulation.protocol_world import ProtocolWorld

__all__ = ["LAG", "OBSERVED", "PartitionOutcome", "PartitionRun"]

OBSERVED = 20.0
"""How long the partition lasts, and how long the healed group is watched (longest election time-outs)."""

LAG = 3.0
"""How long before the partition the hub misses entries, if it does (longest election time-outs)."""

PROPOSAL_INTERVAL_S = 0.025
FIRST_COMMITS = 10
"""How many commands are committed before anything breaks."""

COMMAND = b"x"


@dataclass(frozen=True, slots=True)
class PartitionOutcome:
    """What came of one run. Times are in longest election time-outs.

    Attributes:
        recovery: how long nothing was committed, at the longest, from the moment the links broke; None: nothing was
            committed any more in the last half of the partition.
        leader_changes: how many leaders were elected while the partition lasted.
        old_leader_left: how long the leader led on after the links had broken; None: until they healed.
        healed_recovery: the same as `recovery`, from the moment the links healed.
        violation: the first broken invariant, None if none broke.
    """

    recovery: float | None
    leader_changes: int
    old_leader_left: float | None
    healed_recovery: float | None
    violation: Violation | None


class PartitionRun:
    """One run; it implements `AlgorithmHarness` for its world.

    Args:
        partition: the links that break.
        size: how many nodes.
        seed: determines the run: latencies, election time-outs, and when in a leader's period the links break.
    """

    def __init__(self, partition: PartialPartition, size: int, seed: int) -> None:
        self._partition = partition
        nodes = tuple(NodeId(f"n{number}") for number in range(1, size + 1))
        name = f"partial-partitions/{partition.name}/{size}/{seed}"
        self._config = RaftConfig(nodes)
        self._timeout_s = self._config.election_timeout_max_s
        self._rng = stream(name, "run")
        context = ViolationContext()
        self._checker = RaftChecker(nodes, context)
        for node in nodes:
            self._checker.disk(node).found(founded(nodes))
        plan = FaultPlan(nodes, (), ends_at_s=1000.0 * self._timeout_s)
        self._world: ProtocolWorld[LogWrite, RaftMessage] = ProtocolWorld(name, plan, self, context)
        self._rafts: dict[NodeId, Raft] = {}
        self._refs = 0
        self._rule = FaultRule("partition", block)
        self._broken: list[NodePair] = []
        self._order: list[NodeId] = []
        self._commits_s: list[float] = []
        self._terms_led: dict[int, float] = {}
        self._broke_s = self._healed_s = 0.0
        self._left_s: float | None = None

    def run(self) -> PartitionOutcome:
        """Run to the end, and return the outcome."""
        self._world.heap.after(0.0, self._propose)
        violation = self._world.run(until_s=1000.0 * self._timeout_s, end=self._checker.audit)
        end_s = self._world.now
        changes = [term for term, led_s in self._terms_led.items() if self._broke_s < led_s <= self._healed_s]
        left = None if self._left_s is None else (self._left_s - self._broke_s) / self._timeout_s
        return PartitionOutcome(
            self._longest_gap(self._broke_s, self._healed_s),
            len(changes),
            left,
            self._longest_gap(self._healed_s, end_s),
            violation,
        )

    # The schedule.

    def _propose(self) -> None:
        for node, raft in self._rafts.items():
            if raft.role is RaftRole.LEADER:
                self._refs += 1
                self._world.nodes[node].receive(Propose(self._refs, COMMAND))
        if not self._order and len(self._commits_s) >= FIRST_COMMITS:
            self._begin()
        self._world.heap.after(PROPOSAL_INTERVAL_S, self._propose)

    def _begin(self) -> None:
        """Note who leads, and break the first links within the next period of the leader."""
        leaders = [node for node, raft in self._rafts.items() if raft.role is RaftRole.LEADER]
        if len(leaders) != 1:
            return
        others = [node for node in self._rafts if node != leaders[0]]
        self._rng.shuffle(others)
        self._order = [*leaders, *others]
        heap, timeout_s = self._world.heap, self._timeout_s
        first_s = self._rng.random() * timeout_s
        before = self._partition.broken_before(self._order)
        then_s = first_s + (LAG * timeout_s if before else 0.0)
        heap.after(first_s, self._break, before)
        heap.after(then_s, self._break_rest)
        heap.after(then_s + OBSERVED * timeout_s, self._heal)
        heap.after(then_s + 2 * OBSERVED * timeout_s, heap.stop)

    def _break(self, links: Sequence[NodePair]) -> None:
        added = [link for link in links if link not in self._broken]
        self._world.network.add_rule(self._rule, added)
        self._broken += added

    def _break_rest(self) -> None:
        self._broke_s = self._world.now
        self._healed_s = self._broke_s + OBSERVED * self._timeout_s
        self._break(self._partition.broken(self._order))

    def _heal(self) -> None:
        self._world.network.remove_rule(self._rule, self._broken)

    def _longest_gap(self, begin_s: float, end_s: float) -> float | None:
        """Return the longest time without a commit in between; None if the second half had none."""
        times = [begin_s, *(time_s for time_s in self._commits_s if begin_s < time_s <= end_s)]
        if times[-1] < (begin_s + end_s) / 2:
            return None
        gaps_s = [after - before for before, after in zip(times, [*times[1:], end_s], strict=True)]
        return max(gaps_s) / self._timeout_s

    # `AlgorithmHarness`.

    def build(self, node: NodeId, rng: random.Random) -> AnyAlgorithm:
        """Return the algorithm of `node`."""
        self._checker.started(node)
        restored = self._checker.disk(node).restored()
        raft = self._rafts[node] = HearingRaft(node, self._config, restored=restored, rng=rng)
        return cast("AnyAlgorithm", raft)

    def ended(self, node: NodeId) -> None:
        """Do nothing: no node ends."""

    def wrote(self, node: NodeId, write: LogWrite) -> None:
        """Check the write, which also stores it."""
        self._checker.wrote(node, write)

    def sent(self, node: NodeId, to: NodeId, message: RaftMessage) -> None:
        """Check the message, and send it."""
        self._checker.sent(node, to, message)
        self._world.send(node, to, message)

    def perform(self, node: NodeId, effect: object) -> None:
        """Apply entries at once; entries are loaded at once, too."""
        match effect:
            case Apply():
                for entry in effect.entries:
                    self._checker.applied(node, entry)
                self._note_commit()
                self._world.nodes[node].post(Applied(effect.entries[-1].index), within_s=0.0)
            case Load():
                self._world.heap.after(0.0, self._world.nodes[node].receive, self._checker.disk(node).read(effect))
            case Reject():
                pass  # the next leader gets other commands
            case _:
                raise TypeError(f"no effect of this group: {effect!r}")

    def turn_ended(self, node: NodeId) -> None:
        """Note who leads."""
        raft = self._rafts[node]
        if raft.role is RaftRole.LEADER:
            self._checker.led(node, raft.term)
            self._terms_led.setdefault(raft.term, self._world.now)
        elif self._broke_s and self._left_s is None and node == self._order[0]:
            self._left_s = self._world.now

    def healed(self) -> None:
        """Do nothing: the plan has no faults."""

    def sender_role(self, message: RaftMessage) -> TargetRole | None:
        """Return None: no fault is aimed at a role."""
        del message
        return None

    def _note_commit(self) -> None:
        if self._checker.committed_index > len(self._commits_s):
            self._commits_s += [self._world.now] * (self._checker.committed_index - len(self._commits_s))
