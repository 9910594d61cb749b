"""Which letters count: those of the group's own incarnation, and of the store that the log, or else memory, names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from coterie.actors.groups.letters.letter_admission import LetterAdmission
from coterie.actors.groups.letters.letter_identity import LetterIdentity
from coterie.actors.wire_names import RaftPeerMessage
from coterie.protocols.algorithm import NodeId
from coterie.protocols.evolution.schema_text import SchemaHash
from coterie.protocols.raft.membership.membership import Membership, StoreId
from coterie.protocols.raft.raft_messages import AppendEntries, PreVoteReply, Round
from coterie.protocols.replicated_log import LogIndex, Term
from coterie.runtime.storage.history.generation import NEVER_OPENED, Generation

OURS, ANOTHER = b"o" * 16, b"a" * 16
RIGHT, WRONG, OTHERS = StoreId("0a" * 16), StoreId("0b" * 16), StoreId("0c" * 16)
UNBOUND = Membership.founding([NodeId("n1"), NodeId("n2")])
BOUND = UNBOUND.with_stores({NodeId("n2"): RIGHT})
ADVICE = (
    "if this store was replaced, stop its process, and remove its data; else put the data directory of n2 with the "
    "store 0a0a0a0a back, if it exists; if it is lost: start n2 with an empty one and --bootstrap join, then coterie "
    "raft replace g n2 --store 0a0a0a0a"
)


class Memory:
    """Stands for `PeerStores`: durable at once, or when the test says so."""

    def __init__(self) -> None:
        self.heard: dict[str, str] = {}
        self.waiting: list[Callable[[], None]] = []
        self.generations: dict[str, Generation] = {}

    def has_heard(self, node: str, store: str) -> bool:
        return self.heard.get(node) == store

    def store_of(self, node: str) -> str | None:
        return self.heard.get(node)

    def hear(self, node: str, store: str, on_durable: Callable[[], None]) -> bool:
        if self.heard.setdefault(node, store) != store:
            return False
        self.waiting.append(on_durable)
        return True

    def generation_of(self, node: str) -> Generation:
        return self.generations.get(node, NEVER_OPENED)

    def hear_generation(self, node: str, generation: Generation, on_durable: Callable[[], None]) -> None:
        if self.generation_of(node) == generation:
            on_durable()
            return
        self.generations[node] = generation
        self.waiting.append(on_durable)


class AdmissionUnderTest:
    def __init__(self) -> None:
        self.memory = Memory()
        self.logged: list[tuple[str, dict[str, object]]] = []
        self.admitted: list[StoreId] = []
        self.accused: list[tuple[str, StoreId, Generation]] = []
        self.schemas: list[tuple[str, SchemaHash]] = []
        self.admission = LetterAdmission(
            "g",
            OURS,
            self.memory,  # type: ignore[arg-type]
            self,
            node_of={NodeId(OTHERS): NodeId("n3")}.get,
            accuse=self.accuse,
            on_schema=lambda node, schema: self.schemas.append((node, schema)),
        )

    def accuse(self, node: str, store: StoreId, heard: Generation) -> None:
        self.accused.append((node, store, heard))

    def error(self, event: str, **facts: object) -> None:
        self.logged.append((event, facts))

    def examine(self, letter: RaftPeerMessage, membership: Membership | None) -> None:
        self.admission.examine(letter, membership, self.admitted.append)


def letter(store: StoreId, incarnation: bytes = OURS, *, generation: Generation = NEVER_OPENED) -> RaftPeerMessage:
    identity = LetterIdentity(incarnation, store, generation.counter, generation.nonce).encode()
    return RaftPeerMessage("n2", identity, PreVoteReply(Term(1), granted=False))


@pytest.fixture
def under_test() -> AdmissionUnderTest:
    return AdmissionUnderTest()


def test_the_store_that_the_log_binds_counts_at_once_and_is_not_remembered(under_test: AdmissionUnderTest) -> None:
    under_test.examine(letter(RIGHT), BOUND)

    assert (under_test.admitted, under_test.memory.heard, under_test.logged) == ([RIGHT], {}, [])


def test_another_store_than_the_bound_one_is_told_of_and_is_a_stranger(under_test: AdmissionUnderTest) -> None:
    under_test.memory.heard["n2"] = WRONG

    under_test.examine(letter(WRONG), BOUND)

    assert under_test.admitted == [WRONG]  # to the protocol: it has the key of no member
    assert under_test.logged == [
        ("store.refused", {"peer": "n2", "store": WRONG, "remembered": RIGHT, "advice": ADVICE})
    ]


def test_a_leader_that_the_log_does_not_name_is_a_stranger_and_nothing_to_tell(under_test: AdmissionUnderTest) -> None:
    identity = LetterIdentity(OURS, WRONG).encode()
    body = AppendEntries(Term(2), Round(1), LogIndex(0), Term(0), LogIndex(0), ())

    under_test.examine(RaftPeerMessage("n2", identity, body), BOUND)

    assert (under_test.admitted, under_test.logged) == ([WRONG], [])


@pytest.mark.parametrize("membership", [None, Membership.founding([NodeId("n1")])])
def test_a_node_that_is_no_member_is_a_stranger(under_test: AdmissionUnderTest, membership: Membership | None) -> None:
    under_test.examine(letter(RIGHT), membership)

    assert (under_test.admitted, under_test.memory.heard, under_test.logged) == ([RIGHT], {}, [])


@pytest.mark.parametrize("membership", [None, UNBOUND, BOUND])
def test_the_store_of_another_node_is_refused(under_test: AdmissionUnderTest, membership: Membership | None) -> None:
    under_test.examine(letter(OTHERS), membership)

    assert under_test.admitted == []
    assert under_test.logged == [("store.refused", {"peer": "n2", "store": OTHERS, "remembered": "the store of n3"})]


def test_the_first_store_of_an_unbound_seat_counts_once_it_is_durable(under_test: AdmissionUnderTest) -> None:
    under_test.examine(letter(RIGHT), UNBOUND)
    assert under_test.admitted == []

    (durable,) = under_test.memory.waiting
    durable()
    under_test.examine(letter(RIGHT), UNBOUND)

    assert under_test.admitted == [RIGHT, RIGHT]


def test_a_second_store_of_an_unbound_seat_is_refused(under_test: AdmissionUnderTest) -> None:
    under_test.examine(letter(RIGHT), UNBOUND)

    under_test.examine(letter(WRONG), UNBOUND)

    assert under_test.logged == [("store.refused", {"peer": "n2", "store": WRONG, "remembered": RIGHT})]


@pytest.mark.parametrize("membership", [BOUND, UNBOUND])
def test_another_incarnation_is_refused_though_the_store_is_right(
    under_test: AdmissionUnderTest, membership: Membership
) -> None:
    for _ in range(3):
        under_test.examine(letter(RIGHT, ANOTHER), membership)

    assert (under_test.admitted, under_test.memory.heard) == ([], {})
    assert [event for event, _ in under_test.logged] == ["letter.refused"]  # told once, counted each time
    assert under_test.admission.refusals == 3


def test_what_is_no_identity_is_refused(under_test: AdmissionUnderTest) -> None:
    body: Any = PreVoteReply(Term(1), granted=True)
    under_test.examine(RaftPeerMessage("n2", b"?", body), BOUND)

    assert under_test.admitted == []
    assert [event for event, _ in under_test.logged] == ["letter.refused"]


def test_only_an_identity_that_was_remembered_is_not_examined_again(under_test: AdmissionUnderTest) -> None:
    admission = under_test.admission
    assert admission.key_of(letter(RIGHT)) is None

    admission.remember(letter(RIGHT), RIGHT)

    assert admission.key_of(letter(RIGHT)) == NodeId(RIGHT)
    assert admission.key_of(letter(WRONG)) is None
    assert admission.key_of(letter(RIGHT, ANOTHER)) is None
    admission.forget()
    assert admission.key_of(letter(RIGHT)) is None


def test_another_identity_is_told_again(under_test: AdmissionUnderTest) -> None:
    for store in (WRONG, WRONG, OTHERS, WRONG):
        under_test.examine(letter(store), BOUND)

    assert len(under_test.logged) == 3


def test_a_later_life_of_a_store_counts_once_it_is_remembered(under_test: AdmissionUnderTest) -> None:
    under_test.examine(letter(RIGHT, generation=Generation(3, 33)), BOUND)
    assert under_test.admitted == []

    (durable,) = under_test.memory.waiting
    durable()

    assert under_test.admitted == [RIGHT]
    under_test.examine(letter(RIGHT, generation=Generation(3, 33)), BOUND)
    assert under_test.admitted == [RIGHT, RIGHT]


@pytest.mark.parametrize("generation", [Generation(2, 22), Generation(3, 99)])
def test_a_store_that_went_back_is_refused_and_accused_with_what_was_heard(
    under_test: AdmissionUnderTest, generation: Generation
) -> None:
    under_test.memory.generations[RIGHT] = Generation(3, 33)

    under_test.examine(letter(RIGHT, generation=generation), BOUND)

    assert (under_test.admitted, under_test.memory.waiting) == ([], [])
    assert under_test.accused == [("n2", RIGHT, Generation(3, 33))]
    ((event, facts),) = under_test.logged
    assert event == "store.went_back"
    assert "put the real data directory back" in str(facts["advice"])
    assert "backup" not in str(facts["advice"])  # there are none yet
