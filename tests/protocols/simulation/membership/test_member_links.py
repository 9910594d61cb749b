"""Links between simulated hosts: sides, cuts in one direction, and loss that comes and goes."""

from __future__ import annotations

import random

from coterie.protocols.simulation.membership.member_links import HostLoss, MemberLinks


def links() -> MemberLinks:
    return MemberLinks(random.Random(1))


def test_messages_pass_within_a_side_only_and_everywhere_when_it_has_healed() -> None:
    made = links()
    made.partition(["a", "b"])
    assert made.passes("a", "b", 0.0)
    assert made.passes("c", "d", 0.0)
    assert not made.passes("a", "c", 0.0)
    assert made.delay_s("c", "a", 0.0) is None

    made.heal()
    assert made.passes("a", "c", 0.0)


def test_a_cut_has_one_direction_and_a_host_reaches_itself() -> None:
    made = links()
    made.cuts.add(("a", "b"))

    assert (made.passes("a", "b", 0.0), made.passes("b", "a", 0.0)) == (False, True)
    assert made.passes("a", "a", 0.0)


def test_loss_of_a_host_has_a_direction_and_may_come_and_go() -> None:
    made = links()
    made.losses["a"] = HostLoss(ingress=1.0, since_s=10.0, on_s=2.0, off_s=3.0)
    assert [made.passes("b", "a", at) for at in (9.0, 10.0, 11.9, 12.0, 14.9, 15.0)] == [
        True,
        False,
        False,
        True,
        True,
        False,
    ]
    assert made.passes("a", "b", 10.0)


def test_messages_are_lost_and_late_as_often_as_said() -> None:
    made = links()
    made.loss, made.late = 0.25, 0.1
    delays = [made.delay_s("a", "b", 0.0) for _ in range(4000)]

    assert 900 < delays.count(None) < 1100
    assert 220 < sum(delay is not None and delay > 0.01 for delay in delays) < 380
