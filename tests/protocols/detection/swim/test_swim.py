"""One SWIM member, message by message. The promises with mutants are in `protocols/simulation/directed`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from coterie.protocols.algorithm import NodeId, Observe, Received, Send
from coterie.protocols.detection.detection_messages import Heartbeat
from coterie.protocols.detection.failure_detector import Failed, LoopLagged, MemberState, Suspected, Trusted
from coterie.protocols.detection.swim.opinions import INCARNATION_JUMP_MAX, INCARNATION_MAX
from coterie.protocols.detection.swim.swim import Leave, Swim, SwimEffect, initial_records
from coterie.protocols.detection.swim.swim_config import SwimConfig
from coterie.protocols.detection.swim.swim_messages import (
    Ack,
    Gossip,
    IndirectPing,
    MemberRecord,
    Nack,
    Ping,
    StateExchange,
    SwimMessage,
)

A, B, C, D = (NodeId(name) for name in "abcd")
CONFIG = SwimConfig(exchange_interval_s=0.0, announce_interval_s=0.0, start_grace_s=0.0)


def _member(config: SwimConfig = CONFIG, nodes: Sequence[NodeId] = (A, B, C, D)) -> Swim:
    return Swim(A, config, initial_records(nodes), random.Random(1))


def _hear(member: Swim, message: SwimMessage, sender: NodeId = B, now: float = 0.0) -> Sequence[SwimEffect]:
    return member.handle([Received(sender, message)], now=now)


def _sent(effects: Sequence[SwimEffect]) -> list[tuple[NodeId, SwimMessage]]:
    return [(effect.to, effect.message) for effect in effects if isinstance(effect, Send)]


def _suspected(node: NodeId, incarnation: int = 0, accuser: NodeId = B) -> MemberRecord:
    return MemberRecord(node, incarnation, MemberState.SUSPECTED, accuser)


def _probe(member: Swim) -> tuple[float, NodeId, Ping]:
    """Let the member begin its first period; return the time, and the ping with its target."""
    member.tick(now=0.0)
    while True:
        now, effects = _next(member)
        for target, sent in _sent(effects):
            if isinstance(sent, Ping):
                return now, target, sent


def _next(member: Swim) -> tuple[float, Sequence[SwimEffect]]:
    now = member.deadline
    assert now is not None
    return now, member.tick(now=now)


def test_the_first_probe_is_at_a_random_point_of_the_first_period() -> None:
    starts = set()
    for seed in range(20):
        member = Swim(A, CONFIG, initial_records((A, B)), random.Random(seed))
        assert member.deadline == 0.0
        member.tick(now=50.0)
        assert member.deadline is not None
        starts.add(member.deadline)
    assert len(starts) == 20
    assert all(50.0 <= at <= 51.0 for at in starts)


def test_a_ping_is_acknowledged_with_its_sequence() -> None:
    assert _sent(_hear(_member(), Ping(9))) == [(B, Ack(9))]


def test_an_acknowledged_probe_leads_to_no_suspicion_and_measures_the_round_trip() -> None:
    member = _member()
    now, target, ping = _probe(member)
    _hear(member, Ack(ping.sequence), target, now + 0.02)
    _, effects = _next(member)
    assert not [effect for effect in effects if isinstance(effect, Suspected)]
    [status] = [status for status in member.members(now=now) if status.peer == target]
    assert status.round_trip_s == pytest.approx(0.02)
    assert status.state is MemberState.ALIVE


def test_an_unacknowledged_probe_is_repeated_by_others_and_then_suspected_with_a_reason() -> None:
    member = _member()
    now, target, ping = _probe(member)
    later, effects = _next(member)
    assert later == pytest.approx(now + CONFIG.probe_timeout_s)
    asked = _sent(effects)
    assert sorted(to for to, _ in asked) == sorted({B, C, D} - {target})
    assert all(isinstance(sent, IndirectPing) and sent.target == target for _, sent in asked)
    end, effects = _next(member)
    assert end == pytest.approx(now + CONFIG.period_s)
    [suspected] = [effect for effect in effects if isinstance(effect, Suspected)]
    assert suspected.peer == target
    assert "a got no acknowledgement" in suspected.reason
    assert member.suspicion(target, now=end) == 1.0
    del ping


def test_a_relayed_acknowledgement_saves_the_target_but_is_no_round_trip() -> None:
    member = _member()
    now, target, ping = _probe(member)
    _, effects = _next(member)
    helper = _sent(effects)[0][0]
    _hear(member, Ack(ping.sequence), helper, now + 0.7)
    _, effects = _next(member)
    assert not [effect for effect in effects if isinstance(effect, Suspected)]
    [status] = [status for status in member.members(now=now) if status.peer == target]
    assert status.round_trip_s is None


def test_an_acknowledgement_of_another_probe_or_another_member_is_no_acknowledgement() -> None:
    member = _member()
    now, target, ping = _probe(member)
    stranger = next(node for node in (B, C, D) if node != target)
    _hear(member, Ack(ping.sequence), stranger, now + 0.01)
    _hear(member, Ack(ping.sequence + 1), target, now + 0.01)
    _next(member)
    _, effects = _next(member)
    assert [effect.peer for effect in effects if isinstance(effect, Suspected)] == [target]


def test_a_helper_relays_the_acknowledgement_under_the_requesters_sequence() -> None:
    member = _member()
    [(to, ping)] = _sent(_hear(member, IndirectPing(77, C, 0.5)))
    assert to == C
    assert isinstance(ping, Ping)
    assert _sent(_hear(member, Ack(ping.sequence), C)) == [(B, Ack(77))]
    assert _sent(_hear(member, Ack(ping.sequence), C)) == []


def test_a_helper_sends_a_nack_before_the_requesters_timeout() -> None:
    member = _member()
    member.tick(now=0.0)
    _hear(member, IndirectPing(77, C, 0.5), now=0.0)
    sent = []
    while (member.deadline or 0.0) < 0.5:
        now, effects = _next(member)
        sent += [(now, to, message) for to, message in _sent(effects) if isinstance(message, Nack)]
    [(at, to, message)] = sent
    assert (to, message) == (B, Nack(77))
    assert at == pytest.approx(0.4)


def test_requests_for_probes_are_bounded() -> None:
    member = _member()
    pings = [_sent(_hear(member, IndirectPing(number, C, 0.5))) for number in range(1000)]
    assert sum(map(len, pings)) == 256


def test_nacks_spare_the_members_own_health() -> None:
    scores = {}
    for nacked in (0, 2):
        member = _member()
        now, _, ping = _probe(member)
        _, effects = _next(member)
        for helper, _ in _sent(effects)[:nacked]:
            _hear(member, Nack(ping.sequence), helper, now + 0.6)
            _hear(member, Nack(ping.sequence), helper, now + 0.6)
        _next(member)
        scores[nacked] = member.local_health
    assert scores == {0: 2, 2: 0}


def test_a_member_in_ill_health_waits_longer() -> None:
    member = _member()
    member.handle([LoopLagged(1.0), LoopLagged(1.0)], now=0.0)
    assert member.local_health == 2
    now, _, _ = _probe(member)
    timeout, _ = _next(member)
    assert timeout - now == pytest.approx(3 * CONFIG.probe_timeout_s)
    end, _ = _next(member)
    assert end - now == pytest.approx(3 * CONFIG.period_s)


def test_a_short_lag_of_the_loop_is_no_reason_for_doubt() -> None:
    member = _member()
    member.handle([LoopLagged(0.01)], now=0.0)
    assert member.local_health == 0


def test_a_suspicion_that_is_not_refuted_becomes_a_failure() -> None:
    member = _member()
    [suspected] = [effect for effect in _hear(member, Gossip((_suspected(C),))) if isinstance(effect, Suspected)]
    assert suspected.evidence == {"incarnation": 0, "accuser": "b"}
    failed: list[Failed] = []
    now = 0.0
    while not failed:
        now, effects = _next(member)
        failed = [effect for effect in effects if isinstance(effect, Failed) and effect.peer == C]
    assert now == pytest.approx(11.381, abs=1e-3)  # α T = 4 s, β α T = 24 s, and our own failed probe confirms
    assert failed[0].evidence["accusers"] == ("b", "a")
    assert member.suspicion(C, now=now) == 2.0


def test_a_refutation_ends_a_suspicion() -> None:
    member = _member()
    _hear(member, Gossip((_suspected(C),)))
    effects = _hear(member, Gossip((MemberRecord(C, 1, MemberState.ALIVE),)))
    assert [effect.peer for effect in effects if isinstance(effect, Trusted)] == [C]
    assert member.suspicion(C, now=1.0) == 0.0


def test_an_alive_record_of_the_same_incarnation_ends_no_suspicion() -> None:
    member = _member()
    _hear(member, Gossip((_suspected(C),)))
    assert list(_hear(member, Gossip((MemberRecord(C, 0, MemberState.ALIVE),)))) == []
    assert member.suspicion(C, now=0.0) == 1.0


def test_a_suspected_member_is_told_first_with_the_next_probe() -> None:
    member = _member(nodes=(A, B))
    _hear(member, Gossip((_suspected(B, accuser=A),)))
    _, _, ping = _probe(member)
    assert ping.records[0] == _suspected(B, accuser=A)
    without = _member(replace(CONFIG, has_buddy=False), nodes=(A, B))
    _hear(without, Gossip((_suspected(B, accuser=A),)))
    while without._opinions.news:  # until no news names B either
        without._news(10_000)
    _, _, ping = _probe(without)
    assert B not in [record.node for record in ping.records]


def test_a_member_that_refutes_raises_its_incarnation_above_every_accusation() -> None:
    member = _member()
    for incarnation in (0, 5, 2):
        _hear(member, Gossip((_suspected(A, incarnation),)))
    assert member.incarnation == 6  # the accusation of incarnation 2 was answered already
    assert member.local_health == 2


def test_a_new_life_learns_its_old_incarnation_and_goes_beyond() -> None:
    member = _member()
    _hear(member, StateExchange((MemberRecord(A, 4, MemberState.ALIVE),), is_answer=True))
    assert member.incarnation == 5
    assert member.local_health == 0


def test_a_restarted_member_is_told_in_the_first_answer_that_it_counts_as_failed() -> None:
    living, restarted = Swim(B, CONFIG, initial_records((A, B)), random.Random(2)), _member(nodes=(A, B))
    living.handle([Received(A, Gossip((MemberRecord(A, 3, MemberState.FAILED, B),)))], now=0.0)
    _, target, ping = _probe(restarted)
    assert target == B
    [(_, ack)] = _sent(living.handle([Received(A, ping)], now=0.0))
    restarted.handle([Received(B, ack)], now=1.0)
    assert restarted.incarnation == 4


@pytest.mark.parametrize("incarnation", [-1, INCARNATION_JUMP_MAX + 1, INCARNATION_MAX, 2**63 - 1])
def test_an_implausible_incarnation_is_not_believed(incarnation: int) -> None:
    member = _member()
    effects = _hear(member, Gossip((_suspected(A, incarnation), _suspected(C, incarnation))))
    assert member.incarnation == 0
    assert {effect.event for effect in effects if isinstance(effect, Observe)} == {"swim.record_refused"}
    assert member.suspicion(C, now=0.0) == 0.0


def test_an_unknown_member_is_observed_and_not_answered() -> None:
    member = _member()
    effects = _hear(member, Ping(1), NodeId("zoe"))
    assert effects == [Observe("swim.unknown_member", {"member": "zoe"})]
    effects = _hear(member, Gossip((_suspected(NodeId("zoe")),)))
    assert effects == [Observe("swim.unknown_member", {"member": "zoe"})]


def test_members_are_learned_if_asked_for_up_to_the_maximum() -> None:
    member = _member(replace(CONFIG, learns_members=True, members_max=6))
    assert _sent(_hear(member, Ping(1), NodeId("zoe"))) == [(NodeId("zoe"), Ack(1))]
    _hear(member, Gossip(tuple(MemberRecord(NodeId(f"x{number}"), 0, MemberState.ALIVE) for number in range(100))))
    assert [status.peer for status in member.members(now=0.0)] == [B, C, D, "x0", "zoe"]


def test_a_failure_heard_of_in_an_exchange_is_only_a_suspicion() -> None:
    member = _member()
    effects = _hear(member, StateExchange((MemberRecord(C, 0, MemberState.FAILED, B),)))
    assert [type(effect) for effect in effects if isinstance(effect, Suspected | Failed)] == [Suspected]


def test_an_exchange_is_answered_with_what_is_newer_here_and_an_answer_is_not_answered() -> None:
    member = _member()
    _hear(member, Gossip((MemberRecord(C, 2, MemberState.ALIVE),)))
    records = tuple(initial_records((A, B, C, D)).values())
    assert _sent(_hear(member, StateExchange(records))) == [
        (B, StateExchange((MemberRecord(C, 2, MemberState.ALIVE),), is_answer=True))
    ]
    assert _sent(_hear(member, StateExchange(records, is_answer=True))) == []


def test_a_member_that_leaves_is_neither_suspected_nor_probed() -> None:
    leaving, other = Swim(B, CONFIG, initial_records((A, B)), random.Random(2)), _member(nodes=(A, B))
    [(to, gossip)] = _sent(leaving.handle([Leave()], now=0.0))
    assert to == A
    effects = _hear(other, gossip)
    assert not [effect for effect in effects if isinstance(effect, Suspected | Failed)]
    for _ in range(20):
        _, effects = _next(other)
        assert not _sent(effects)
    [status] = other.members(now=30.0)
    assert status.state is MemberState.LEFT


def test_a_pause_prolongs_suspicions_and_is_observed() -> None:
    member = _member()
    member.tick(now=0.0)
    _hear(member, Gossip((_suspected(C),)), now=0.1)
    effects = member.tick(now=100.0)
    assert [effect.event for effect in effects if isinstance(effect, Observe)] == ["swim.paused"]
    assert not [effect for effect in effects if isinstance(effect, Failed)]
    assert member.suspicion(C, now=100.0) < 1.1


def test_two_members_suffice() -> None:
    member = _member(nodes=(A, B))
    _probe(member)
    _next(member)
    _, effects = _next(member)
    assert [effect.peer for effect in effects if isinstance(effect, Suspected)] == [B]


def test_a_member_without_peers_has_nothing_to_do() -> None:
    member = _member(nodes=(A,))
    for _ in range(10):
        _, effects = _next(member)
        assert list(effects) == []


def test_a_suspicion_is_inquired_about_and_an_answer_with_a_newer_record_ends_it() -> None:
    member = _member()
    _hear(member, Gossip((_suspected(C),)))
    asked: list[NodeId] = []
    now = 0.0
    while not asked:
        now, effects = _next(member)
        asked = [to for to, sent in _sent(effects) if isinstance(sent, Ping) and sent.sequence == 0]
    assert set(asked) == {B, C, D}
    informed = Swim(D, CONFIG, initial_records((A, B, C, D)), random.Random(2))
    informed.handle([Received(B, Gossip((MemberRecord(C, 1, MemberState.ALIVE),)))], now=0.0)
    [(to, ack)] = _sent(informed.handle([Received(A, Ping(0, (_suspected(C),)))], now=0.0))
    assert to == A
    assert [effect.peer for effect in _hear(member, ack, D, now) if isinstance(effect, Trusted)] == [C]


def test_a_new_process_exchanges_records_in_each_period_until_it_is_answered() -> None:
    member = _member(replace(CONFIG, exchange_interval_s=30.0))
    times: list[float] = []
    while len(times) < 3:
        now, effects = _next(member)
        times += [now for _, sent in _sent(effects) if isinstance(sent, StateExchange)]
        [_hear(member, Ack(sent.sequence), to, now) for to, sent in _sent(effects) if isinstance(sent, Ping)]
    assert times[2] - times[0] == pytest.approx(2 * CONFIG.period_s, abs=0.01)
    _hear(member, StateExchange((), is_answer=True), now=times[2])
    while True:
        now, effects = _next(member)
        if [sent for _, sent in _sent(effects) if isinstance(sent, StateExchange)]:
            break
        [_hear(member, Ack(sent.sequence), to, now) for to, sent in _sent(effects) if isinstance(sent, Ping)]
    assert now - times[2] == pytest.approx(30.0, abs=1.1)


def test_a_suspected_member_that_was_unknown_is_learned_with_its_suspicion() -> None:
    member = _member(replace(CONFIG, learns_members=True))
    effects = _hear(member, Gossip((_suspected(NodeId("zoe"), 3),)))
    assert [effect.peer for effect in effects if isinstance(effect, Suspected)] == ["zoe"]
    effects = _hear(member, Gossip((MemberRecord(NodeId("yan"), 3, MemberState.FAILED, B),)))
    assert [status.peer for status in member.members(now=0.0)] == [B, C, D, "zoe"]


def test_a_member_that_was_never_heard_is_not_accused_soon_after_the_start() -> None:
    member = _member(replace(CONFIG, start_grace_s=10.0), nodes=(A, B))
    accused: list[Suspected] = []
    now = 0.0
    while not accused:
        now, effects = _next(member)
        accused = [effect for effect in effects if isinstance(effect, Suspected)]
        if now < 10.0:
            assert member.local_health == 0
    assert 10.0 <= now <= 12.0


def test_a_member_that_was_heard_is_accused_also_soon_after_the_start() -> None:
    member = _member(replace(CONFIG, start_grace_s=1000.0), nodes=(A, B))
    now, target, ping = _probe(member)
    _hear(member, Ack(ping.sequence), target, now + 0.01)
    accused: list[Suspected] = []
    while not accused:
        now, effects = _next(member)
        accused = [effect for effect in effects if isinstance(effect, Suspected)]
    assert now < 4.0


def test_a_suspicion_that_shrinks_to_less_than_its_age_ends_at_once_and_is_no_pause_of_ours() -> None:
    nodes = [NodeId(name) for name in "abcdef"]
    member = _member(nodes=nodes)
    member.tick(now=0.0)
    _hear(member, Gossip((_suspected(C, accuser=B),)), now=0.0)
    now = 0.0
    while now < 9.0:
        now, effects = _next(member)
        for to, sent in _sent(effects):
            if isinstance(sent, Ping) and to != C:
                _hear(member, Ack(sent.sequence), to, now)
            elif isinstance(sent, Ping) and sent.sequence:
                _hear(member, Ack(sent.sequence), C, now)
    effects = [*_hear(member, Gossip((_suspected(C, accuser=nodes[4]),)), now=now)]
    effects += _hear(member, Gossip((_suspected(C, accuser=nodes[5]),)), now=now)
    effects += _next(member)[1]
    assert [effect.event for effect in effects if isinstance(effect, Observe)] == []
    assert [effect.peer for effect in effects if isinstance(effect, Failed)] == [C]


def test_an_accused_member_can_always_refute() -> None:
    accused, other = _member(), Swim(B, CONFIG, initial_records((A, B, C, D)), random.Random(2))
    for incarnation in (INCARNATION_JUMP_MAX, 2 * INCARNATION_JUMP_MAX, INCARNATION_MAX - 1):
        _hear(accused, Gossip((_suspected(A, incarnation, accuser=C),)), C)
    accusation = _suspected(A, 0, accuser=C)
    other.handle([Received(C, Gossip((accusation,)))], now=0.0)
    [(_, ack)] = _sent(_hear(accused, Ping(1, (accusation,))))
    effects = other.handle([Received(A, ack)], now=0.1)
    assert accused.incarnation > INCARNATION_JUMP_MAX
    assert [effect.peer for effect in effects if isinstance(effect, Trusted)] == [A]


def test_a_message_of_another_detector_is_refused_and_observed() -> None:
    effects = _member().handle([Received(B, Heartbeat(1, 2))], now=0.0)  # type: ignore[arg-type]
    assert effects == [Observe("swim.message_refused", {"member": "b", "message": "Heartbeat"})]


def test_one_pause_is_counted_once_however_many_messages_have_waited() -> None:
    member = _member(replace(CONFIG, exchange_interval_s=30.0, announce_interval_s=30.0))
    now = 0.0
    for _ in range(50):
        now, effects = _next(member)
        [_hear(member, Ack(sent.sequence), to, now) for to, sent in _sent(effects) if isinstance(sent, Ping)]
    _hear(member, Gossip((_suspected(C),)), now=now)
    pauses = []
    for number in range(50):
        pauses += [e for e in _hear(member, Gossip(()), now=now + 40.0 + number / 1000) if isinstance(e, Observe)]
    assert len(pauses) == 1
    assert member.local_health == 1
    assert all(status.suspicion >= 0.0 for status in member.members(now=now + 40.0))
    assert 1.0 <= member.suspicion(C, now=now + 40.05) < 1.1


def test_a_record_that_fits_into_no_packet_is_not_believed() -> None:
    member = _member()
    effects = _hear(member, Gossip((_suspected(C, accuser=NodeId("x" * 2000)),)))
    assert [effect.event for effect in effects if isinstance(effect, Observe)] == ["swim.record_refused"]
    assert member.suspicion(C, now=0.0) == 0.0


def test_a_failure_that_comes_as_news_is_a_suspicion_first_and_is_reported_once() -> None:
    member = _member()
    effects = _hear(member, Gossip((MemberRecord(C, 0, MemberState.FAILED, B),)))
    effects = [*effects, *_hear(member, Gossip((MemberRecord(C, 1, MemberState.FAILED, B),)))]
    assert [type(effect) for effect in effects if isinstance(effect, Suspected | Failed)] == [Suspected, Failed]


def test_a_pause_of_a_helper_postpones_its_nacks() -> None:
    member = _member()
    member.tick(now=0.0)
    due = member.deadline
    assert due is not None
    _hear(member, IndirectPing(77, C, 0.5), now=due - 0.05)

    sent = _sent(member.tick(now=due + 40.0))
    assert not [message for _, message in sent if isinstance(message, Nack)]
    nacked: list[float] = []
    while not nacked:
        now, effects = _next(member)
        nacked = [now for _, message in _sent(effects) if isinstance(message, Nack)]
    assert nacked == [pytest.approx(due + 40.35)]
