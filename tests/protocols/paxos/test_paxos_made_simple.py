"""*Paxos Made Simple* with whole nodes and messages delivered one by one; one test per example of the paper."""

from __future__ import annotations

import random
from collections import deque

from coterie.protocols.algorithm import NodeId, Persist, Persisted, Received, Send
from coterie.protocols.durability_gate import DurabilityGate
from coterie.protocols.paxos import (
    Accept,
    Accepted,
    Ballot,
    Chosen,
    Prepare,
    Promise,
    Proposal,
    Propose,
    ReadRound,
    Synod,
    SynodConfig,
    SynodEffect,
    SynodEvent,
    SynodMessage,
    SynodState,
)

Wire = tuple[NodeId, NodeId, SynodMessage]


class Table:
    """Nodes whose disks are instant and whose messages lie on `wire` until they are delivered."""

    def __init__(self, count: int) -> None:
        self.members = tuple(NodeId(f"n{number}") for number in range(1, count + 1))
        self.disks = dict.fromkeys(self.members, SynodState())
        self.answers: list[tuple[NodeId, Chosen]] = []
        self.wire: deque[Wire] = deque()
        self.cut_off: list[NodeId] = []
        self.now = 0.0
        self.lives = 0
        self.nodes: dict[NodeId, Synod] = {}
        self.gates: dict[NodeId, DurabilityGate[SynodEffect]] = {}
        for member in self.members:
            self.restart(member)

    def restart(self, member: NodeId) -> None:
        self.lives += 1
        rng = random.Random(self.lives)
        self.nodes[member] = Synod(member, SynodConfig(self.members), restored=self.disks[member], rng=rng)
        self.gates[member] = DurabilityGate()

    def do(self, member: NodeId, *events: SynodEvent) -> None:
        self._carry_out(member, self.nodes[member].handle(events, now=self.now))

    def propose(self, number: int, value: bytes, ref: int = 1) -> NodeId:
        self.do(self.members[number - 1], Propose(ref, value))
        return self.members[number - 1]

    def deliver(self, *kinds: type[SynodMessage]) -> None:
        """Deliver what lies there (of these kinds, or all), and what follows from it, but to nobody cut off."""
        while (picked := self._pick(kinds)) is not None:
            sender, to, message = picked
            self.do(to, Received(sender, message))

    def lose_all(self) -> None:
        self.wire.clear()

    def pass_time(self, member: NodeId) -> None:
        deadline = self.nodes[member].deadline
        assert deadline is not None
        self.now = max(self.now, deadline)
        self._carry_out(member, self.nodes[member].tick(now=self.now))

    def _pick(self, kinds: tuple[type[SynodMessage], ...]) -> Wire | None:
        for wire in self.wire:
            if (
                (not kinds or isinstance(wire[2], kinds))
                and wire[0] not in self.cut_off
                and wire[1] not in self.cut_off
            ):
                self.wire.remove(wire)
                return wire
        return None

    def _carry_out(self, member: NodeId, effects: list[SynodEffect]) -> None:
        for effect in self.gates[member].admit(effects):
            match effect:
                case Persist():
                    self.disks[member] = effect.write
                    for released in self.gates[member].persisted(effect.token):
                        self._send(member, released)
                    self.do(member, Persisted(effect.token))
                case Chosen():
                    self.answers.append((member, effect))
                case _:
                    self._send(member, effect)

    def _send(self, member: NodeId, effect: SynodEffect) -> None:
        if isinstance(effect, Send):
            self.wire.append((member, effect.to, effect.message))


def values(table: Table) -> list[bytes | None]:
    return [answer.value for _, answer in table.answers]


def test_a_single_proposed_value_is_chosen() -> None:
    """§2.1: if only a single value is proposed, that value is chosen."""
    table = Table(3)

    table.propose(1, b"v")
    table.deliver()

    assert values(table) == [b"v"]
    assert [node.chosen for node in table.nodes.values()] == [b"v"] * 3


def test_a_majority_suffices() -> None:
    """§2.1: a value is chosen when a large enough set of acceptors, any majority, has accepted it."""
    table = Table(5)
    table.cut_off = [NodeId("n4"), NodeId("n5")]

    table.propose(1, b"v")
    table.deliver()

    assert values(table) == [b"v"]


def test_a_minority_chooses_nothing() -> None:
    """§2.1: any two majorities have an acceptor in common; less than one decides nothing."""
    table = Table(5)
    table.cut_off = [NodeId("n3"), NodeId("n4"), NodeId("n5")]

    table.propose(1, b"v")
    table.deliver()

    assert values(table) == []
    assert [node.chosen for node in table.nodes.values()] == [None] * 5


def test_every_higher_proposal_after_a_choice_has_the_chosen_value() -> None:
    """§2.2, P2: if a proposal with value v is chosen, every higher-numbered one that is chosen has value v."""
    table = Table(3)
    table.propose(1, b"v")
    table.deliver()
    table.restart(NodeId("n3"))  # which forgets what it learnt, not what it accepted

    table.propose(3, b"w", ref=2)
    table.deliver()

    assert values(table) == [b"v", b"v"]


def test_a_value_that_one_acceptor_of_the_quorum_accepted_is_carried_on() -> None:
    """§2.2, P2c: an unfinished proposal may have been chosen, so its value is proposed again."""
    table = Table(3)
    table.propose(1, b"v")
    table.deliver(Prepare, Promise)
    table.cut_off = [NodeId("n3")]
    table.deliver(Accept)
    table.lose_all()  # nobody hears what n1 and n2 accepted
    table.cut_off = [NodeId("n1")]

    table.propose(3, b"w")
    table.deliver()

    assert (NodeId("n3"), Chosen(1, b"v")) in table.answers


def test_an_acceptor_ignores_the_accept_of_a_proposer_it_has_outgrown() -> None:
    """§2.2, P1a."""
    table = Table(3)
    table.propose(1, b"v")
    table.deliver(Prepare, Promise)
    held = [wire for wire in table.wire if isinstance(wire[2], Accept)]
    table.lose_all()
    table.cut_off = [NodeId("n1")]
    table.propose(3, b"w")
    table.pass_time(NodeId("n3"))  # its first ballot may have been below; the next is not
    table.deliver()
    table.cut_off = []

    table.wire.extend(held)
    table.deliver()

    assert [node.chosen for node in table.nodes.values() if node.chosen is not None] == [b"w"] * 3


def test_a_learner_that_missed_the_choice_finds_it_by_a_proposal() -> None:
    """§2.3: if a learner needs to know whether a value has been chosen, it can have a proposer issue a proposal."""
    table = Table(3)
    table.cut_off = [NodeId("n3")]
    table.propose(1, b"v")
    table.deliver()
    table.lose_all()
    table.cut_off = []

    table.do(NodeId("n3"), ReadRound(9))
    table.deliver()
    while not any(node == "n3" for node, _ in table.answers):
        table.pass_time(NodeId("n3"))
        table.deliver()

    assert table.answers[-1] == (NodeId("n3"), Chosen(9, b"v"))


def test_a_duel_of_proposers_ends_by_random_back_off() -> None:
    """§2.4: two proposers may keep outbidding each other; here randomness is the distinguished proposer."""
    table = Table(3)
    first, second = table.propose(1, b"v"), table.propose(2, b"w")
    rounds = 0
    while len(table.answers) < 2:
        rounds += 1
        assert rounds < 50
        table.deliver()
        waiting = [node for node in (first, second) if table.nodes[node].deadline is not None]
        if waiting:
            table.pass_time(min(waiting, key=lambda node: table.nodes[node].deadline or 0.0))

    assert len(dict.fromkeys(values(table))) == 1


def test_a_crashed_proposer_does_not_reuse_its_ballot() -> None:
    """§2.4: the highest number tried is in stable storage."""
    table = Table(3)
    node = table.propose(1, b"v")
    table.lose_all()
    table.restart(node)

    table.propose(1, b"w")

    prepared = [message.ballot for _, _, message in table.wire if isinstance(message, Prepare)]
    assert prepared == [Ballot(2, node)] * 2


def test_an_acceptor_that_crashed_still_reports_what_it_accepted() -> None:
    """§2.2: an acceptor must remember even if it fails and restarts."""
    table = Table(3)
    table.propose(1, b"v")
    table.deliver()
    table.restart(NodeId("n2"))

    table.do(NodeId("n2"), Received(NodeId("n3"), Prepare(Ballot(7, NodeId("n3")))))

    promised = [message for _, _, message in table.wire if isinstance(message, Promise)]
    assert promised == [Promise(Ballot(7, NodeId("n3")), Proposal(Ballot(1, NodeId("n1")), b"v"))]


def test_a_read_of_an_untouched_synod_answers_none_and_leaves_it_open() -> None:
    table = Table(3)
    table.do(NodeId("n2"), ReadRound(1))
    table.deliver()
    assert table.answers == [(NodeId("n2"), Chosen(1, None))]

    table.propose(1, b"v")
    table.deliver()
    while len(table.answers) < 2:
        table.pass_time(NodeId("n1"))
        table.deliver()

    assert table.answers[-1] == (NodeId("n1"), Chosen(1, b"v"))


def test_lost_acceptances_only_delay() -> None:
    """§2.3: because of message loss a value could be chosen with no learner ever finding out; a later round tells."""
    table = Table(3)
    node = table.propose(1, b"v")
    table.deliver(Prepare, Promise, Accept)
    table.wire = deque(wire for wire in table.wire if not isinstance(wire[2], Accepted))
    assert values(table) == []

    table.pass_time(node)
    table.deliver()

    assert values(table) == [b"v"]
