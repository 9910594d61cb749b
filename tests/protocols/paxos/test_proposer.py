"""The proposer: P2c, ballots that are never reused, and duels that end."""

from __future__ import annotations

import random
from collections.abc import Sequence

from coterie.protocols.algorithm import NodeId, Observe, Persist, Received, Send, Token
from coterie.protocols.paxos import (
    Accept,
    Ballot,
    Chosen,
    Learned,
    Nack,
    Phase,
    Prepare,
    Promise,
    Proposal,
    Propose,
    Proposer,
    ProposerState,
    ReadRound,
    SynodConfig,
)
from coterie.protocols.paxos.proposer import ProposerEffect, ProposerEvent
from coterie.protocols.paxos.synod_observations import VALUE_CHOSEN

A, B, C, D, E = (NodeId(name) for name in "abcde")
MEMBERS = (A, B, C)


def proposer(restored_round: int = 0, members: tuple[NodeId, ...] = MEMBERS, seed: int = 1) -> Proposer:
    return Proposer(A, SynodConfig(members), restored=ProposerState(restored_round), rng=random.Random(seed))


def promise(sender: NodeId, ballot: Ballot, accepted: Proposal | None = None) -> ProposerEvent:
    return Received(sender, Promise(ballot, accepted))


def accepts(effects: Sequence[ProposerEffect]) -> list[Accept]:
    return [e.message for e in effects if isinstance(e, Send) and isinstance(e.message, Accept)]


def prepares(effects: Sequence[ProposerEffect]) -> list[Prepare]:
    return [e.message for e in effects if isinstance(e, Send) and isinstance(e.message, Prepare)]


def begun(*requests: ProposerEvent, members: tuple[NodeId, ...] = MEMBERS) -> Proposer:
    it = proposer(members=members)
    it.handle(requests, now=0.0)
    return it


def test_proposer_makes_its_round_durable_before_its_prepares_leave() -> None:
    """§2.4: each proposer remembers, in stable storage, the highest number it has tried to use."""
    effects = proposer().handle([Propose(1, b"v")], now=0.0)

    assert effects[0] == Persist(Token(1), ProposerState(1))
    sent = [effect for effect in effects if isinstance(effect, Send)]
    assert sent == [Send(member, Prepare(Ballot(1, A)), Token(1)) for member in MEMBERS]


def test_proposer_never_reuses_a_round_after_a_restart() -> None:
    """§2.4: it begins phase 1 with a higher number than any it has already used."""
    effects = proposer(restored_round=7).handle([Propose(1, b"v")], now=0.0)

    assert prepares(effects)[0] == Prepare(Ballot(8, A))


def test_proposer_chooses_freely_once_a_quorum_reports_nothing() -> None:
    """§2.2, phase 2a."""
    it = begun(Propose(1, b"v"))

    assert accepts(it.handle([promise(A, Ballot(1, A))], now=0.0)) == []
    assert accepts(it.handle([promise(B, Ballot(1, A))], now=0.0)) == [Accept(Ballot(1, A), b"v")] * 3


def test_proposer_does_not_choose_before_a_quorum_has_promised() -> None:
    """§2.2, phase 2a: responses from a majority; a duplicate of one is not a majority."""
    it = begun(Propose(1, b"v"), members=(A, B, C, D, E))

    twice = [promise(B, Ballot(1, A)), promise(B, Ballot(1, A)), promise(C, Ballot(1, A))]

    assert accepts(it.handle(twice, now=0.0)) == []


def test_proposer_takes_the_value_of_the_highest_ballot_not_the_most_frequent() -> None:
    """§2.2, P2c."""
    it = begun(Propose(1, b"mine"), members=(A, B, C, D, E))
    it.handle([Received(B, Nack(Ballot(1, A), Ballot(6, E)))], now=0.0)
    it.tick(now=10.0)
    old, new = Proposal(Ballot(2, B), b"old"), Proposal(Ballot(3, C), b"new")

    effects = it.handle([promise(B, it.ballot, old), promise(C, it.ballot, new), promise(D, it.ballot, old)], now=10.0)

    assert accepts(effects)[0].value == b"new"


def test_proposer_ignores_promises_of_another_ballot() -> None:
    it = begun(Propose(1, b"v"))

    assert accepts(it.handle([promise(B, Ballot(9, A)), promise(C, Ballot(1, B))], now=0.0)) == []


def test_proposer_sends_one_round_of_accepts_however_many_promises_come() -> None:
    it = begun(Propose(1, b"v"))
    it.handle([promise(A, it.ballot), promise(B, it.ballot)], now=0.0)

    assert it.handle([promise(C, it.ballot, Proposal(Ballot(0, B), b"late"))], now=0.0) == []


def test_proposer_gives_a_slow_round_up_and_begins_a_higher_one() -> None:
    it = begun(Propose(1, b"v"))
    deadline = it.deadline
    assert deadline is not None

    assert it.tick(now=deadline - 0.001) == []
    assert prepares(it.tick(now=deadline))[0] == Prepare(Ballot(2, A))


def test_proposer_backs_off_after_a_refusal_and_returns_above_the_ballot_that_beat_it() -> None:
    """§2.5: a proposer that learns of a higher number should abandon its proposal."""
    it = begun(Propose(1, b"v"))

    effects = it.handle([Received(B, Nack(Ballot(1, A), Ballot(5, C)))], now=0.0)

    assert it.phase is Phase.BACKING_OFF
    assert prepares(effects) == []
    assert it.deadline is not None
    assert it.deadline <= SynodConfig(MEMBERS).backoff_min_s
    assert prepares(it.tick(now=it.deadline))[0] == Prepare(Ballot(6, A))


def test_proposer_ignores_a_refusal_of_an_earlier_round() -> None:
    it = begun(Propose(1, b"v"))
    it.tick(now=10.0)

    it.handle([Received(B, Nack(Ballot(1, A), Ballot(1, C)))], now=10.0)

    assert it.phase is Phase.PREPARING


def test_proposer_waits_longer_at_random_after_each_refusal() -> None:
    it = begun(Propose(1, b"v"))
    now, longest = 0.0, []
    for _ in range(12):
        it.handle([Received(B, Nack(it.ballot, Ballot(it.ballot.round, C)))], now=now)
        assert it.deadline is not None
        longest.append(it.deadline - now)
        now = it.deadline
        it.tick(now=now)

    assert max(longest[:2]) <= 0.04 < max(longest) <= 0.5
    assert len(dict.fromkeys(longest)) == len(longest)


def test_proposer_answers_everybody_who_waits_with_the_chosen_value() -> None:
    it = begun(Propose(1, b"v"), ReadRound(2))

    effects = it.handle([Learned(Ballot(1, C), b"theirs")], now=0.0)

    assert effects == [
        Observe(VALUE_CHOSEN, {"node": A, "round": 1, "value_bytes": 6}),
        Chosen(1, b"theirs"),
        Chosen(2, b"theirs"),
    ]
    assert it.handle([Learned(Ballot(2, C), b"theirs")], now=0.0) == []
    assert it.deadline is None
    assert it.handle([Propose(3, b"w")], now=1.0) == [Chosen(3, b"theirs")]


def test_read_answers_none_only_after_a_quorum_had_accepted_nothing() -> None:
    it = begun(ReadRound(1))

    assert it.handle([promise(A, it.ballot)], now=0.0) == []
    assert it.handle([promise(B, it.ballot)], now=0.0) == [Chosen(1, None)]
    assert it.phase is Phase.IDLE
    assert it.deadline is None


def test_read_finishes_the_round_of_a_value_that_one_acceptor_of_the_quorum_has_accepted() -> None:
    it = begun(ReadRound(1))

    effects = it.handle([promise(A, it.ballot), promise(B, it.ballot, Proposal(Ballot(0, C), b"found"))], now=0.0)

    assert accepts(effects) == [Accept(it.ballot, b"found")] * 3
    assert Chosen(1, None) not in effects


def test_read_that_came_during_a_round_is_not_answered_none_by_its_promises() -> None:
    """A promise made before the read came says nothing about what was chosen since."""
    it = begun(ReadRound(1))
    it.handle([promise(A, it.ballot), ReadRound(2)], now=0.0)

    effects = it.handle([promise(B, it.ballot)], now=0.0)

    assert Chosen(1, None) in effects
    assert Chosen(2, None) not in effects
    assert prepares(effects)[0] == Prepare(Ballot(2, A))


def test_proposer_idles_without_requests() -> None:
    it = proposer()

    assert it.deadline is None
    assert it.tick(now=5.0) == []
    assert it.handle([promise(B, Ballot(0, A))], now=5.0) == []


# --- slow links


def timed_out(it: Proposer, rounds: int) -> list[float]:
    """Let rounds time out one after the other; return how long each was waited for."""
    waits, now = [], 0.0
    for _ in range(rounds):
        assert it.deadline is not None
        waits.append(it.deadline - now)
        now = it.deadline
        it.tick(now=now)
    return waits


def test_time_outs_double_with_each_round_that_times_out_up_to_the_cap() -> None:
    waits = timed_out(begun(Propose(1, b"v")), 8)
    for doublings, wait_s in enumerate(waits):
        longest = min(0.4 * 2**doublings, 5.0)
        assert longest / 2 <= wait_s <= longest


def test_back_off_is_as_slow_as_the_time_outs() -> None:
    config = SynodConfig(MEMBERS, backoff_min_s=0.5, backoff_max_s=0.5)
    waits = []
    for seed in range(40):
        it = Proposer(A, config, restored=ProposerState(0), rng=random.Random(seed))
        it.handle([Propose(1, b"v")], now=0.0)
        timed_out(it, 3)
        it.handle([Received(B, Nack(it.ballot, Ballot(99, B)))], now=10.0)
        assert it.deadline is not None
        waits.append(it.deadline - 10.0)
    assert 2.0 < max(waits) <= 0.5 * 8


def test_the_end_of_a_back_off_is_no_time_out_and_a_success_takes_one_away() -> None:
    it = begun(ReadRound(1))
    timed_out(it, 2)
    it.handle([Received(B, Nack(it.ballot, Ballot(99, B)))], now=10.0)
    assert it.deadline is not None
    it.tick(now=it.deadline)
    assert it._stretch() == 4.0
    it.handle([promise(member, it.ballot) for member in (A, B)], now=11.0)  # nothing is accepted: the read is answered
    assert it.phase is Phase.IDLE
    assert it._stretch() == 2.0
