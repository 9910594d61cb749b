"""The storage checker: everything acknowledged is there, nothing is invented."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from coterie.protocols.checking.storage_checker import Contents, StorageChecker
from coterie.protocols.checking.violation import Violation, ViolationContext


@dataclass(frozen=True, slots=True)
class AWrite:
    group: str
    metadata: bytes | None = None
    truncate_from: int | None = None
    records: Sequence[object] = ()


def a_checker(*writes: AWrite, acknowledged: int) -> StorageChecker:
    checker = StorageChecker("n1", ViolationContext())
    for write in writes:
        checker.submitted(write)
    for _ in range(acknowledged):
        checker.acknowledged()
    return checker


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
    a_checker(AB, CUT, OTHER, acknowledged=1).recovered(found)


def test_empty_store_of_which_nothing_was_acknowledged_is_fine() -> None:
    a_checker(AB, CUT, acknowledged=0).recovered({})


@pytest.mark.parametrize(
    ("found", "detail"),
    [
        ({}, "record 1 of g"),
        ({"g": Contents(b"t1", ("a",))}, "record 2 of g"),
        ({"g": Contents(b"t1", ("a", "z"))}, "record 2 of g"),
        ({"g": Contents(None, ("a", "b"))}, "the metadata of g reads None"),
    ],
)
def test_loss_of_what_was_acknowledged_is_seen(found: dict[str, Contents], detail: str) -> None:
    checker = a_checker(AB, OTHER, acknowledged=1)

    with pytest.raises(Violation, match=rf"^storage\.acknowledged_lost broken at n1.*{detail}"):
        checker.recovered(found)


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
    checker = a_checker(AB, CUT, OTHER, acknowledged=1)

    with pytest.raises(Violation, match=r"^storage\.invented broken at n1"):
        checker.recovered(found)


def test_what_one_recovery_has_shown_the_next_must_show_too() -> None:
    checker = a_checker(AB, CUT, acknowledged=1)
    checker.recovered({"g": Contents(b"t1", ("a", "c"))})

    with pytest.raises(Violation, match=r"acknowledged_lost.*record 2 of g"):
        checker.recovered({"g": Contents(b"t1", ("a", "b"))})


def test_what_a_recovery_has_not_shown_must_not_appear_later() -> None:
    checker = a_checker(AB, CUT, acknowledged=1)
    checker.recovered({"g": Contents(b"t1", ("a", "b"))})

    with pytest.raises(Violation, match=r"acknowledged_lost|invented"):
        checker.recovered({"g": Contents(b"t1", ("a", "c"))})


def test_records_that_were_dropped_are_no_loss() -> None:
    checker = a_checker(AB, acknowledged=1)
    checker.dropping("g", 2)

    checker.recovered({"g": Contents(b"t1", ("b",), first=2)})
    with pytest.raises(Violation, match=r"^storage\.invented"):
        checker.recovered({"g": Contents(b"t1", ("a", "b"))})


def test_record_that_was_dropped_beyond_the_position_is_a_loss() -> None:
    checker = a_checker(AB, acknowledged=1)
    checker.dropping("g", 2)
    checker.acknowledged()

    with pytest.raises(Violation, match=r"^storage\.acknowledged_lost.*record 2 of g"):
        checker.recovered({"g": Contents(b"t1", (), first=3)})


def test_drop_behind_the_end_empties_a_group_that_goes_on_from_there() -> None:
    checker = a_checker(AB, acknowledged=1)
    checker.dropping("g", 9)
    checker.submitted(AWrite("g", records=("i",)))
    checker.acknowledged()
    checker.acknowledged()

    checker.recovered({"g": Contents(b"t1", ("i",), first=9)})


def test_store_wiped_on_purpose_begins_empty() -> None:
    checker = a_checker(AB, acknowledged=1)

    checker.wiped()

    checker.recovered({})


def test_acknowledgement_that_nobody_waits_for_is_seen() -> None:
    checker = a_checker(AB, acknowledged=1)

    with pytest.raises(Violation, match=r"^storage\.acknowledged_unasked"):
        checker.acknowledged()


@pytest.mark.parametrize("seed", range(100))
def test_honest_store_is_never_accused_and_one_that_keeps_less_always_is(seed: int) -> None:
    rng = random.Random(seed)
    checker, states = StorageChecker("n1", ViolationContext()), [dict[str, Contents]()]
    acknowledged = 0
    for number in range(rng.randint(5, 30)):
        write = a_random_write(rng, states[-1], number)
        checker.submitted(write)
        states.append(after(states[-1], write))
        while acknowledged < len(states) - 1 and rng.random() < 0.4:
            checker.acknowledged()
            acknowledged += 1
    kept = rng.randint(acknowledged, len(states) - 1)
    checker.recovered(states[kept])
    less = next((state for state in reversed(states[:kept]) if state != states[kept]), None)

    assert less is not None
    with pytest.raises(Violation):
        checker.recovered(less)


def a_random_write(rng: random.Random, state: dict[str, Contents], number: int) -> AWrite:
    group = rng.choice("gh")
    length = len(state.get(group, Contents()).records)
    cut = rng.randint(1, length) if length and rng.random() < 0.3 else None
    records = [f"{number}.{place}" for place in range(rng.randint(0, 3))]
    return AWrite(group, rng.choice((None, b"%d" % number)), cut, records)


def after(state: dict[str, Contents], write: AWrite) -> dict[str, Contents]:
    old = state.get(write.group, Contents())
    kept = old.records if write.truncate_from is None else old.records[: write.truncate_from - 1]
    metadata = old.metadata if write.metadata is None else write.metadata
    return state | {write.group: Contents(metadata, (*kept, *write.records))}
