"""View and Member: what they refuse, what counts as up, how members are found, and how long removed ones are known."""

from __future__ import annotations

import pickle

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.membership.members import (
    Incarnation,
    Member,
    MemberId,
    MembershipState,
    ViewNumber,
    sorted_labels,
)
from coterie.protocols.membership.view import REMEMBERED_MAX, REMEMBERED_PER_NAME, View, remembered


def member(name: str, incarnation: int = 1, state: MembershipState = MembershipState.UP) -> Member:
    return Member(NodeId(name), Incarnation(incarnation), f"{name}:7400", state=state)


def identity(name: str, incarnation: int) -> MemberId:
    return MemberId(NodeId(name), Incarnation(incarnation))


def test_only_up_members_count_as_up_and_all_but_down_ones_are_present() -> None:
    view = View(ViewNumber(1), tuple(member(state.value, state=state) for state in sorted(MembershipState, key=str)))

    assert len(view) == 4
    assert [it.name for it in view.up] == ["up"]
    assert [it.name for it in view.present] == ["joining", "leaving", "up"]


def test_a_member_is_found_by_name_and_a_life_by_both() -> None:
    view = View(ViewNumber(1), tuple(member(f"n{number:03}", number) for number in range(0, 1000, 2)))

    assert view.member(NodeId("n500")) == member("n500", 500)
    assert [view.member(NodeId(name)) for name in ("n501", "a", "z")] == [None, None, None]
    assert view.find(identity("n500", 500)) == member("n500", 500)
    assert view.find(identity("n500", 501)) is None
    assert View().member(NodeId("n1")) is None


@pytest.mark.parametrize("names", [("b", "a"), ("a", "a")])
def test_view_refuses_members_that_are_not_sorted_or_have_one_name(names: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="sorted by name, each name once"):
        View(ViewNumber(1), tuple(map(member, names)))


def test_views_of_the_same_members_are_equal_and_hash_alike_also_after_pickling() -> None:
    labels = sorted_labels({"zone": "b", "rack": "7"})
    first = Member(NodeId("n1"), Incarnation(1), "n1:1", frozenset({"db", "web"}), labels)
    view = View(ViewNumber(3), (first,), (identity("n0", 4),))

    assert pickle.loads(pickle.dumps(view)) == view
    assert len({view, View(ViewNumber(3), (first,), (identity("n0", 4),))}) == 1
    assert (first.label("zone"), first.label("disk")) == ("b", None)


@pytest.mark.parametrize(
    ("name", "incarnation", "address", "labels"),
    [
        ("", 1, "a:1", ()),
        ("n1", 1, "", ()),
        ("n1", -1, "a:1", ()),
        ("n1", 1 << 64, "a:1", ()),
        ("n1", 1, "a:1", (("b", ""), ("a", ""))),
        ("n1", 1, "a:1", (("a", "1"), ("a", "2"))),
    ],
)
def test_member_refuses_what_cannot_be_told_apart(
    name: str, incarnation: int, address: str, labels: tuple[tuple[str, str], ...]
) -> None:
    with pytest.raises(ValueError, match=r"a member has|must be sorted"):
        Member(NodeId(name), Incarnation(incarnation), address, labels=labels)


def test_a_node_that_restarts_in_a_loop_displaces_only_its_own_removed_lives() -> None:
    removed: tuple[MemberId, ...] = (identity("n1", 0),)
    for incarnation in range(100):
        removed = remembered(removed, identity("n2", incarnation))

    assert removed[0] == identity("n1", 0)
    assert removed[1:] == tuple(identity("n2", number) for number in range(100 - REMEMBERED_PER_NAME, 100))


def test_removed_lives_are_bounded_in_all_and_the_oldest_are_forgotten_first() -> None:
    known = tuple(identity(f"n{number}", 0) for number in range(REMEMBERED_MAX))

    removed = remembered(known, identity("new", 1))

    assert removed == (*known[1:], identity("new", 1))


def test_a_life_is_remembered_once() -> None:
    assert remembered((identity("a", 1), identity("b", 1)), identity("a", 1)) == (identity("b", 1), identity("a", 1))
