"""Raft's durable state: what is written reads back; what is none of ours, or of another release, is never guessed."""

from __future__ import annotations

import json
import struct
from dataclasses import replace

import pytest

from coterie.actors.groups.raft_records import (
    decode_register,
    encode_register,
    entries_of,
    register_of,
    restored_from,
    write_of,
)
from coterie.errors import InvariantViolated, UnsupportedFormat
from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Grid, Majority, Weighted
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.membership.membership import Member, MemberRole, Membership, StoreId
from coterie.protocols.raft.raft_messages import HardState, LogWrite, Restored
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, LogPosition, Term
from coterie.runtime.storage.log_store import GroupState, Record

N1, N2, N3 = NodeId("n1"), NodeId("n2"), NodeId("nœud")
FOUNDERS = Membership.founding((N1, N2, N3))
FACTS = GroupFacts.founding("cluster", "store", FOUNDERS)
BOUND = FOUNDERS.with_stores({N1: StoreId("aa"), N3: StoreId("cc")})
SCHEMAS = ((LogIndex(3), b'{"format":1}'), (LogIndex(70), b"\x00\xff"), (LogIndex(72), b""))
REGISTERS = [
    HardState(Term(0), None),
    HardState(Term(2**64 - 1), NodeId("ab" * 16), FACTS),
    HardState(Term(3), NodeId(""), replace(FACTS, base=LogPosition(LogIndex(2**63), Term(2)))),
    HardState(Term(3), None, replace(FACTS, memberships=((LogIndex(0), FOUNDERS), (LogIndex(2), BOUND)))),
    HardState(Term(3), None, replace(FACTS, schemas=SCHEMAS, committed_schema=LogIndex(3))),
]


def entry(index: int, term: int, kind: EntryKind = EntryKind.COMMAND, command: bytes = b"", stamp_ms: int = 0) -> Entry:
    return Entry(LogIndex(index), Term(term), kind, command, stamp_ms)


# The register.


@pytest.mark.parametrize("register", REGISTERS)
def test_a_register_reads_back(register: HardState) -> None:
    assert decode_register("store", encode_register(register)) == without_contents(register)


def without_contents(register: HardState) -> HardState:
    """The contents of schemas are in their entries alone."""
    schemas = tuple((index, b"") for index, _ in register.facts.schemas)
    return replace(register, facts=replace(register.facts, schemas=schemas))


@pytest.mark.parametrize(
    "quorum", [Majority((N1, N2)), Weighted({N2: 3, N1: 1, N3: 1}, threshold=4), Grid([[N1, N2], [N3]])]
)
def test_the_quorum_is_remembered_with_the_members(quorum: Majority | Weighted | Grid) -> None:
    membership = Membership((Member(N2), Member(N1, StoreId("aa")), Member(N3)), quorum)

    again = Membership.decode(membership.encode())

    assert (again, again.quorum) == (membership, quorum)


def test_a_register_holds_what_it_says_and_nothing_of_the_code() -> None:
    text = encode_register(HardState(Term(1), None, GroupFacts.founding("c", "g", Membership.founding((N1,)))))

    assert text[:1] == b"\x01"
    members = {
        "format": 1,
        "members": [{"address": None, "node": "n1", "role": "voter", "store": None}],
        "quorum": None,
    }
    assert json.loads(text[1:]) == {
        "base": [0, 0],
        "founders": members,
        "incarnation": GroupFacts.founding("c", "g", Membership.founding((N1,))).incarnation.hex(),
        "memberships": [[0, members]],
        "committed_schema": 0,
        "schemas": [],
        "term": 1,
        "voted_for": None,
    }


def broken(**changes: object) -> bytes:
    record = json.loads(encode_register(REGISTERS[3])[1:])
    record.update(changes)
    return b"\x01" + json.dumps(record, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"\x01no metadata",
        b"\x01[]",
        b"\x01{}",
        encode_register(REGISTERS[3])[:-1],
        encode_register(REGISTERS[3]) + b" ",
        broken(term="3"),
        broken(term=True),
        broken(voted_for=7),
        broken(incarnation="xy"),
        broken(base=[1]),
        broken(memberships=[[0, {}]]),
        broken(memberships=[[0]]),
        broken(schemas=[None]),
        broken(schemas=["3"]),
        broken(committed_schema="3"),
        broken(another=1),
    ],
)
def test_metadata_that_is_no_register_is_a_violation(data: bytes) -> None:
    with pytest.raises(InvariantViolated, match="is no register of group 'store'"):
        decode_register("store", data)


def test_a_register_of_another_format_is_refused_with_what_to_do() -> None:
    with pytest.raises(UnsupportedFormat, match=r"register format 2, this release reads 1 .* release that reads 2"):
        decode_register("store", b"\x02anything")


# Entries.


def test_entries_read_back_with_their_terms_kinds_and_stamps() -> None:
    entries = tuple(
        entry(5 + kind, 2, kind, command, stamp_ms)
        for kind, command, stamp_ms in zip(
            EntryKind, (b"", b"x", b"\x00" * 3, b"{}", b"y", b"i" * 16), (0, 1, 9, 9, 2**53, 2**53), strict=True
        )
    )

    write = write_of("store", LogWrite(entries=entries))

    assert write.first == 5
    assert [record.tag for record in write.records] == [2] * 6
    assert write.records[0].body == struct.pack(">BBQ", 1, 0, 0)
    assert entries_of("store", 5, list(write.records)) == entries


def test_a_write_carries_register_and_truncation_and_nothing_else() -> None:
    write = write_of("store", LogWrite(hard_state=REGISTERS[1], truncate_from=LogIndex(4)))

    assert (write.group, write.truncate_from, list(write.records)) == ("store", 4, [])
    assert write.metadata == encode_register(REGISTERS[1])
    assert write_of("store", LogWrite()).metadata is None


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (struct.pack(">BBQ", 2, 0, 0), "entry 8 of group store' has entry format 2, this release reads 1 and converts"),
        (struct.pack(">BBQ", 1, 6, 0), "entry 8 of group store' has entry kind 6, this release reads 0 to 5 and"),
        (b"\x00fine", "entry format 0"),
    ],
)
def test_an_entry_of_another_format_or_kind_is_refused_and_named(body: bytes, complaint: str) -> None:
    with pytest.raises(UnsupportedFormat, match=complaint):
        entries_of("store", 7, [Record(1, struct.pack(">BBQ", 1, 0, 0) + b"fine"), Record(1, body)])


@pytest.mark.parametrize("body", [b"", b"\x01", b"\x01\x00" + bytes(7)])
def test_a_record_that_is_too_short_for_an_entry_is_a_violation(body: bytes) -> None:
    with pytest.raises(InvariantViolated, match="record 8 of group 'store' is no log entry"):
        entries_of("store", 8, [Record(1, body)])


# A new life.


def test_a_group_that_never_wrote_begins_at_nought() -> None:
    assert restored_from("store", GroupState(None, 1, 0, ()), []) == Restored()
    assert not register_of("store", GroupState(None, 1, 0, ())).facts.is_founded


def test_what_the_store_held_is_restored() -> None:
    register = HardState(Term(4), NodeId("n1"), replace(FACTS, base=LogPosition(LogIndex(3), Term(1))))
    state = GroupState(encode_register(register), 4, 9, ((4, 2), (5, 4)))

    restored = restored_from("store", state, [Record(4, struct.pack(">BBQ", 1, 0, 77))])

    runs = ((LogIndex(4), Term(2)), (LogIndex(5), Term(4)))
    assert restored == Restored(register, runs, LogIndex(9), 77)
    assert restored.base == (3, 1)


def test_a_log_that_does_not_begin_after_its_base_is_a_violation() -> None:
    with pytest.raises(InvariantViolated, match="begins at 5, but its register has the base"):
        restored_from("store", GroupState(encode_register(HardState(Term(4), None, FACTS)), 5, 4, ()), [])


# Members.


def test_members_in_the_middle_of_a_change_read_back() -> None:
    """No code makes these yet: the format has room for them, so that the first release can be upgraded."""
    members = (
        Member(N1, StoreId("aa"), address="10.0.0.1:7000"),
        Member(N2, StoreId("cc"), MemberRole.OUTGOING),
        Member(N2, StoreId("bb"), MemberRole.INCOMING),
        Member(N3, None, MemberRole.LEARNER),
    )
    membership = Membership(members)

    assert Membership.decode(membership.encode()) == membership
    assert (membership.is_joint, membership.nodes, membership.voters) == (True, (N1, N2, N3), (N1, N2))
    assert membership.store_of("n2") == "bb"


def test_the_members_of_weighted_groups_cannot_be_in_the_middle_of_a_change() -> None:
    members = (Member(N1), Member(N2, role=MemberRole.INCOMING))

    with pytest.raises(ValueError, match="cannot be changed: only simple majorities"):
        Membership(members, Weighted({N1: 1}))


def test_members_have_one_order_and_one_encoding() -> None:
    one = Membership((Member(N2, StoreId("bb")), Member(N1)))
    other = Membership((Member(N1), Member(N2, StoreId("bb"))))

    assert (one, one.encode(), one.hash()) == (other, other.encode(), other.hash())
    assert one.hash() != replace(one, members=(Member(N1), Member(N2))).hash()


@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        ((), "needs at least one voter"),
        ((Member(N1, None, MemberRole.LEARNER),), "needs at least one voter"),
        ((Member(N1), Member(N1, StoreId("bb"))), "a node is listed twice"),
        ((Member(N1, StoreId("bb")), Member(N2, StoreId("bb"))), "a store is listed twice"),
        ((Member(N1, StoreId("aa")), Member(N1, StoreId("bb"))), "a node is listed twice"),
        ((Member(N1, StoreId("aa")), Member(N1, None, MemberRole.INCOMING)), "a node is listed twice"),
        (
            tuple(Member(N1, StoreId(f"b{n}"), role) for n, role in enumerate((MemberRole.VOTER, MemberRole.INCOMING))),
            "a node is listed twice",
        ),
        (tuple(Member(N1, StoreId(f"b{n}"), MemberRole.LEARNER) for n in range(2)), "a node is listed twice"),
        (
            (Member(N1, StoreId("aa")), *(Member(N1, StoreId(f"b{n}"), MemberRole.LEARNER) for n in range(2))),
            "a node is listed twice",
        ),
        ((Member(N1, None, MemberRole.OUTGOING),), "needs at least one voter"),
        ((Member(N1, None, MemberRole.INCOMING),), "needs at least one voter"),
    ],
)
def test_members_that_cannot_be_are_refused(members: tuple[Member, ...], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Membership(members)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        BOUND.encode()[:-1],
        BOUND.encode() + b"\n",
        BOUND.encode().replace(b"voter", b"boss"),
        BOUND.encode().replace(b'"aa"', b"17"),
        BOUND.encode().replace(b'"n1"', b"null"),
        BOUND.encode().replace(b'"quorum":null', b'"quorum":{"rows":1}'),
        BOUND.encode().replace(b'"quorum":null', b'"quorum":{"weights":{"n1":1.5},"threshold":1}'),
        BOUND.encode().replace(b'"format":1', b'"format":true'),
        b"[" * 100_000,
    ],
)
def test_bytes_that_are_no_membership_are_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"membership|Expecting|codec|voter|boss|quorum|decode"):
        Membership.decode(data)


def test_a_membership_of_another_format_is_refused_with_what_to_do() -> None:
    with pytest.raises(UnsupportedFormat, match="has format 2, this release reads 1"):
        Membership.decode(BOUND.encode().replace(b'"format":1', b'"format":2'))


def test_groups_of_another_cluster_name_or_founders_have_another_incarnation() -> None:
    facts = [
        GroupFacts.founding(cluster, group, founders)
        for cluster, group, founders in (
            ("c", "g", FOUNDERS),
            ("d", "g", FOUNDERS),
            ("c", "h", FOUNDERS),
            ("c", "g", Membership.founding((N1, N2))),
            ("c", "g", Membership.founding((N1, N2, N3), Weighted({N1: 2, N2: 1, N3: 2}))),
        )
    ]

    assert len({each.incarnation for each in facts}) == 5
    assert all(len(each.incarnation) == 16 for each in facts)
    assert facts[0].incarnation == GroupFacts.founding("c", "g", Membership.founding((N3, N1, N2))).incarnation
