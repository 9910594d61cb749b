"""`DigestHistory`: the running digest of one replica's replies."""

from __future__ import annotations

import random

import pytest

from coterie.errors import InvariantViolated
from coterie.protocols.checkpoints.digest_history import DIGEST_BYTES, MARKS_KEPT, RECENT_ENTRIES, DigestHistory
from coterie.protocols.replicated_log import LogIndex


def history_of(*replies: bytes | None, base: int = 0) -> DigestHistory:
    history = DigestHistory(LogIndex(base))
    for index, reply in enumerate(replies, base + 1):
        history.add(LogIndex(index), reply)
    return history


def test_equal_replies_have_equal_digests_at_every_index() -> None:
    one, other = history_of(b"a", b"b", None, b"c"), history_of(b"a", b"b", None, b"c")

    assert [one.at(LogIndex(i)) for i in range(5)] == [other.at(LogIndex(i)) for i in range(5)]
    assert len(one.digest) == DIGEST_BYTES


@pytest.mark.parametrize(
    "other", [(b"a", b"x", b"c"), (b"ab", b"", b"c"), (b"b", b"a", b"c"), (b"a", b"b", None), (b"a", None, b"c")]
)
def test_one_reply_that_differs_changes_the_digest_at_its_index_and_at_all_later_ones(
    other: tuple[bytes | None, ...],
) -> None:
    same, differing = history_of(b"a", b"b", b"c"), history_of(*other)
    first = next(place for place, reply in enumerate(other) if reply != (b"a", b"b", b"c")[place]) + 1

    for index in range(first):
        assert same.at(LogIndex(index)) == differing.at(LogIndex(index))
    for index in range(first, 4):
        assert same.at(LogIndex(index)) != differing.at(LogIndex(index))


def test_an_entry_without_a_command_leaves_the_digest_as_it_is() -> None:
    history = history_of(b"a", None)

    assert history.at(LogIndex(2)) == history.at(LogIndex(1))


def test_an_empty_reply_is_not_the_same_as_none() -> None:
    assert history_of(b"").digest != history_of(None).digest


@pytest.mark.parametrize("index", [0, 1, 3])
def test_entries_are_added_without_gap_or_repetition(index: int) -> None:
    with pytest.raises(InvariantViolated, match=f"entry {index} cannot follow"):
        history_of(b"a").add(LogIndex(index), b"b")


def test_recent_digests_and_those_at_multiples_are_kept_whatever_the_base() -> None:
    rng = random.Random(1)
    for base in (0, 7, RECENT_ENTRIES, 1000):
        replies = [rng.randbytes(3) for _ in range(3 * RECENT_ENTRIES)]
        history, digests = DigestHistory(LogIndex(base)), {}
        for index, reply in enumerate(replies, base + 1):
            history.add(LogIndex(index), reply)
            digests[index] = history.digest
        last = base + len(replies)
        for index, digest in digests.items():
            is_kept = index > last - RECENT_ENTRIES or index % RECENT_ENTRIES == 0
            assert history.at(LogIndex(index)) == (digest if is_kept else None)
        assert history.at(LogIndex(last + 1)) is None


def test_the_digest_of_the_base_is_known_until_it_is_old() -> None:
    history = history_of(base=41)
    assert history.at(LogIndex(41)) == bytes(DIGEST_BYTES)
    assert history.at(LogIndex(40)) is None


def test_memory_is_bounded() -> None:
    history = DigestHistory()
    for index in range(1, RECENT_ENTRIES * (MARKS_KEPT + 3) + 1):
        history.add(LogIndex(index), None)

    assert history.at(LogIndex(3 * RECENT_ENTRIES)) is None
    assert history.at(LogIndex(4 * RECENT_ENTRIES)) is not None
