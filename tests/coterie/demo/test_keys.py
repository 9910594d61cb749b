from __future__ import annotations

import os

from coterie.actors.key_value import KeyValue, Page, Scan
from coterie.demo.identifiers import Skipped, Tally
from coterie.demo.keys import Found, batch_of, probe_key, read_found, run_prefix


def stored(machine: KeyValue) -> list[tuple[bytes, bytes]]:
    page = machine.apply(Scan(b"", 1000))
    assert isinstance(page, Page)
    return list(page.items)


def test_what_batches_wrote_is_read_back() -> None:
    machine = KeyValue()
    odd = os.fsencode("odd/n/f/\udcff.py")
    machine.apply(batch_of("r1", b"a.py", Tally({"x": 2, "größe": 1})))
    machine.apply(batch_of("r1", odd, Tally({"x": 1})))
    machine.apply(batch_of("r1", b"bad.py", Skipped("SyntaxError")))

    found = read_found("r1", stored(machine))

    markers = {"a.py": 1, "odd/n/f/\udcff.py": 1, "bad.py": 1}
    assert found == Found({"x": 3, "größe": 1}, markers, frozenset({"bad.py"}))


def test_batch_that_is_applied_twice_shows_in_its_marker() -> None:
    machine = KeyValue()
    batch = batch_of("r1", b"a.py", Tally({"x": 2}))
    machine.apply(batch)
    machine.apply(batch)

    assert read_found("r1", stored(machine)).markers == {"a.py": 2}


def test_runs_and_probes_do_not_touch_each_other() -> None:
    machine = KeyValue()
    machine.apply(batch_of("r1", b"a.py", Tally({"x": 2})))
    machine.apply(batch_of("r2", b"a.py", Tally({"x": 5})))

    of_r2 = [item for item in stored(machine) if item[0].startswith(run_prefix("r2"))]

    assert read_found("r2", [(probe_key("r2"), b"1"), *of_r2]) == Found({"x": 5}, {"a.py": 1})
