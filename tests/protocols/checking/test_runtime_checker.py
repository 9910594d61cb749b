"""The runtime's judge speaks when a promise is broken, and is silent as long as none is."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest

from coterie.protocols.checking.runtime_checker import CONTROL, RuntimeJudge
from coterie.protocols.checking.violation import Bench, Violation

BULK = 2


def a_judge(*actors: str) -> RuntimeJudge:
    judge = RuntimeJudge(Bench())
    for actor in actors:
        judge.spawned(actor)
    return judge


def tell(judge: RuntimeJudge, *numbers: int, receiver: str = "b", lane: int = BULK) -> None:
    for number in numbers:
        judge.told("a", receiver, lane, number)


def handle(judge: RuntimeJudge, *numbers: int, receiver: str = "b", lane: int = BULK) -> None:
    for number in numbers:
        judge.handling(receiver, "a", lane, number)
        judge.handled(receiver)


def broken(invariant: str, detail: str = "") -> pytest.RaisesExc[Violation]:
    return pytest.raises(Violation, match=rf"^{re.escape(f'runtime.{invariant}')} broken.*{detail}")


def test_messages_in_order_with_some_lost_are_fine() -> None:
    judge = a_judge("b")
    tell(judge, 1, 2, 3, 4)

    handle(judge, 1, 3, 4)
    judge.ended()


def test_message_handled_twice_is_seen() -> None:
    judge = a_judge("b")
    tell(judge, 1, 2)
    handle(judge, 1, 2)

    with broken("at_most_once", "message 1 of a in lane 2 is handled a second time"):
        handle(judge, 1)


def test_message_that_overtook_another_is_seen() -> None:
    judge = a_judge("b")
    tell(judge, 1, 2)
    handle(judge, 2)

    with broken("order", "message 1 of a in lane 2 is handled after message 2"):
        handle(judge, 1)


def test_order_holds_within_a_lane_only() -> None:
    judge = a_judge("b", "c")
    tell(judge, 1, 2)
    tell(judge, 1, lane=CONTROL)
    tell(judge, 1, receiver="c")

    handle(judge, 2)
    handle(judge, 1, lane=CONTROL)
    handle(judge, 1, receiver="c")


@pytest.mark.parametrize("told", [(), (1, 2)])
def test_message_that_nobody_told_is_seen(told: tuple[int, ...]) -> None:
    judge = a_judge("b")
    tell(judge, *told)

    with broken("invented"):
        handle(judge, 3)


def test_message_for_an_earlier_life_is_seen() -> None:
    judge = a_judge("b@1", "b@2")
    tell(judge, 1, receiver="b@1")
    judge.crashed("b@1")

    with broken("invented"):
        handle(judge, 1, receiver="b@2")


def test_second_message_within_the_first_is_seen() -> None:
    judge = a_judge("b")
    tell(judge, 1, 2)
    judge.handling("b", "a", BULK, 1)

    with broken("one_at_a_time", "begun within message 1 of a"):
        judge.handling("b", "a", BULK, 2)


def test_failure_and_restart_end_the_handling() -> None:
    judge = a_judge("b")
    tell(judge, 1, 2)
    judge.handling("b", "a", BULK, 1)
    judge.restarted("b")

    handle(judge, 2)


@pytest.mark.parametrize("end", [RuntimeJudge.stopped, RuntimeJudge.crashed])
def test_message_after_the_end_is_seen(end: Callable[[RuntimeJudge, str], None]) -> None:
    judge = a_judge("b")
    tell(judge, 1)
    end(judge, "b")

    with broken("after_stop", "message 1 of a"):
        handle(judge, 1)
    with broken("after_stop", "restarted"):
        judge.restarted("b")


def test_mailbox_beyond_its_bound_is_seen_and_control_does_not_count() -> None:
    judge = RuntimeJudge(Bench())
    judge.spawned("b", mailbox=2)
    for lane in (BULK, BULK, CONTROL, CONTROL):
        judge.enqueued("b", lane)
    judge.dropped("b", BULK)
    judge.enqueued("b", BULK)

    with broken("mailbox_bounded", "3 messages wait, 2 are the most"):
        judge.enqueued("b", BULK)


def test_handled_messages_wait_no_more() -> None:
    judge = RuntimeJudge(Bench())
    judge.spawned("b", mailbox=1)

    for number in range(5):
        tell(judge, number)
        judge.enqueued("b", BULK)
        handle(judge, number)


def test_control_lane_that_starves_is_seen() -> None:
    judge = RuntimeJudge(Bench(), patience=3)
    judge.spawned("b")
    tell(judge, *range(9))
    tell(judge, 1, lane=CONTROL)
    judge.enqueued("b", CONTROL)
    handle(judge, 0, 1, 2)

    with broken("control_starved", "4 others"):
        handle(judge, 3)


def test_control_message_served_in_time_is_fine() -> None:
    judge = RuntimeJudge(Bench(), patience=3)
    judge.spawned("b")
    tell(judge, *range(9))
    for number in range(2):
        tell(judge, number, lane=CONTROL)
        judge.enqueued("b", CONTROL)
        handle(judge, *range(number * 3, number * 3 + 3))
        handle(judge, number, lane=CONTROL)


def test_ask_resolved_twice_is_seen() -> None:
    judge = a_judge("a")
    judge.asked(7, "a")
    judge.resolved(7)

    with broken("ask_resolved_once", "ask 7 is resolved a second time"):
        judge.resolved(7)
    with broken("ask_resolved_once", "ask 8 is resolved, but was never asked"):
        judge.resolved(8)


def test_ask_never_resolved_is_seen_at_the_end_unless_the_asker_is_gone() -> None:
    judge = a_judge("a", "b")
    judge.asked(7, "a")
    judge.asked(8, "b")
    judge.asked(9, "a client outside")
    judge.resolved(9)
    judge.crashed("a")

    with broken("ask_resolved", "ask 8"):
        judge.ended()


def test_restart_beyond_the_budget_is_seen() -> None:
    bench = Bench()
    judge = RuntimeJudge(bench)
    judge.spawned("b", restarts=2, within_s=5.0)
    for bench.time_s in (0.0, 4.0, 5.0, 9.0):
        judge.restarted("b")

    bench.time_s = 9.9
    with broken("restart_budget", "3 restarts within 5.0 s, 2 are the most"):
        judge.restarted("b")


def test_watcher_that_is_never_told_is_seen_at_the_end() -> None:
    judge = a_judge("a", "b", "c")
    judge.watched("a", "b")
    judge.watched("a", "c")
    judge.watched("c", "b")
    judge.unwatched("c", "b")
    judge.ended()

    judge.crashed("b")

    with broken("watch_fired", "never told of the end of b"):
        judge.ended()
    judge.terminated("a", "b")
    judge.ended()


def test_watcher_told_twice_or_unasked_is_seen() -> None:
    judge = a_judge("a", "b")
    judge.watched("a", "b")
    judge.terminated("a", "b")

    with broken("watch_once", "a second time"):
        judge.terminated("a", "b")
    with broken("watch_once", "which it does not watch"):
        judge.terminated("b", "a")


def test_whatever_is_left_after_a_shutdown_is_named() -> None:
    judge = a_judge()
    judge.shut_down("n1", [])

    with broken("nothing_left", "left: task 'reader', timer 3"):
        judge.shut_down("n1", ["task 'reader'", "timer 3"])


@pytest.mark.parametrize("seed", range(50))
def test_honest_runtime_is_never_accused_and_one_swap_always_is(seed: int) -> None:
    rng = random.Random(seed)
    queues: dict[tuple[str, str, int], list[int]] = {}
    judge = a_judge(*"xyz")
    for number in range(60):
        stream = (rng.choice("xyz"), rng.choice("xyz"), rng.choice((CONTROL, BULK)))
        judge.told(*stream, number)
        if rng.random() > 0.2:  # else it is lost
            queues.setdefault(stream, []).append(number)
    last = next(reversed(queues))
    queues[last] += [98, 99]
    judge.told(*last, 98)
    judge.told(*last, 99)
    liar = rng.choice([stream for stream, queue in queues.items() if len(queue) > 1])
    swapped = queues[liar][-2:][::-1]
    honest = [
        (stream, number) for stream, queue in queues.items() for number in queue[: -2 if stream == liar else None]
    ]
    rng.shuffle(honest)
    in_order = {stream: iter(sorted(number for it, number in honest if it == stream)) for stream in queues}

    for stream, _ in honest:
        sender, receiver, lane = stream
        judge.handling(receiver, sender, lane, next(in_order[stream]))
        judge.handled(receiver)

    sender, receiver, lane = liar
    judge.handling(receiver, sender, lane, swapped[0])
    judge.handled(receiver)
    with broken("order"):
        judge.handling(receiver, sender, lane, swapped[1])
