"""Subscriptions to load reports end by themselves, and are bounded."""

from __future__ import annotations

from coterie.actors.pools.loads.load_subscribers import LEASE_S, NODES_MAX, LoadSubscribers


def test_a_subscription_ends_after_its_lease_unless_it_is_renewed() -> None:
    subscribers = LoadSubscribers()
    subscribers.subscribe("a", now=0.0)
    subscribers.subscribe("b", now=0.0)
    subscribers.subscribe("a", now=LEASE_S - 1)

    assert subscribers.has("b", now=LEASE_S - 0.1)
    assert not subscribers.has("b", now=LEASE_S)
    assert subscribers.has("a", now=LEASE_S)
    assert subscribers.has_any(now=LEASE_S)
    assert not subscribers.has("c", now=0.0)
    assert not subscribers.has_any(now=2 * LEASE_S - 1)


def test_when_there_are_too_many_the_lease_that_ends_first_gives_way() -> None:
    subscribers = LoadSubscribers()
    for number in range(NODES_MAX):
        subscribers.subscribe(f"n{number}", now=float(number) / NODES_MAX)
    subscribers.subscribe("n0", now=1.0)
    subscribers.subscribe("one more", now=1.0)

    assert len(subscribers) == NODES_MAX
    assert [subscribers.has(node, now=1.0) for node in ("n0", "n1", "n2", "one more")] == [True, False, True, True]
