"""The storage judge: everything acknowledged is there, nothing is invented."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from coterie.protocols.checking.storage_checker import Contents, StorageJudge
from coterie.protocols.checking.violation import Bench, Violation


@dataclass(frozen=True, slots=True)
class AWrite:
    group: str
    register: bytes | None = None
    truncate_from: int | None = None
    records: Sequence[object] = ()


def a_judge(*writes: AWrite, acknowledged: int) -> StorageJudge:
    judge = StorageJudge("n1", Bench())
    for write in writes:
        judge.submitted(write)
    for _ in range(acknowledged):
        judge.acknowledged()
    return judge


AB = AWrite("g", b"t1", records=("a", "b"))
CUT = AWrite("g", truncate_from=2, records=("c",))
OTHER = AWrite("h", records=("x",))


@pytest.mark.parametrize(
    "found",
    [
        {"g": Contents(b"t1", ("a", "b"))},
        {"g": Contents(b"t1", ("a", "c"))},
        {"g": Contents(b"t1", ("a", "c")), "h": Contents(None, ("x",))},
    ],
)
def test_any_prefix_from_the_acknowledged_on_is_fine(found: dict[str, Contents]) -> None:
    a_judge(AB, CUT, OTHER, acknowledged=1).recovered(found)


def test_empty_store_of_which_nothing_was_acknowledged_is_fine() -> None:
    a_judge(AB, CUT, acknowledged=0).recovered({})


@pytest.mark.parametrize(
    ("found", "detail"),
    [
        ({}, "record 1 of g"),
        ({"g": Contents(b"t1", ("a",))}, "record 2 of g"),
        ({"g": Contents(b"t1", ("a", "z"))}, "record 2 of g"),
        ({"g": Contents(None, ("a", "b"))}, "the register of g reads None"),
    ],
)
def test_loss_of_what_was_acknowledged_is_seen(found: dict[str, Contents], detail: str) -> None:
    judge = a_judge(AB, OTHER, acknowledged=1)

    with pytest.raises(Violation, match=rf"^storage\.acknowledged_lost broken at n1.*{detail}"):
        judge.recovered(found)


@pytest.mark.parametrize(
    "found",
    [
        {"g": Contents(b"t1", ("a", "b", "z"))},
        {"g": Contents(b"t9", ("a", "b"))},
        {"g": Contents(b"t1", ("a",))},  # half of a write: its truncation without its record
        {"g": Contents(b"t1", ("a", "b")), "h": Contents(None, ("x",))},  # the third write without the second
        {"g": Contents(b"t1", ("a", "b")), "nobody": Contents(None, ("x",))},
    ],
)
def test_what_no_number_of_writes_leaves_is_invented(found: dict[str, Contents]) -> None:
    judge = a_judge(AB, CUT, OTHER, acknowledged=1)

    with pytest.raises(Violation, match=r"^storage\.invented broken at n1"):
        judge.recovered(found)


def test_what_one_recovery_has_shown_the_next_must_show_too() -> None:
    judge = a_judge(AB, CUT, acknowledged=1)
    judge.recovered({"g": Contents(b"t1", ("a", "c"))})

    with pytest.raises(Violation, match=r"acknowledged_lost.*record 2 of g"):
        judge.recovered({"g": Contents(b"t1", ("a", "b"))})


def test_what_a_recovery_has_not_shown_must_not_appear_later() -> None:
    judge = a_judge(AB, CUT, acknowledged=1)
    judge.recovered({"g": Contents(b"t1", ("a", "b"))})

    with pytest.raises(Violation, match=r"acknowledged_lost|invented"):
        judge.recovered({"g": Contents(b"t1", ("a", "c"))})


def test_records_that_were_dropped_are_no_loss() -> None:
    judge = a_judge(AB, acknowledged=1)
    judge.dropping("g", 2)

    judge.recovered({"g": Contents(b"t1", ("b",), first=2)})
    with pytest.raises(Violation, match=r"^storage\.invented"):
        judge.recovered({"g": Contents(b"t1", ("a", "b"))})


def test_record_that_was_dropped_beyond_the_position_is_a_loss() -> None:
    judge = a_judge(AB, acknowledged=1)
    judge.dropping("g", 2)
    judge.acknowledged()

    with pytest.raises(Violation, match=r"^storage\.acknowledged_lost.*record 2 of g"):
        judge.recovered({"g": Contents(b"t1", (), first=3)})


def test_drop_behind_the_end_empties_a_group_that_goes_on_from_there() -> None:
    judge = a_judge(AB, acknowledged=1)
    judge.dropping("g", 9)
    judge.submitted(AWrite("g", records=("i",)))
    judge.acknowledged()
    judge.acknowledged()

    judge.recovered({"g": Contents(b"t1", ("i",), first=9)})


def test_store_wiped_on_purpose_begins_empty() -> None:
    judge = a_judge(AB, acknowledged=1)

    judge.wiped()

    judge.recovered({})


def test_acknowledgement_that_nobody_waits_for_is_seen() -> None:
    judge = a_judge(AB, acknowledged=1)

    with pytest.raises(Violation, match=r"^storage\.acknowledged_unasked"):
        judge.acknowledged()


@pytest.mark.parametrize("seed", range(100))
def test_honest_store_is_never_accused_and_one_that_keeps_less_always_is(seed: int) -> None:
    rng = random.Random(seed)
    judge, states = StorageJudge("n1", Bench()), [dict[str, Contents]()]
    acknowledged = 0
    for number in range(rng.randint(5, 30)):
        write = a_random_write(rng, states[-1], number)
        judge.submitted(write)
        states.append(after(states[-1], write))
        while acknowledged < len(states) - 1 and rng.random() < 0.4:
            judge.acknowledged()
            acknowledged += 1
    kept = rng.randint(acknowledged, len(states) - 1)
    judge.recovered(states[kept])
    less = next((state for state in reversed(states[:kept]) if state != states[kept]), None)

    assert less is not None
    with pytest.raises(Violation):
        judge.recovered(less)


def a_random_write(rng: random.Random, state: dict[str, Contents], number: int) -> AWrite:
    group = rng.choice("gh")
    length = len(state.get(group, Contents()).records)
    cut = rng.randint(1, length) if length and rng.random() < 0.3 else None
    records = [f"{number}.{place}" for place in range(rng.randint(0, 3))]
    return AWrite(group, rng.choice((None, b"%d" % number)), cut, records)


def after(state: dict[str, Contents], write: AWrite) -> dict[str, Contents]:
    old = state.get(write.group, Contents())
    kept = old.records if write.truncate_from is None else old.records[: write.truncate_from - 1]
    register = old.register if write.register is None else write.register
    return state | {write.group: Contents(register, (*kept, *write.records))}
