from __future__ import annotations

import random

import pytest

from coterie.runtime.storage.log_store import GroupState
from coterie.runtime.storage.record_index import GroupIndex, offset_of, place_of, segment_of


def test_place_carries_segment_and_offset() -> None:
    place = place_of(2**31, 2**32 - 1)
    assert (segment_of(place), offset_of(place)) == (2**31, 2**32 - 1)


@pytest.mark.parametrize("seed", range(20))
def test_random_changes_agree_with_a_plain_dictionary(seed: int) -> None:
    rng = random.Random(seed)
    index, first, held = GroupIndex("g", 1), 1, dict[int, tuple[int, int]]()
    for step in range(1, 120):
        end = first + len(held)
        at = rng.randint(first, end)
        match rng.choice(("append", "append", "truncate", "drop", "move")):
            case "append":
                new = [(place_of(step // 10 + 1, step * 100 + n), rng.randint(1, 2)) for n in range(rng.randint(1, 5))]
                index.append([place for place, _ in new], [tag for _, tag in new])
                held.update(zip(range(end, end + len(new)), new, strict=True))
            case "truncate":
                index.truncate(at)
                held = {position: value for position, value in held.items() if position < at}
            case "drop":
                first = at + (rng.random() < 0.05) * 10
                index.drop_before(first)
                held = {position: value for position, value in held.items() if position >= first}
            case "move" if at in held:
                index.move(at, held[at][0], place_of(99, step))
                held[at] = (place_of(99, step), held[at][1])
        agrees(index, first, held)


def agrees(index: GroupIndex, first: int, held: dict[int, tuple[int, int]]) -> None:
    last = first + len(held) - 1
    runs = [(at, held[at][1]) for at in sorted(held) if at == first or held[at - 1][1] != held[at][1]]
    assert index.state() == GroupState(None, first, last, tuple(runs))
    assert index.places(first, last) == [held[at][0] for at in sorted(held)]
    for segment in (1, 2, 5, 12, 99):
        inside = [at for at in sorted(held) if segment_of(held[at][0]) == segment]
        assert (index.positions_in(segment), index.live_in(segment)) == (inside, len(inside))
    assert sum(count for _, count in index.live_by_segment()) == len(held)


def test_record_that_is_no_longer_where_it_was_is_not_moved() -> None:
    index = GroupIndex("g", 1)
    index.append([place_of(1, 50)], [1])
    index.move(1, place_of(1, 49), place_of(2, 50))
    index.move(2, place_of(1, 50), place_of(2, 50))
    assert index.places(1, 1) == [place_of(1, 50)]
