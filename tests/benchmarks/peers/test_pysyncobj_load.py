"""PySyncObj's load: as many writes in flight as clients, only those of the measurement count, failures are told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.peers.load_figures import read_figures
from benchmarks.peers.syncobj.pysyncobj_load import SUCCESS, ClosedLoop, SteadyWriter

DISCARDED = 3


class HeldStore:
    """Writes that are answered when the test says so, and a clock that it sets."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.writes: list[Callable[[object, int], None]] = []
        self.keys: set[str] = set()

    def put(self, key: str, value: bytes, *, callback: Callable[[object, int], None]) -> None:
        self.keys.add(key)
        self.writes.append(callback)

    def answer(self, at_s: float, error: int = SUCCESS) -> None:
        """Answer the oldest write that is in flight."""
        self.now_s = 100.0 + at_s
        self.writes.pop(0)(None, error)

    def loop(self, **options: Any) -> ClosedLoop:
        times = {"warm_up_s": 1.0, "measure_s": 4.0}
        return ClosedLoop(self.put, **{"clients": 1, "size": 9, "keys": 5, **times, **options}, now=lambda: self.now_s)


def test_each_client_has_one_write_in_flight() -> None:
    store = HeldStore()
    store.loop(clients=3).start()

    for at in range(4):
        store.answer(at)
        assert len(store.writes) == 3


def test_only_writes_acknowledged_within_the_measurement_count() -> None:
    store = HeldStore()
    loop = store.loop()
    loop.start()

    for at_s in (0.5, 1.0, 3.0, 4.5, 5.25):
        store.answer(at_s)

    figures = loop.figures()
    assert loop.ended.is_set()
    assert store.writes == []
    assert (figures["count"], figures["per_s"], figures["errors"]) == (3, 0.75, 0)
    assert (figures["p50_ms"], figures["max_ms"]) == (1500.0, 2000.0)


def test_a_write_that_fails_counts_as_such_and_its_client_goes_on() -> None:
    store = HeldStore()
    loop = store.loop()
    loop.start()

    store.answer(2.0, DISCARDED)
    store.answer(3.0)
    store.answer(5.0, DISCARDED)

    assert loop.ended.is_set()
    assert (loop.figures()["count"], loop.figures()["errors"]) == (1, 2)


def test_a_write_that_is_never_answered_is_an_error() -> None:
    store = HeldStore()
    loop = store.loop(clients=2)
    loop.start()

    store.answer(2.0)
    store.writes.pop(0)
    store.answer(6.0)

    assert not loop.ended.is_set()
    assert loop.figures()["errors"] == 1


def test_a_load_of_which_nothing_was_acknowledged_has_no_figures() -> None:
    store = HeldStore()
    loop = store.loop()
    loop.start()
    store.answer(9.0, DISCARDED)

    with pytest.raises(RuntimeError, match="no write was acknowledged within the measurement, 1 failed"):
        loop.figures()


def test_its_figures_are_those_that_are_read() -> None:
    store = HeldStore()
    loop = store.loop()
    loop.start()
    store.answer(2.0)
    store.answer(5.0)

    assert read_figures(json.dumps(loop.figures()).encode(), "it").count == 1


def test_only_a_write_started_after_the_mark_is_a_recovery_and_it_is_told_once() -> None:
    store, said = HeldStore(), list[str]()
    writer = SteadyWriter(store.put, size=9, say=said.append, now=lambda: store.now_s)
    for at_s in (0.0, 1.0, 2.0):
        store.now_s = 100.0 + at_s
        writer.write()
    store.answer(2.5, DISCARDED)
    assert said == []
    store.answer(2.5)
    assert said == ["ready"]

    store.now_s = 103.0
    writer.mark()
    store.answer(3.5)
    assert said == ["ready"]

    writer.write()
    writer.write()
    store.answer(4.0)
    store.answer(4.0)
    assert said == ["ready", "recovered"]
