from __future__ import annotations

import os

from coterie.actors.groups.key_value import Increment, KeyValue, Page, Scan
from coterie.demo.identifier_counts import IdentifierCounts, SkippedFile
from coterie.demo.store_keys import StoredCounts, batch_of, probe_key, read_counts, scan_prefixes


def stored(machine: KeyValue, run: str = "r1") -> list[tuple[bytes, bytes]]:
    items: list[tuple[bytes, bytes]] = []
    for prefix in scan_prefixes(run):
        page = machine.apply(Scan(prefix, 1000))
        assert isinstance(page, Page)
        items += page.items
    return items


def test_what_batches_wrote_is_read_back() -> None:
    machine = KeyValue()
    odd = os.fsencode("odd/n/f/\udcff.py")
    machine.apply(batch_of("r1", b"a.py", IdentifierCounts({"x": 2, "größe": 1})))
    machine.apply(batch_of("r1", odd, IdentifierCounts({"x": 1})))
    machine.apply(batch_of("r1", b"bad.py", SkippedFile("SyntaxError")))

    found = read_counts("r1", stored(machine))

    markers = {"a.py": 1, "odd/n/f/\udcff.py": 1, "bad.py": 1}
    assert found == StoredCounts({"x": 3, "größe": 1}, markers, frozenset({"bad.py"}))


def test_batch_that_is_applied_twice_shows_in_its_marker() -> None:
    machine = KeyValue()
    batch = batch_of("r1", b"a.py", IdentifierCounts({"x": 2}))
    machine.apply(batch)
    machine.apply(batch)

    assert read_counts("r1", stored(machine)).markers == {"a.py": 2}


def test_runs_and_probes_do_not_touch_each_other() -> None:
    machine = KeyValue()
    machine.apply(batch_of("r1", b"a.py", IdentifierCounts({"x": 2})))
    machine.apply(batch_of("r2", b"a.py", IdentifierCounts({"x": 5})))
    machine.apply(Increment(probe_key("r2")))

    assert read_counts("r2", stored(machine, "r2")) == StoredCounts({"x": 5}, {"a.py": 1})


def test_every_identifier_is_found_in_its_shard() -> None:
    machine = KeyValue()
    counts = {f"name_{number}": number for number in range(1, 500)}
    machine.apply(batch_of("r1", b"a.py", IdentifierCounts(counts)))

    assert read_counts("r1", stored(machine)).totals == counts
