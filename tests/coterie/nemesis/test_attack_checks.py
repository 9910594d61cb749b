from __future__ import annotations

from coterie.actors.simulation.checkers.history_recording import GroupRecording, Recordings
from coterie.nemesis.attack_checks import check_histories, undecided_groups
from coterie.protocols.checking.linearizability import AppendList, Datum, History, KeyValue, Model


class Told:
    """Histories that were made up, operation after operation."""

    def __init__(self) -> None:
        self.recordings = Recordings()
        self._at_s = 0.0

    def lists(self, input: Datum, output: Datum = None) -> None:  # noqa: A002 (the checker's word)
        """Do something to a list."""
        self._tell(self._history("lists", AppendList()), input, output)

    def store(self, input: Datum, output: Datum = None) -> None:  # noqa: A002 (the checker's word)
        """Do something to a store."""
        self._tell(self._history("store", KeyValue()), input, output)

    def _tell(self, history: History, input: Datum, output: Datum) -> None:  # noqa: A002
        number = history.invoked("c1", input, key=b"k", at_s=self._at_s)
        history.returned(number, output, at_s=self._at_s + 0.5)
        self._at_s += 1

    def _history(self, group: str, model: Model[Datum] | Model[tuple[Datum, ...]]) -> History:
        return self.recordings.by_group.setdefault(group, GroupRecording(group, model)).history

    @property
    def broken(self) -> str | None:
        """What does not hold."""
        violation = check_histories(self.recordings, now_s=self._at_s)
        return None if violation is None else violation.invariant


def test_honest_history_breaks_nothing() -> None:
    told = Told()
    told.store(("put", b"1"))
    told.store(("get",), b"1")
    told.lists(("append", 1))
    told.lists(("read",), (1,))
    told.lists(("append", 2))  # after the last read: nobody has looked

    assert told.broken is None
    assert undecided_groups(told.recordings) == []
    assert all(recording.result is not None for recording in told.recordings.by_group.values())


def test_acknowledged_append_that_is_gone_is_a_lost_write() -> None:
    told = Told()
    told.lists(("append", 1))
    told.lists(("append", 2))
    told.lists(("read",), (2,))

    assert told.broken == "nemesis.lost_write"


def test_append_of_unknown_outcome_may_be_missing_or_there() -> None:
    for seen in ((), (7,)):
        told = Told()
        told.lists(("read",), ())
        history = told.recordings.by_group["lists"].history
        history.unknown(history.invoked("c2", ("append", 7), key=b"k", at_s=1.0), at_s=1.0)
        told.lists(("read",), seen)

        assert told.broken is None


def test_append_that_is_there_twice_is_a_doubled_write() -> None:
    told = Told()
    told.lists(("append", 1))
    told.lists(("read",), (1, 1))

    assert told.broken == "nemesis.doubled_write"


def test_acknowledged_put_that_is_gone_is_not_linearizable() -> None:
    told = Told()
    told.store(("put", b"1"))
    told.store(("get",), None)

    assert told.broken == "linearizability"


def test_stale_read_is_not_linearizable() -> None:
    told = Told()
    told.store(("put", b"1"))
    told.store(("put", b"2"))
    told.store(("get",), b"1")

    assert told.broken == "linearizability"
