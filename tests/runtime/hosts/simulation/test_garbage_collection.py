from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from coterie.runtime.hosts.simulation.garbage_collection import GarbageCollection


class Cycle:
    """Only the collector frees it."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def nothing_is_frozen() -> Iterator[None]:
    """As in a program that never thought of it; for the other tests all is set aside again."""
    gc.unfreeze()
    yield
    gc.collect()
    gc.freeze()


def test_what_was_there_before_is_not_collected() -> None:
    gc.disable()
    try:
        cycle = weakref.ref(Cycle())
        with GarbageCollection() as collector:
            collector.collect()
            assert cycle() is not None
        assert not gc.get_freeze_count()
    finally:
        gc.enable()


def test_nothing_is_collected_but_on_demand() -> None:
    with GarbageCollection() as collector:
        cycle = weakref.ref(Cycle())
        made = [[] for _ in range(100_000)]  # type: list[list[int]]
        assert cycle() is not None
        collector.collect()
        assert cycle() is None
        assert len(made) == 100_000


def test_the_collector_goes_on_as_before() -> None:
    frozen = gc.get_freeze_count()
    for was_enabled in (True, False):
        (gc.enable if was_enabled else gc.disable)()
        try:
            with GarbageCollection():
                assert not gc.isenabled()
            assert gc.isenabled() is was_enabled
        finally:
            gc.enable()
    assert gc.get_freeze_count() == frozen


def test_what_somebody_else_has_frozen_stays_frozen() -> None:
    gc.freeze()
    with GarbageCollection():
        pass
    assert gc.get_freeze_count() > 0
