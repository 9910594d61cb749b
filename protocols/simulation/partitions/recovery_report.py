"""`RecoveryReport`: sums up how a Raft group recovers in one partial partition, over many seeds, in election time-outs.

An election time-out is the longest one here (`RaftConfig.election_timeout_max_s`, 0.4 s by default).
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from coterie.protocols.simulation.partitions.partial_partition import PARTITIONS
from coterie.protocols.simulation.partitions.partition_run import PartitionOutcome, PartitionRun

__all__ = ["LEADER_LEFT_LIMIT", "RecoveryReport", "report_recovery"]

LEADER_LEFT_LIMIT = 2.05
"""Within how many time-outs a leader that hears no quorum steps down: two periods of check-quorum, on a slow clock."""


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """One partition, one size of the group, all seeds. Times are in longest election time-outs.

    Attributes:
        partition: the name of the partition.
        size: how many nodes the group has.
        limit: within how long every seed must commit again; None: no seed does while the partition lasts.
        recoveries: how long nothing was committed, ascending; of the seeds that committed again.
        not_recovered: the seeds that did not.
        leader_changes: the largest number of leaders that one seed elected while the partition lasted.
        old_leader_left: the longest time after which a leader without a quorum stepped down; None: it led on.
        healed: the longest time without a commit after the partition had healed; None: some seed never recovered.
        problems: what is not as it must be; empty if all is well.
    """

    partition: str
    size: int
    limit: float | None
    recoveries: tuple[float, ...]
    not_recovered: tuple[int, ...]
    leader_changes: int
    old_leader_left: float | None
    healed: float | None
    problems: tuple[str, ...]

    @property
    def median(self) -> float | None:
        """The median of `recoveries`."""
        return statistics.median(self.recoveries) if self.recoveries else None


def report_recovery(partition_name: str, size: int, seeds: Iterable[int]) -> RecoveryReport:
    """Run the partition of that name with every seed (one at least), and sum up.

    Raises:
        KeyError: there is no such partition.
    """
    partition = PARTITIONS[partition_name]
    outcome_by_seed = {seed: PartitionRun(partition, size, seed).run() for seed in seeds}
    outcomes = list(outcome_by_seed.values())
    limit = partition.limit_by_size.get(size)
    healed = [outcome.healed_recovery for outcome in outcomes if outcome.healed_recovery is not None]
    left = [outcome.old_leader_left for outcome in outcomes if outcome.old_leader_left is not None]
    problems = [
        f"{partition_name}, {size} nodes, seed {seed}: {problem}"
        for seed, outcome in outcome_by_seed.items()
        for problem in _problems(outcome, limit, keeps_leader=partition.keeps_leader)
    ]
    return RecoveryReport(
        partition_name,
        size,
        limit,
        tuple(sorted(outcome.recovery for outcome in outcomes if outcome.recovery is not None)),
        tuple(seed for seed, outcome in outcome_by_seed.items() if outcome.recovery is None),
        max(outcome.leader_changes for outcome in outcomes),
        max(left, default=None),
        max(healed) if len(healed) == len(outcomes) else None,
        tuple(problems),
    )


def _problems(outcome: PartitionOutcome, limit: float | None, *, keeps_leader: bool) -> list[str]:
    """Return what is wrong with one outcome."""
    found = [] if outcome.violation is None else [str(outcome.violation)]
    if limit is None and outcome.recovery is not None:
        found.append("it recovers, and is listed as one that does not")
    if limit is not None and outcome.recovery is None:
        found.append("it does not recover")
    if limit is not None and outcome.recovery is not None and outcome.recovery > limit:
        found.append(f"{outcome.recovery:.2f} time-outs without a commit, more than {limit}")
    if keeps_leader and (outcome.leader_changes or outcome.old_leader_left is not None):
        found.append("its leader lost the lead, and reaches a quorum")
    if outcome.old_leader_left is not None and outcome.old_leader_left > LEADER_LEFT_LIMIT:
        found.append(f"the leader led on for {outcome.old_leader_left:.2f} time-outs without a quorum")
    if outcome.leader_changes > 1:
        found.append(f"{outcome.leader_changes} leaders were elected: the first one did not last")
    if outcome.healed_recovery is None:
        found.append("it does not recover when all is healed")
    return found
