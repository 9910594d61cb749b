"""`draw_founding`: half of all logs begin at a base, half of all groups do not know the stores of their founders."""

from __future__ import annotations

import random

from coterie.protocols.algorithm import NodeId
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.faults.profiles.fault_profiles import draw_plan
from coterie.protocols.replicated_log import EntryKind
from coterie.protocols.simulation.scenarios.raft_run import RaftRun
from coterie.protocols.simulation.scenarios.random_foundings import draw_founding

VOTERS = tuple(NodeId(f"n{number}") for number in (1, 2, 3))


def test_each_combination_is_drawn() -> None:
    seen: dict[tuple[bool, bool], int] = {}
    for seed in range(200):
        facts = draw_founding(random.Random(seed), VOTERS, None).facts
        knows = facts.membership.store_of(VOTERS[0]) is not None
        seen[facts.base.index > 0, knows] = seen.get((facts.base.index > 0, knows), 0) + 1

    assert len(seen) == 4
    assert min(seen.values()) > 25


def test_a_register_has_the_term_of_its_base() -> None:
    for seed in range(50):
        register = draw_founding(random.Random(seed), VOTERS, None)
        assert register.term == register.facts.base.term
        assert (register.facts.base.term > 0) == (register.facts.base.index > 0)


def test_a_group_whose_stores_are_unknown_records_them() -> None:
    recorded = 0
    for seed in range(6):
        plan = draw_plan("calm", random.Random(seed), VOTERS, 5.0, level=Level.PROTOCOL)
        run = RaftRun(f"foundings/{seed}", plan, commands=30)
        assert run.run() is None
        recorded += any(entry.kind is EntryKind.MEMBERSHIP for entry in run.checker.committed)

    assert 0 < recorded < 6
