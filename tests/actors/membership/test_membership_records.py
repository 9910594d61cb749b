"""The records of membership cross the wire, as parts of commands and replies, and come back equal and of one class."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from coterie.actors.membership.membership_records import MEMBERSHIP_NAMES, Registry
from coterie.actors.membership.view_machine import (
    ChangeView,
    Claim,
    Follow,
    Followed,
    Register,
    Release,
    Unregister,
    ViewChanges,
)
from coterie.errors import BadMessage
from coterie.protocols.algorithm import NodeId
from coterie.protocols.membership.members import Incarnation, Member, MemberId, MembershipState, ViewNumber
from coterie.protocols.membership.services import ServiceEntry
from coterie.protocols.membership.singletons import Epoch, Holder
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import BecomeUp, Down, Expel, Join, Leave, Left, Remove, ViewChange
from coterie.protocols.membership.view_decisions import Done, Refused
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import message_type
from coterie.runtime.messages.speakers import Speaker
from coterie.runtime.messages.value_codecs import NO_REFS

HIGH = Incarnation(2**64 - 1)
SHOP = Member(
    NodeId("nœud"),
    HIGH,
    "[::1]:7400",
    frozenset({"worker", "api"}),
    (("rack", "7"), ("zone", "eu")),
    MembershipState.LEAVING,
    ViewNumber(2**53 + 1),
)
PLAIN = Member(NodeId("a"), Incarnation(0), "host:1")
ID = SHOP.identity
VIEW = View(ViewNumber(2**63), (PLAIN, SHOP), (MemberId(NodeId("old"), HIGH), PLAIN.identity))
CHANGES: tuple[ViewChange, ...] = (
    Join(SHOP),
    Join(PLAIN, replaces=HIGH),
    BecomeUp(ID),
    Leave(ID),
    Left(ID),
    Expel((ID, PLAIN.identity), ViewNumber(7)),
    Down(ID),
    Remove(ID),
)
REGISTRY = Registry(
    5,
    {"cron": Holder(ID, Epoch(2**62)), "mail": Holder(None, Epoch(1))},
    (ServiceEntry("cart", ID, "carts/1"), ServiceEntry("mail", PLAIN.identity, "m", unique=True)),
)
MESSAGES = [
    ChangeView(CHANGES, ("n1", "n2")),
    ChangeView(()),
    ViewChanges(ViewNumber(7), (Done("it joins"), Done("before", is_change=False), Refused("two of one name"))),
    Claim("cron", ID),
    Release("cron", ID, Epoch(3)),
    Register("cart", ID, "carts/1"),
    Register("cart", ID, "carts/1", unique=True),
    Unregister("cart", ID, "carts/1"),
    Follow(-1, 2**62),
    Followed(None, None, ViewNumber(0), 0),
    Followed(VIEW, REGISTRY, VIEW.number, 5),
    Followed(View(), Registry(0, {}, ()), ViewNumber(0), 0),
]


@pytest.mark.parametrize("told", MESSAGES, ids=lambda told: type(told).__name__)
def test_a_message_comes_back_from_messagepack_as_it_left(told: Any) -> None:
    described = message_type(type(told))

    row = msgpack.unpackb(msgpack.packb(described.encode(told)), use_list=False, strict_map_key=False)
    again: Any = described.decode(row, NO_REFS)

    assert again == told
    if isinstance(again, ChangeView):
        assert [type(change) for change in again.changes] == [type(change) for change in told.changes]
    if isinstance(again, Claim):
        assert type(again.claimant) is MemberId
    if isinstance(again, Followed) and again.view is not None:
        assert all(type(identity) is MemberId for identity in again.view.removed)
        assert all(type(member.roles) is frozenset for member in again.view)


def test_the_samples_have_every_change_and_every_state_has_a_name_on_the_wire() -> None:
    assert {type(change) for change in CHANGES} == set(ViewChange.__args__)
    assert [state.value for state in MembershipState] == ["joining", "up", "leaving", "down"]


def test_records_are_parts_of_other_messages_and_are_heard_from_nobody() -> None:
    for name, cls in MEMBERSHIP_NAMES.items():
        described = message_type(cls)
        assert (described.name, described.lane, described.speaker) == (name, Lane.CONSENSUS, Speaker.NOBODY)
        assert name == f"membership.{cls.__name__}"


@pytest.mark.parametrize(
    "row",
    [
        ("n1", 2**64, "host:1"),
        ("n1", -1, "host:1"),
        ("", 1, "host:1"),
        ("n1", 1, "host:1", ("b", "a")),  # a set has one order on the wire
        ("n1", 1, "host:1", (), (("z", "1"), ("a", "2"))),
        ("n1", 1, "host:1", (), (), "suspected"),
    ],
)
def test_a_member_that_is_none_is_a_bad_message(row: tuple[object, ...]) -> None:
    described = message_type(Join)

    with pytest.raises(BadMessage):
        described.decode((row, None), NO_REFS)


def test_a_view_out_of_order_is_a_bad_message() -> None:
    described = message_type(View)
    number, members, removed = described.encode(VIEW)

    with pytest.raises(BadMessage, match="must be sorted by name"):
        described.decode((number, tuple(reversed(members)), removed), NO_REFS)  # type: ignore[call-overload]
