"""Leases begin before the question, end by themselves, and are over everywhere before a member is removed."""

from __future__ import annotations

import random
from math import inf

from coterie.protocols.membership.node.member_lease import DownTimes, MemberLease
from coterie.protocols.membership.node.membership_config import MembershipConfig
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import Down, Remove
from coterie.protocols.membership.view_decisions import decide_together
from coterie.protocols.simulation.directed.view_trials import view_of

CONFIG = MembershipConfig()


def test_a_lease_counts_from_the_question_not_from_the_answer() -> None:
    lease = MemberLease(CONFIG)
    assert not lease.is_valid(now=0.0)

    lease.answered(lease.ask(now=10.0), is_in=True, now=11.9)

    assert lease.ends_at == 12.5
    assert lease.is_valid(now=12.4)
    assert not lease.is_valid(now=12.5)


def test_one_question_without_an_answer_does_not_cost_the_lease() -> None:
    """The answer may be lost without a notice; an earlier core waited for it until the lease had ended."""
    lease = MemberLease(CONFIG)
    lease.answered(lease.ask(now=0.0), is_in=True, now=0.1)
    lease.ask(now=lease.ask_at)

    assert lease.ask_at == 1.4
    lease.answered(lease.ask(now=1.4), is_in=True, now=1.5)
    assert lease.ends_at == 1.4 + CONFIG.lease_s


def test_answers_in_any_order_count_from_their_own_questions_and_once() -> None:
    lease = MemberLease(CONFIG)
    first, second = lease.ask(now=0.0), lease.ask(now=0.7)

    lease.answered(second, is_in=True, now=0.8)
    lease.answered(first, is_in=True, now=0.9)
    assert (lease.ends_at, lease.read_at) == (0.7 + CONFIG.lease_s, 0.7)

    lease.end()
    lease.answered(second, is_in=True, now=1.0)
    assert lease.ends_at == -inf


def test_a_member_that_is_not_in_the_view_gets_no_lease_and_an_unknown_token_means_nothing() -> None:
    lease = MemberLease(CONFIG)
    lease.answered(lease.ask(now=0.0), is_in=False, now=0.1)
    lease.answered(99, is_in=True, now=0.1)

    assert lease.ends_at == -inf


def test_after_a_failure_it_asks_soon_and_a_hint_during_a_question_makes_it_ask_again() -> None:
    lease = MemberLease(CONFIG)
    lease.failed(lease.ask(now=0.0), now=0.1)
    assert lease.ask_at == 0.1 + CONFIG.renew_every_s / 4

    token = lease.ask(now=1.0)
    lease.ask_now(now=1.1)
    assert lease.ask_at == 1.7
    lease.answered(token, is_in=True, now=1.2)
    assert lease.ask_at == 1.2


def test_a_node_is_steady_when_it_has_reached_the_group_for_a_window_of_probes() -> None:
    lease = MemberLease(CONFIG)
    for step in range(11):
        assert not lease.is_steady(now=0.5 * step - 0.01)
        lease.answered(lease.ask(now=0.5 * step), is_in=True, now=0.5 * step)
    assert lease.is_steady(now=5.6)
    assert not lease.is_steady(now=8.0)

    lease.answered(lease.ask(now=9.0), is_in=True, now=9.0)  # it was cut off in between
    assert not lease.is_steady(now=9.1)


def down_view(number: int) -> View:
    view = view_of(3)
    return decide_together(view, [Down(view.members[number].identity)]).view


def test_a_member_is_removable_a_lease_and_the_drift_after_it_was_first_seen_down() -> None:
    downs, view = DownTimes(CONFIG), down_view(1)
    downs.learn(view, now=10.0)
    downs.learn(view, now=12.0)

    assert downs.deadline(now=10.0) == 10.0 + 2.5 * 1.05
    assert downs.removable(now=12.624) == ()
    assert downs.removable(now=12.625) == (view.members[1].identity,)

    downs.learn(decide_together(view, [Remove(view.members[1].identity)]).view, now=13.0)
    assert (downs.removable(now=99.0), downs.deadline(now=13.0)) == ((), None)


def test_no_lease_outlives_the_removal_whatever_the_clocks_and_delays() -> None:
    """The two clocks differ by up to `clock_drift`; the question, the expulsion and its sight follow in this order."""
    rng = random.Random(1)
    for _ in range(2000):
        rates = rng.choice([(1.0, 1.05), (1.05, 1.0), (1.0, 1.0 + 0.05 * rng.random())])
        asked_s = rng.uniform(0.0, 100.0)
        seen_s = asked_s + rng.choice([0.0, rng.random()])
        lease, downs, view = MemberLease(CONFIG), DownTimes(CONFIG), down_view(1)
        lease.answered(lease.ask(now=asked_s * rates[0]), is_in=True, now=(seen_s + 1.0) * rates[0])
        downs.learn(view, now=seen_s * rates[1])

        removable_s = (downs.deadline(now=seen_s * rates[1]) or 0.0) / rates[1]
        assert not lease.is_valid(now=removable_s * rates[0] + 1e-9)
