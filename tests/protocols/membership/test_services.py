"""Services: each rule by example, the bounds, then random registrations against a plain model."""

from __future__ import annotations

import random

import pytest

from coterie.protocols.membership.members import MemberId, MembershipState
from coterie.protocols.membership.services import (
    ENTRIES_MAX,
    PATHS_PER_MEMBER,
    Entered,
    Registered,
    ServiceEntry,
    Services,
    dropped,
    entries_of,
    instances,
    register,
    unregister,
)
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import BecomeUp, Down, Join, Leave, Left, Remove, ViewChange
from coterie.protocols.membership.view_decisions import Refused, decide
from tests.protocols.membership.test_view_decisions import after, life, node, up_view


def entry(member: MemberId, path: str = "carts", *, service: str = "cart", unique: bool = False) -> ServiceEntry:
    return ServiceEntry(service, member, path, unique)


def entered(services: Services, view: View, *entries: ServiceEntry) -> Services:
    for one in entries:
        done = register(services, view, one)
        assert done.answer == Registered(), done.answer
        services = done.services
    return services


def refusal(services: Services, view: View, one: ServiceEntry) -> str:
    done = register(services, view, one)
    assert isinstance(done.answer, Refused), done.answer
    assert done.services is services
    return done.answer.reason


# --- entries


def test_instances_are_found_by_name_sorted_by_member_and_path() -> None:
    view = up_view(3)
    entries = [entry(life(3)), entry(life(1), "b"), entry(life(1), "a"), entry(life(2), service="mail")]

    services = entered((), view, *entries)

    assert instances(services, view, "cart") == (entries[2], entries[1], entries[0])
    assert instances(services, view, "mail") == (entries[3],)
    assert instances(services, view, "car") == instances(services, view, "carts") == ()
    assert entered((), view, *reversed(entries)) == services


def test_the_same_entry_again_changes_nothing() -> None:
    view = up_view(1)
    services = entered((), view, entry(life(1)))

    again = register(services, view, entry(life(1)))

    assert again == Entered(services, Registered(is_change=False))
    assert again.services is services


def test_an_entry_that_is_taken_out_is_gone_and_once_more_changes_nothing() -> None:
    view = up_view(2)
    services = entered((), view, entry(life(1)), entry(life(2)))

    done = unregister(services, "cart", life(1), "carts")
    again = unregister(done.services, "cart", life(1), "carts")

    assert (done.is_change, done.services) == (True, (entry(life(2)),))
    assert (again.is_change, again.services) == (False, done.services)


@pytest.mark.parametrize(
    ("service", "member", "path"),
    [("car", life(1), "carts"), ("cart", life(1, 2), "carts"), ("cart", life(2), "carts"), ("cart", life(1), "cart")],
)
def test_another_entry_is_not_taken_out(service: str, member: MemberId, path: str) -> None:
    services = entered((), up_view(1), entry(life(1)))

    assert not unregister(services, service, member, path).is_change


# --- members


def test_joining_members_register_and_are_instances_once_they_are_up() -> None:
    view = after(up_view(1), Join(node(2)))
    services = entered((), view, entry(life(2)))

    assert instances(services, view, "cart") == ()
    assert instances(services, after(view, BecomeUp(life(2))), "cart") == (entry(life(2)),)


@pytest.mark.parametrize(
    ("changes", "member", "why"),
    [
        ((), life(9), "not in it"),
        ((), life(1, 2), "not in it"),
        ((Leave(life(1)),), life(1), "leaving since view 5"),
        ((Down(life(1)),), life(1), "down since view 5"),
        ((Down(life(1)), Remove(life(1))), life(1), "not in it"),
        ((Join(node(1, incarnation=2)),), life(1), "not in it"),
    ],
)
def test_other_members_do_not_register(changes: tuple[ViewChange, ...], member: MemberId, why: str) -> None:
    view = after(up_view(2), *changes)
    for services in ((), (entry(member),)):
        reason = refusal(services, view, entry(member))

        assert "service 'cart'" in reason
        assert str(member) in reason
        assert why in reason


@pytest.mark.parametrize(
    "changes",
    [
        (Down(life(1)),),
        (Down(life(1)), Remove(life(1))),
        (Leave(life(1)), Left(life(1))),
        (Join(node(1, incarnation=2)), BecomeUp(life(1, 2))),
    ],
)
def test_entries_of_members_that_are_decided_out_are_dropped(changes: tuple[ViewChange, ...]) -> None:
    view = up_view(2)
    services = entered((), view, entry(life(1)), entry(life(2)), entry(life(1), service="mail"))
    view = after(view, *changes)

    assert instances(services, view, "cart") == (entry(life(2)),)
    assert dropped(services, view) == (entry(life(2)),)


def test_entries_of_joining_and_leaving_members_are_kept() -> None:
    view = after(up_view(2), Join(node(3)))
    services = entered((), view, entry(life(1)), entry(life(3)))
    view = after(view, Leave(life(1)))

    assert dropped(services, view) is services
    assert instances(services, view, "cart") == ()


# --- unique


def test_a_unique_service_refuses_further_entries_and_names_its_holder() -> None:
    view = up_view(2)
    services = entered((), view, entry(life(1), "main", unique=True))

    for other in (entry(life(2)), entry(life(2), unique=True), entry(life(1), "second")):
        reason = refusal(services, view, other)
        assert "'main' of 'n1' (incarnation 1)" in reason
        assert "unregister" in reason
    assert register(services, view, entry(life(1), "main", unique=True)).answer == Registered(is_change=False)


def test_a_service_that_others_provide_cannot_become_unique() -> None:
    view = up_view(2)
    services = entered((), view, entry(life(1), "main"))

    reason = refusal(services, view, entry(life(2), unique=True))

    assert "cannot be unique to 'carts' of 'n2'" in reason
    assert "'main' of 'n1' (incarnation 1)" in reason


def test_the_only_entry_becomes_unique_and_plain_again() -> None:
    view = up_view(2)
    plain, unique = entry(life(1)), entry(life(1), unique=True)

    services = entered(entered((), view, plain), view, unique)
    assert services == (unique,)
    assert entered(services, view, plain) == (plain,)


@pytest.mark.parametrize("changes", [(Down(life(1)),), (Leave(life(1)), Left(life(1))), (Join(node(1, 2)),)])
def test_a_unique_entry_of_a_member_that_is_decided_out_excludes_no_other(changes: tuple[ViewChange, ...]) -> None:
    view = up_view(2)
    services = entered((), view, entry(life(1), unique=True))
    view = after(view, *changes)

    assert instances(entered(services, view, entry(life(2), unique=True)), view, "cart") == (
        entry(life(2), unique=True),
    )


def test_a_unique_entry_of_a_leaving_member_still_counts() -> None:
    view = up_view(2)
    services = entered((), view, entry(life(1), unique=True))

    assert "is unique to" in refusal(services, after(view, Leave(life(1))), entry(life(2)))


# --- bounds


@pytest.mark.parametrize(
    ("service", "path"), [("", "p"), ("x" * 129, "p"), ("a\nb", "p"), ("s", ""), ("s", "x" * 257), ("s", "a\x00b")]
)
def test_a_malformed_name_or_path_is_refused_in_one_line(service: str, path: str) -> None:
    reason = refusal((), up_view(1), ServiceEntry(service, life(1), path))

    assert reason.startswith("the name of a service" if path == "p" else "the path of a service")
    assert reason.isprintable()


def test_a_member_registers_at_most_so_many_paths_each_for_many_services() -> None:
    view = up_view(2)
    services = entered((), view, *(entry(life(1), f"p{number}") for number in range(PATHS_PER_MEMBER)))

    reason = refusal(services, view, entry(life(1), "one more"))

    assert "256 paths" in reason
    assert "'one more'" in reason
    services = entered(services, view, entry(life(1), "p0", service="mail"), entry(life(2), "one more"))
    assert register(services, view, entry(life(1), "p0")).answer == Registered(is_change=False)
    services = unregister(services, "cart", life(1), "p255").services
    entered(services, view, entry(life(1), "one more"))


def test_a_cluster_has_at_most_so_many_entries_and_what_does_not_count_takes_no_room() -> None:
    view = after(up_view(2), Down(life(1)))
    many = [entry(life(2), f"p{number % 100}", service=f"s{number:05}") for number in range(ENTRIES_MAX)]

    full, stale = tuple(many), (*many[:-1], entry(life(1), service="t"))

    assert "at most 10,000 entries" in refusal(full, view, entry(life(2), "p0", service="one more"))
    entered(stale, view, entry(life(2), "p0", service="one more"))
    changed = entry(life(2), "p0", service="s00000", unique=True)
    assert entered(full, view, changed)[0] == changed


# --- random


@pytest.mark.parametrize("seed", range(20))
def test_random_registrations_are_those_of_a_plain_model(seed: int) -> None:
    rng = random.Random(seed)
    view = up_view(3)
    services: Services = ()
    model: dict[tuple[str, MemberId, str], bool] = {}
    lives = [life(number) for number in range(1, 4)]
    for _ in range(300):
        one = rng.choice(lives)
        key = (rng.choice("ab"), one, rng.choice("xy"))
        match rng.randrange(6):
            case 0 | 1 | 2:
                unique = rng.random() < 0.3
                others = [
                    (other, is_unique)
                    for other, is_unique in model.items()
                    if other[0] == key[0] and other != key and is_present(view, other[1])
                ]
                is_taken = is_registering(view, one) and not any(unique or is_unique for _, is_unique in others)
                done = register(services, view, ServiceEntry(*key, unique))
                assert isinstance(done.answer, Registered) == is_taken
                if is_taken:
                    assert done.answer == Registered(is_change=model.get(key) != unique)
                    model[key] = unique
                services = done.services
            case 3:
                assert unregister(services, *key).is_change == (key in model)
                services = unregister(services, *key).services
                model.pop(key, None)
            case _:
                number = rng.randrange(1, 4)
                new = life(number, len(lives) + 2)
                changes: list[ViewChange] = [Leave(one), Left(one), Down(one), Remove(one), BecomeUp(one)]
                change = rng.choice(changes)
                if rng.random() < 0.4:
                    lives.append(new)
                    change = Join(node(number, new.incarnation))
                decided = decide(view, change)
                view = view if isinstance(decided, Refused) else decided.view
                if rng.random() < 0.5:  # a group drops them at once; nothing here depends on that
                    services = dropped(services, view)
                    model = {other: unique for other, unique in model.items() if is_present(view, other[1])}
        assert services == tuple(ServiceEntry(*key, model[key]) for key in sorted(model))
        check_names(services, view)


def check_names(services: Services, view: View) -> None:
    for name in "ab":
        assert all(view.find(found.member) in view.up for found in instances(services, view, name))
        assert len(instances(services, view, name)) <= len(entries_of(services, name))
        counted = [found for found in entries_of(services, name) if is_present(view, found.member)]
        assert len(counted) == 1 or not any(found.unique for found in counted)


def is_present(view: View, identity: MemberId) -> bool:
    member = view.find(identity)
    return member is not None and not member.is_down


def is_registering(view: View, identity: MemberId) -> bool:
    member = view.find(identity)
    return member is not None and member.state in (MembershipState.JOINING, MembershipState.UP)
