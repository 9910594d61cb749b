"""`Progress`: probing, the window of the pipeline, and answers that come late."""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_messages import Round
from coterie.protocols.raft.replication.progress import Progress
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, Term

CONFIG = RaftConfig((NodeId("a"), NodeId("b")), max_inflight_entries=4, max_inflight_bytes=100)


def entries(first: int, last: int, size_bytes: int = 1) -> list[Entry]:
    return [Entry(LogIndex(index), Term(1), EntryKind.COMMAND, bytes(size_bytes)) for index in range(first, last + 1)]


def match(progress: Progress, index: int, *, agreed: int = 0, round_: int = 1) -> None:
    progress.matched(LogIndex(index), LogIndex(agreed), Round(round_))


def probing(next_index: int = 5) -> Progress:
    return Progress(NodeId("b"), LogIndex(next_index), CONFIG)


def replicating(match_index: int = 4) -> Progress:
    progress = probing(match_index + 1)
    match(progress, match_index)
    return progress


def test_only_one_probe_is_under_way() -> None:
    progress = probing()
    rooms = [progress.has_room]

    progress.sent(entries(5, 6))

    assert [*rooms, progress.has_room] == [True, False]
    assert progress.next_index == 5


def test_match_ends_probing() -> None:
    progress = probing()
    progress.sent(entries(5, 6))

    match(progress, 6)

    assert (progress.is_probing, progress.match_index, progress.next_index, progress.has_room) == (False, 6, 7, True)


def test_next_message_does_not_wait_for_the_last_answer() -> None:
    progress = replicating()
    progress.sent(entries(5, 6))

    assert progress.has_room
    assert (progress.next_index, progress.match_index) == (7, 4)


def test_window_closes_by_entries_and_opens_with_answers() -> None:
    progress = replicating()
    progress.sent(entries(5, 6))
    progress.sent(entries(7, 8))
    assert not progress.has_room

    match(progress, 6)

    assert (progress.has_room, progress.room_entries) == (True, 2)


def test_window_closes_by_bytes_and_opens_with_answers() -> None:
    progress = replicating()
    progress.sent(entries(5, 5, size_bytes=60))
    progress.sent(entries(6, 6, size_bytes=60))
    assert not progress.has_room

    match(progress, 5)

    assert (progress.has_room, progress.room_bytes) == (True, 40)


def test_answer_in_the_middle_of_a_message_frees_no_bytes_of_it() -> None:
    progress = replicating()
    progress.sent(entries(5, 6, size_bytes=20))

    match(progress, 5)

    assert progress.room_bytes == 60


def test_late_success_takes_nothing_back() -> None:
    progress = replicating(4)
    progress.sent(entries(5, 8))
    match(progress, 8)

    match(progress, 6)

    assert (progress.match_index, progress.next_index) == (8, 9)


def test_refusal_empties_the_window_and_probes() -> None:
    progress = replicating(4)
    progress.sent(entries(5, 8, size_bytes=25))

    progress.refused(LogIndex(6))

    assert (progress.is_probing, progress.next_index, progress.has_room, progress.room_bytes) == (True, 6, True, 100)


def test_refusal_forgets_what_was_under_way() -> None:
    """Answers to what was sent again must not free the room of what was lost as well."""
    progress = replicating(4)
    progress.sent(entries(5, 8, size_bytes=25))
    progress.refused(LogIndex(5))
    match(progress, 4)
    progress.sent(entries(5, 6, size_bytes=25))

    match(progress, 6)

    assert progress.room_bytes == 100


def test_refusal_never_goes_back_to_what_matched() -> None:
    progress = replicating(4)
    progress.sent(entries(5, 8))

    progress.refused(LogIndex(2))

    assert progress.next_index == 5


def test_refusal_of_what_already_matched_or_was_never_sent_is_stale() -> None:
    progress = replicating(4)
    progress.sent(entries(5, 7))

    assert [refused for refused in range(10) if not progress.is_stale_refusal(LogIndex(refused))] == [5, 6, 7]


def test_refusal_while_probing_counts_only_for_the_probe() -> None:
    progress = probing(5)

    assert not progress.is_stale_refusal(LogIndex(4))
    assert progress.is_stale_refusal(LogIndex(7))
    assert progress.is_stale_refusal(LogIndex(3))


def test_refusal_never_goes_forward() -> None:
    progress = replicating(4)
    progress.sent(entries(5, 8))

    progress.refused(LogIndex(60))

    assert progress.next_index == 9


def test_agreement_that_is_not_durable_lets_send_and_does_not_count() -> None:
    progress = probing(5)
    progress.probed()

    match(progress, 2, agreed=4)

    assert (progress.is_probing, progress.match_index, progress.next_index) == (False, 2, 5)
    assert progress.room_entries == 2  # entries 3 and 4 wait for the peer's disk, so they count as in flight


def test_late_answer_does_not_end_a_probe_of_a_higher_place() -> None:
    progress = probing(5)
    progress.probed()

    match(progress, 2, agreed=3)

    assert (progress.is_probing, progress.has_room, progress.match_index) == (True, False, 2)


def test_what_was_sent_below_a_refused_place_still_takes_room() -> None:
    """It may be in the memory of a peer whose disk stalls: otherwise each lost message would allow a window more."""
    progress = replicating(4)
    progress.sent(entries(5, 6, size_bytes=20))
    progress.sent(entries(7, 8, size_bytes=20))

    progress.refused(LogIndex(7))

    assert (progress.next_index, progress.room_bytes) == (7, 60)


def test_refusal_of_what_was_acknowledged_before_its_round_proves_a_loss() -> None:
    progress = replicating(4)
    match(progress, 6, round_=8)

    assert progress.proves_loss(LogIndex(6), Round(9))
    assert not progress.proves_loss(LogIndex(6), Round(8))  # it may have left before the acknowledgement
    assert not progress.proves_loss(LogIndex(7), Round(9))


def test_highest_answered_round_never_falls() -> None:
    progress = replicating()
    for round_ in (3, 7, 5):
        progress.answered(Round(round_))

    assert progress.answered_round == 7
