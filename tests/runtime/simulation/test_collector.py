from __future__ import annotations

import gc
import weakref

from coterie.runtime.simulation.collector import Collector


class Cycle:
    """Only the collector frees it."""

    def __init__(self) -> None:
        self.me = self


def test_nothing_is_collected_but_on_demand() -> None:
    with Collector() as collector:
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
            with Collector():
                assert not gc.isenabled()
            assert gc.isenabled() is was_enabled
        finally:
            gc.enable()
    assert gc.get_freeze_count() == frozen


def test_what_somebody_else_has_frozen_stays_frozen() -> None:
    gc.freeze()
    try:
        with Collector():
            pass
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
