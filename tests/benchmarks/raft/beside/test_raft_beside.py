"""Raft beside: the table has a row for each combination that was measured on coterie and on every other system."""

from __future__ import annotations

from benchmarks.harness.results import Result
from benchmarks.raft.beside.raft_beside import table


def result(system: str, per_s: float, floor: float | None = None, name: str = "put/100B/16") -> Result:
    detail: dict[str, float | int | str] = {"p50_ms": per_s / 100, "p99_ms": per_s / 10, "cpu_us": 1.0}
    return Result(f"raft_beside_other/{name}", system, "puts/s", (per_s,), floor, detail)


def test_the_table_has_a_row_for_each_combination_measured_on_both() -> None:
    results = [
        result("floor", 900.0),
        result("coterie", 300.0, floor=900.0),
        result("etcd", 200.0, floor=900.0),
        result("coterie", 500.0, name="get/100B/16"),
        result("etcd", 1000.0, name="get/100B/16"),
        result("coterie", 7.0, name="get/100B/64"),
    ]

    assert table(results) == [
        "| operation, bytes, clients | floor/s | coterie/s | etcd/s | coterie ÷ etcd | p50 ms | p99 ms | CPU µs |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| put, 100B, 16 | 900 | 300 | 200 | 1.50 | 3 / 2 | 30 / 20 | 1 / 1 |",
        "| get, 100B, 16 | – | 500 | 1,000 | 0.50 | 5 / 10 | 50 / 100 | 1 / 1 |",
    ]


def test_several_other_systems_have_a_column_each_in_their_order() -> None:
    results = [
        result("floor", 900.0),
        result("coterie", 300.0, floor=900.0),
        result("pysyncobj", 100.0, floor=900.0),
        result("pysyncobj, unbatched", 200.0, floor=900.0),
        result("coterie", 300.0, name="put/100B/64"),
        result("pysyncobj", 100.0, name="put/100B/64"),
    ]

    head, _, *rows = table(results)

    assert head == (
        "| operation, bytes, clients | floor/s | coterie/s | pysyncobj/s | pysyncobj, unbatched/s"
        " | coterie ÷ pysyncobj | coterie ÷ pysyncobj, unbatched | p50 ms | p99 ms | CPU µs |"
    )
    assert rows == ["| put, 100B, 16 | 900 | 300 | 100 | 200 | 3.00 | 1.50 | 3 / 1 / 2 | 30 / 10 / 20 | 1 / 1 / 1 |"]


def test_there_is_no_table_before_a_combination_was_measured_on_both() -> None:
    assert table([result("coterie", 300.0)]) == []
