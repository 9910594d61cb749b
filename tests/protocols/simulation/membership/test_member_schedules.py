"""Random faults: no promise of membership breaks, and the members converge afterwards."""

from __future__ import annotations

import pytest

from coterie.protocols.simulation.membership.member_schedules import MemberSchedule, run_members

FOUND = (61, 66, 272, 18, 72, 1228)
"""Seeds that found something once: late joins, a leader that was cut off, names whose address is another one."""


@pytest.mark.parametrize("seed", [*range(12), *FOUND])
def test_a_schedule_breaks_no_promise_and_the_members_converge(seed: int) -> None:
    run_members(seed)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(4))
def test_many_schedules_break_no_promise(block: int) -> None:
    for seed in range(1000 + 50 * block, 1050 + 50 * block):
        run_members(seed)


def test_a_schedule_is_determined_by_its_seed() -> None:
    digests = {MemberSchedule(3, faults_s=8.0, hashed=True).run().trace.digest() for _ in range(2)}

    assert len(digests) == 1
