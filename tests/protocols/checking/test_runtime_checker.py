"""The runtime checker reports broken invariants, and nothing else."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest

from coterie.protocols.checking.runtime_checker import CONTROL, RuntimeChecker
from coterie.protocols.checking.violation import Violation, ViolationContext

BULK = 2


def a_checker(*actors: str) -> RuntimeChecker:
    checker = RuntimeChecker(ViolationContext())
    for actor in actors:
        checker.spawned(actor)
    return checker


def tell(checker: RuntimeChecker, *numbers: int, receiver: str = "b", lane: int = BULK) -> None:
    for number in numbers:
        checker.sent("a", receiver, lane, number)


def handle(checker: RuntimeChecker, *numbers: int, receiver: str = "b", lane: int = BULK) -> None:
    for number in numbers:
        checker.handling(receiver, "a", lane, number)
        checker.handled(receiver)


def broken(invariant: str, detail: str = "") -> pytest.RaisesExc[Violation]:
    return pytest.raises(Violation, match=rf"^{re.escape(f'runtime.{invariant}')} broken.*{detail}")


def test_messages_in_order_with_some_lost_are_fine() -> None:
    checker = a_checker("b")
    tell(checker, 1, 2, 3, 4)

    handle(checker, 1, 3, 4)
    checker.ended()


def test_message_handled_twice_is_seen() -> None:
    checker = a_checker("b")
    tell(checker, 1, 2)
    handle(checker, 1, 2)

    with broken("at_most_once", "message 1 of a in lane 2 is handled a second time"):
        handle(checker, 1)


def test_message_that_overtook_another_is_seen() -> None:
    checker = a_checker("b")
    tell(checker, 1, 2)
    handle(checker, 2)

    with broken("order", "message 1 of a in lane 2 is handled after message 2"):
        handle(checker, 1)


def test_order_holds_within_a_lane_only() -> None:
    checker = a_checker("b", "c")
    tell(checker, 1, 2)
    tell(checker, 1, lane=CONTROL)
    tell(checker, 1, receiver="c")

    handle(checker, 2)
    handle(checker, 1, lane=CONTROL)
    handle(checker, 1, receiver="c")


@pytest.mark.parametrize("sent", [(), (1, 2)])
def test_message_that_was_never_sent_is_seen(sent: tuple[int, ...]) -> None:
    checker = a_checker("b")
    tell(checker, *sent)

    with broken("invented"):
        handle(checker, 3)


def test_message_for_an_earlier_life_is_seen() -> None:
    checker = a_checker("b@1", "b@2")
    tell(checker, 1, receiver="b@1")
    checker.crashed("b@1")

    with broken("invented"):
        handle(checker, 1, receiver="b@2")


def test_second_message_within_the_first_is_seen() -> None:
    checker = a_checker("b")
    tell(checker, 1, 2)
    checker.handling("b", "a", BULK, 1)

    with broken("one_at_a_time", "begun before message 1 of a"):
        checker.handling("b", "a", BULK, 2)


def test_failure_and_restart_end_the_handling() -> None:
    checker = a_checker("b")
    tell(checker, 1, 2)
    checker.handling("b", "a", BULK, 1)
    checker.restarted("b")

    handle(checker, 2)


@pytest.mark.parametrize("end", [RuntimeChecker.stopped, RuntimeChecker.crashed])
def test_message_after_the_end_is_seen(end: Callable[[RuntimeChecker, str], None]) -> None:
    checker = a_checker("b")
    tell(checker, 1)
    end(checker, "b")

    with broken("after_stop", "message 1 of a"):
        handle(checker, 1)
    with broken("after_stop", "restarted"):
        checker.restarted("b")


def test_mailbox_beyond_its_bound_is_seen_and_control_does_not_count() -> None:
    checker = RuntimeChecker(ViolationContext())
    checker.spawned("b", mailbox=2)
    for lane in (BULK, BULK, CONTROL, CONTROL):
        checker.enqueued("b", lane)
    checker.dropped("b", BULK)
    checker.enqueued("b", BULK)

    with broken("mailbox_bounded", "3 messages wait, the bound is 2"):
        checker.enqueued("b", BULK)


def test_handled_messages_wait_no_more() -> None:
    checker = RuntimeChecker(ViolationContext())
    checker.spawned("b", mailbox=1)

    for number in range(5):
        tell(checker, number)
        checker.enqueued("b", BULK)
        handle(checker, number)


def test_control_lane_that_starves_is_seen() -> None:
    checker = RuntimeChecker(ViolationContext(), max_overtaken=3)
    checker.spawned("b")
    tell(checker, *range(9))
    tell(checker, 1, lane=CONTROL)
    checker.enqueued("b", CONTROL)
    handle(checker, 0, 1, 2)

    with broken("control_starved", "4 other messages"):
        handle(checker, 3)


def test_control_message_served_in_time_is_fine() -> None:
    checker = RuntimeChecker(ViolationContext(), max_overtaken=3)
    checker.spawned("b")
    tell(checker, *range(9))
    for number in range(2):
        tell(checker, number, lane=CONTROL)
        checker.enqueued("b", CONTROL)
        handle(checker, *range(number * 3, number * 3 + 3))
        handle(checker, number, lane=CONTROL)


def test_ask_resolved_twice_is_seen() -> None:
    checker = a_checker("a")
    checker.asked(7, "a")
    checker.resolved(7)

    with broken("ask_resolved_once", "ask 7 is resolved a second time"):
        checker.resolved(7)
    with broken("ask_resolved_once", "ask 8 is resolved, but was never asked"):
        checker.resolved(8)


def test_ask_never_resolved_is_seen_at_the_end_unless_the_asker_is_gone() -> None:
    checker = a_checker("a", "b")
    checker.asked(7, "a")
    checker.asked(8, "b")
    checker.asked(9, "a client outside")
    checker.resolved(9)
    checker.crashed("a")

    with broken("ask_resolved", "ask 8"):
        checker.ended()


def test_restart_beyond_the_budget_is_seen() -> None:
    context = ViolationContext()
    checker = RuntimeChecker(context)
    checker.spawned("b", restarts=2, within_s=5.0)
    for context.time_s in (0.0, 4.0, 5.0, 9.0):
        checker.restarted("b")

    context.time_s = 9.9
    with broken("restart_budget", "3 restarts within 5.0 s, the limit is 2"):
        checker.restarted("b")


def test_watcher_that_is_never_notified_is_seen_at_the_end() -> None:
    checker = a_checker("a", "b", "c")
    checker.watched("a", "b")
    checker.watched("a", "c")
    checker.watched("c", "b")
    checker.unwatched("c", "b")
    checker.ended()

    checker.crashed("b")

    with broken("watch_fired", "never notified of the end of b"):
        checker.ended()
    checker.terminated("a", "b")
    checker.ended()


def test_watcher_notified_twice_or_unasked_is_seen() -> None:
    checker = a_checker("a", "b")
    checker.watched("a", "b")
    checker.terminated("a", "b")

    with broken("watch_once", "a second time"):
        checker.terminated("a", "b")
    with broken("watch_once", "which it does not watch"):
        checker.terminated("b", "a")


def test_whatever_is_left_after_a_shutdown_is_named() -> None:
    checker = a_checker()
    checker.shut_down("n1", [])

    with broken("nothing_left", "remain: task 'reader', timer 3"):
        checker.shut_down("n1", ["task 'reader'", "timer 3"])


@pytest.mark.parametrize("seed", range(50))
def test_honest_runtime_is_never_accused_and_one_swap_always_is(seed: int) -> None:
    rng = random.Random(seed)
    queues: dict[tuple[str, str, int], list[int]] = {}
    checker = a_checker(*"xyz")
    for number in range(60):
        stream = (rng.choice("xyz"), rng.choice("xyz"), rng.choice((CONTROL, BULK)))
        checker.sent(*stream, number)
        if rng.random() > 0.2:  # else it is lost
            queues.setdefault(stream, []).append(number)
    last = next(reversed(queues))
    queues[last] += [98, 99]
    checker.sent(*last, 98)
    checker.sent(*last, 99)
    liar = rng.choice([stream for stream, queue in queues.items() if len(queue) > 1])
    swapped = queues[liar][-2:][::-1]
    honest = [
        (stream, number) for stream, queue in queues.items() for number in queue[: -2 if stream == liar else None]
    ]
    rng.shuffle(honest)
    in_order = {stream: iter(sorted(number for it, number in honest if it == stream)) for stream in queues}

    for stream, _ in honest:
        sender, receiver, lane = stream
        checker.handling(receiver, sender, lane, next(in_order[stream]))
        checker.handled(receiver)

    sender, receiver, lane = liar
    checker.handling(receiver, sender, lane, swapped[0])
    checker.handled(receiver)
    with broken("order"):
        checker.handling(receiver, sender, lane, swapped[1])
