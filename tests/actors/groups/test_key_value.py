"""The key-value store against a plain dict: all commands, at random, and each rule by itself."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest

from coterie.actors.groups.key_value import (
    PAGE_BYTES_MAX,
    PAGE_ITEMS_MAX,
    SCANS_KEPT,
    AtomicBatch,
    BatchResult,
    CompareAndSwap,
    Delete,
    Get,
    Increment,
    KeyValue,
    Page,
    Put,
    Scan,
    ScanOn,
)
from coterie.errors import CommandRefused
from coterie.protocols.replicated_log import LogIndex


class Store:
    """Applies commands at increasing indexes, as a log does."""

    def __init__(self) -> None:
        self.machine = KeyValue()

    def __call__(self, command: Any) -> Any:
        self.machine.index = LogIndex(self.machine.index + 1)
        return self.machine.apply(command)

    def everything(self) -> dict[bytes, bytes]:
        return dict(self(Scan(b"", PAGE_ITEMS_MAX)).items)


@pytest.fixture
def store() -> Store:
    return Store()


# Each command.


def test_a_key_that_is_absent_reads_as_none_and_one_with_empty_value_does_not(store: Store) -> None:
    store(Put(b"empty", b""))

    assert store(Get(b"absent")) is None
    assert store(Get(b"empty")) == b""


def test_delete_says_whether_the_key_was_there_also_when_its_value_was_empty(store: Store) -> None:
    store(Put(b"k", b""))

    assert store(Delete(b"k")) is True
    assert store(Delete(b"k")) is False
    assert store.everything() == {}


@pytest.mark.parametrize(
    ("before", "expected", "value", "swapped", "after"),
    [
        (None, None, b"v", True, b"v"),
        (None, b"", b"v", False, None),
        (b"", None, b"v", False, b""),
        (b"v", b"v", b"w", True, b"w"),
        (b"v", b"v", None, True, None),
        (b"v", b"w", None, False, b"v"),
        (None, None, None, True, None),
    ],
)
def test_compare_and_swap(
    store: Store, before: bytes | None, expected: bytes | None, value: bytes | None, swapped: bool, after: bytes | None
) -> None:
    if before is not None:
        store(Put(b"k", before))

    assert store(CompareAndSwap(b"k", expected, value)) is swapped
    assert store(Get(b"k")) == after
    assert store.everything() == ({} if after is None else {b"k": after})


def test_increment_begins_at_nought_and_goes_both_ways(store: Store) -> None:
    assert store(Increment(b"k")) == 1
    assert store(Increment(b"k", 41)) == 42
    assert store(Increment(b"k", -50)) == -8
    assert store(Get(b"k")) == b"-8"


@pytest.mark.parametrize(
    "value", [b"", b"-", b"x", b" 1", b"1 ", b"+1", b"1_000", b"1.0", b"--1", b"1\n", "٣".encode(), b"9" * 20]
)
def test_what_is_no_number_of_64_bits_is_not_incremented(store: Store, value: bytes) -> None:
    store(Put(b"k", value))

    with pytest.raises(CommandRefused, match="not a number of 64 bits"):
        store(Increment(b"k"))

    assert store(Get(b"k")) == value


@pytest.mark.parametrize(("value", "by"), [(2**63 - 1, 1), (-(2**63), -1), (2**62, 2**62)])
def test_a_sum_beyond_64_bits_is_refused_and_changes_nothing(store: Store, value: int, by: int) -> None:
    store(Put(b"k", b"%d" % value))

    with pytest.raises(CommandRefused, match="more than 64 bits"):
        store(Increment(b"k", by))

    assert store(Get(b"k")) == b"%d" % value


def test_the_greatest_and_the_least_sum_are_allowed(store: Store) -> None:
    assert store(Increment(b"up", 2**63 - 1)) == 2**63 - 1
    assert store(Increment(b"down", -(2**63))) == -(2**63)
    assert store(Increment(b"down", 1)) == -(2**63) + 1


# Batches.


def test_a_batch_does_everything_at_once(store: Store) -> None:
    store(Put(b"old", b"1"))
    store(Put(b"guard", b"yes"))

    result = store(
        AtomicBatch(
            expect={b"guard": b"yes", b"new": None},
            delete=(b"old", b"never there"),
            put={b"new": b"v"},
            increment={b"n": 2, b"m": -2},
        )
    )

    assert result == BatchResult(applied=True)
    assert store.everything() == {b"guard": b"yes", b"m": b"-2", b"n": b"2", b"new": b"v"}


def test_a_batch_deletes_before_it_puts(store: Store) -> None:
    store(Put(b"k", b"v"))

    store(AtomicBatch(delete=(b"k",), put={b"k": b"w"}))

    assert store.everything() == {b"k": b"w"}


@pytest.mark.parametrize("expected", [b"other", None])
def test_a_batch_whose_expectation_does_not_hold_changes_nothing_and_names_the_key(
    store: Store, expected: bytes | None
) -> None:
    store(Put(b"k", b"v"))

    result = store(AtomicBatch(expect={b"k": expected}, delete=(b"k",), put={b"a": b"1"}, increment={b"n": 1}))

    assert result == BatchResult(applied=False, blocked_by=b"k")
    assert store.everything() == {b"k": b"v"}


@pytest.mark.parametrize(
    "batch",
    [
        AtomicBatch(put={b"a": b"1"}, delete=(b"gone",), increment={b"text": 1}),
        AtomicBatch(put={b"a": b"1"}, delete=(b"gone",), increment={b"n": 1, b"text": 1}),
        AtomicBatch(put={b"a": b"1"}, delete=(b"gone",), increment={b"n": 2**63 - 1}),
        AtomicBatch(put={b"n": b"1"}, delete=(b"gone",), increment={b"n": 1}),
        AtomicBatch(put={b"a": b"1"}, delete=(b"gone", b"n"), increment={b"n": 1}),
    ],
)
def test_a_batch_that_is_refused_changes_nothing(store: Store, batch: AtomicBatch) -> None:
    before = {b"gone": b"x", b"n": b"5", b"text": b"t"}
    store(AtomicBatch(put=before))

    with pytest.raises(CommandRefused):
        store(batch)

    assert store.everything() == before


def test_a_batch_under_a_marker_happens_once_however_often_it_is_sent(store: Store) -> None:
    batch = AtomicBatch(expect={b"marker": None}, put={b"marker": b"1"}, increment={b"n": 7})

    results = [store(batch).applied for _ in range(3)]

    assert results == [True, False, False]
    assert store(Get(b"n")) == b"7"


# Scans.


def pages(store: Store, prefix: bytes, limit: int, between: Any = None) -> list[Page]:
    found = [store(Scan(prefix, limit))]
    while found[-1].more:
        if between is not None:
            between()
        found.append(store(ScanOn(found[-1].scan, found[-1].items[-1][0], limit)))
    return found


def test_a_scan_yields_the_keys_of_its_prefix_in_order(store: Store) -> None:
    for key in (b"b2", b"a", b"b", b"c", b"b1", b"b\xff", b"b\xff\xff"):
        store(Put(key, key))

    page = store(Scan(b"b"))

    assert [key for key, _ in page.items] == [b"b", b"b1", b"b2", b"b\xff", b"b\xff\xff"]
    assert not page.more


@pytest.mark.parametrize("limit", [1, 2, 3, 9, 10, 11])
def test_pages_hold_each_key_once(store: Store, limit: int) -> None:
    for number in range(10):
        store(Put(b"k%d" % number, b"v"))

    found = pages(store, b"", limit)

    assert [key for page in found for key, _ in page.items] == [b"k%d" % number for number in range(10)]
    assert all(0 < len(page.items) <= limit for page in found)
    assert all(page.more for page in found[:-1])


def test_an_empty_store_has_one_empty_page(store: Store) -> None:
    assert store(Scan(b"")) == Page(1, (), more=False, scan=1)


def test_pages_show_one_moment_while_writes_go_on(store: Store) -> None:
    before = {b"k%02d" % number: b"v%d" % number for number in range(30)}
    store(AtomicBatch(put=before))
    rng = random.Random(1)

    def write() -> None:
        store(Put(b"k%02d" % rng.randrange(60), b"changed"))
        store(Delete(b"k%02d" % rng.randrange(60)))

    found = pages(store, b"k", 4, between=write)

    assert dict(item for page in found for item in page.items) == before
    assert len({page.index for page in found}) == 1


def test_a_scan_that_is_too_long_ago_is_refused_and_says_so(store: Store) -> None:
    store(AtomicBatch(put={b"a": b"1", b"b": b"2"}))
    first = store(Scan(b"", 1))

    for _ in range(SCANS_KEPT - 1):
        store(Scan(b"", 1))
    assert store(ScanOn(first.scan, b"a", 1)).items == ((b"b", b"2"),)
    store(Scan(b"", 1))

    with pytest.raises(CommandRefused, match=r"is gone: begin again"):
        store(ScanOn(first.scan, b"a", 1))


def test_scans_of_one_log_entry_are_kept_apart() -> None:
    machine = KeyValue()
    machine.index = LogIndex(7)  # all of it in one batch
    machine.apply(AtomicBatch(put={b"a": b"1", b"b": b"2"}))
    one = machine.apply(Scan(b"", 1))
    machine.apply(Put(b"b", b"changed"))
    other = machine.apply(Scan(b"", 1))
    assert isinstance(one, Page)
    assert isinstance(other, Page)

    found = [machine.apply(ScanOn(scan.scan, b"a", 1)) for scan in (one, other)]

    assert [page.items for page in found if isinstance(page, Page)] == [((b"b", b"2"),), ((b"b", b"changed"),)]


def test_a_scan_of_one_page_costs_no_place_among_those_kept(store: Store) -> None:
    store(AtomicBatch(put={b"a": b"1", b"b": b"2"}))
    first = store(Scan(b"", 1))

    for _ in range(3 * SCANS_KEPT):
        store(Scan(b"", 2))

    assert store(ScanOn(first.scan, b"a", 1)).items == ((b"b", b"2"),)


@pytest.mark.parametrize("limit", [0, -1, PAGE_ITEMS_MAX + 1])
def test_a_page_size_out_of_bounds_is_refused(store: Store, limit: int) -> None:
    store(AtomicBatch(put={b"a": b"1", b"b": b"2"}))
    scan = store(Scan(b"", 1)).scan

    with pytest.raises(CommandRefused, match="must be 1"):
        store(Scan(b"", limit))
    with pytest.raises(CommandRefused, match="must be 1"):
        store(ScanOn(scan, b"a", limit))


def test_a_page_of_great_values_ends_early_so_that_it_fits_into_a_frame(store: Store) -> None:
    value = b"x" * (PAGE_BYTES_MAX // 3)
    store(AtomicBatch(put={b"k%d" % number: value for number in range(8)}))
    store(Put(b"k9", b"y" * (2 * PAGE_BYTES_MAX)))

    found = pages(store, b"", 1000)

    assert [len(page.items) for page in found] == [2, 2, 2, 2, 1]


# Everything at random, against a dict.


class Model:
    """What the documentation says, in the plainest way."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}

    def __call__(self, command: Any) -> object:
        match command:
            case Get(key):
                return self.values.get(key)
            case Put(key, value):
                self.values[key] = value
                return None
            case Delete(key):
                return self.values.pop(key, None) is not None
            case CompareAndSwap(key, expected, value):
                if self.values.get(key) != expected:
                    return False
                self.values.pop(key, None)
                if value is not None:
                    self.values[key] = value
                return True
            case Increment(key, by):
                total = self.total(key, by)
                if total is not None:
                    self.values[key] = str(total).encode()
                return "refused" if total is None else total
            case AtomicBatch():
                return self.batch(command)
        raise AssertionError(command)

    def total(self, key: bytes, by: int) -> int | None:
        text = self.values.get(key, b"0").decode("latin-1")
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit()):
            return None
        total = int(text) + by
        return total if -(2**63) <= total < 2**63 else None

    def batch(self, batch: AtomicBatch) -> object:
        for key, expected in batch.expect.items():
            if self.values.get(key) != expected:
                return BatchResult(applied=False, blocked_by=key)
        touched = {*batch.delete, *batch.put}
        totals = {key: self.total(key, by) for key, by in batch.increment.items()}
        if touched.intersection(totals) or None in totals.values():
            return "refused"
        for key in batch.delete:
            self.values.pop(key, None)
        self.values.update(batch.put)
        self.values.update({key: str(total).encode() for key, total in totals.items()})
        return BatchResult(applied=True)


KEYS = [b"", b"a", b"aa", b"ab", b"b", b"\xff"]
VALUES = [b"", b"0", b"7", b"-7", b"x", b"%d" % (2**63 - 1), b"%d" % -(2**63)]


def random_command(rng: random.Random) -> Any:
    def some(maximum: int) -> list[bytes]:
        return rng.sample(KEYS, rng.randrange(maximum + 1))

    key, value = rng.choice(KEYS), rng.choice(VALUES)
    match rng.randrange(6):
        case 0:
            return Get(key)
        case 1:
            return Put(key, value)
        case 2:
            return Delete(key)
        case 3:
            return CompareAndSwap(key, rng.choice([None, *VALUES]), rng.choice([None, *VALUES]))
        case 4:
            return Increment(key, rng.choice([1, -1, 5, 2**62]))
    return AtomicBatch(
        expect={key: rng.choice([None, value]) for key in some(1)},
        delete=tuple(some(2)),
        put={key: rng.choice(VALUES) for key in some(2)},
        increment={key: rng.choice([1, -3]) for key in some(2)},
    )


@pytest.mark.parametrize("seed", range(20))
def test_random_commands_do_what_a_dict_would(store: Store, seed: int) -> None:
    rng = random.Random(seed)
    model = Model()

    for _ in range(500):
        command = random_command(rng)
        try:
            reply = store(command)
        except CommandRefused:
            reply = "refused"
        assert reply == model(command), command
        prefix = rng.choice([b"", b"a", b"\xff"])
        expected = sorted(item for item in model.values.items() if item[0].startswith(prefix))
        assert [item for page in pages(store, prefix, 2) for item in page.items] == expected


# Snapshots without copies.


@pytest.mark.parametrize("seed", range(30))
def test_every_page_of_every_scan_shows_the_moment_of_its_first(store: Store, seed: int) -> None:
    """Several scans are open at once, of several prefixes, while keys are put, removed, and put again."""
    rng = random.Random(seed)
    keys = [b"%c%d" % (rng.choice(b"ab"), number) for number in range(40)]
    open_scans: list[tuple[Page, bytes, dict[bytes, bytes], list[tuple[bytes, bytes]]]] = []
    finished = 0
    for _ in range(600):
        key, choice = rng.choice(keys), rng.random()
        if choice < 0.45:
            store(Put(key, b"%d" % rng.randrange(1000)))
        elif choice < 0.75:
            store(Delete(key))
        elif choice < 0.8 and len(open_scans) < SCANS_KEPT:
            prefix = rng.choice((b"", b"a", b"b1"))
            now = {key: value for key, value in store.machine._values.items() if key.startswith(prefix)}
            page = store(Scan(prefix, 3))
            open_scans.append((page, prefix, now, list(page.items)))
        elif open_scans:
            page, prefix, then, seen = open_scans.pop(rng.randrange(len(open_scans)))
            if page.more:
                with contextlib.suppress(CommandRefused):  # it was begun too long ago
                    page = store(ScanOn(page.scan, seen[-1][0], rng.randint(1, 5)))
                    open_scans.append((page, prefix, then, [*seen, *page.items]))
            else:
                assert seen == sorted(then.items())
                finished += 1
    assert finished > 5


def test_a_page_looks_at_no_more_of_the_store_than_it_holds() -> None:
    class Counted(dict[bytes, bytes]):
        looked = 0

        def get(self, key: bytes, default: Any = None) -> Any:
            self.looked += 1
            return super().get(key, default)

    store = Store()
    store.machine._keys = [b"k%09d" % number for number in range(200_000)]
    values = Counted(dict.fromkeys(store.machine._keys, b"v"))
    store.machine._values = values

    first = store(Scan(b"k", 10))
    second = store(ScanOn(first.scan, first.items[-1][0], 10))

    assert [key for key, _ in (*first.items, *second.items)] == store.machine._keys[:20]
    assert first.more
    assert values.looked <= 2 * 11


def test_a_scan_since_which_too_much_has_changed_ends(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coterie.actors.groups.key_value.SCAN_CHANGES_MAX", 10)
    store(AtomicBatch(put={b"a%d" % number: b"1" for number in range(30)}))
    scan = store(Scan(b"a", 1))
    for number in range(10):
        store(Put(b"a%d" % number, b"2"))
        store(Put(b"b%d" % number, b"not in the scan"))
    assert store(ScanOn(scan.scan, b"a0", 1)).items == ((b"a1", b"1"),)

    store(Put(b"a10", b"2"))

    with pytest.raises(CommandRefused, match="is gone: begin again"):
        store(ScanOn(scan.scan, b"a1", 1))
