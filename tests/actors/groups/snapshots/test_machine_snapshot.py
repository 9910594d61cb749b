"""The default snapshot: everything comes back equal, of the same class and in the same order, or is refused by name."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import random
import threading
import uuid
import weakref
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest

from coterie.actors.groups.snapshots.machine_snapshot import is_partly_restored, pieces_of_unused
from coterie.actors.groups.snapshots.state_tokens import DEPTH_MAX, PIECE_BYTES, PIECE_TOKENS
from coterie.actors.groups.state_machine import commands_of
from coterie.actors.simulation.checkers.state_structure import first_difference, structure_of
from coterie.errors import SnapshotFailed
from coterie.protocols.replicated_log import LogIndex
from tests.actors.groups.snapshots.saved_machine import (
    Checked,
    Colour,
    Do,
    Key,
    Line,
    Machine,
    Money,
    Order,
    Place,
    Point,
    Rights,
    Size,
    machine_with,
    restore_all,
    restored,
    shape,
)

VALUES = [
    None,
    True,
    False,
    0,
    -1,
    2**63 - 1,
    -(2**63),
    2**63,
    -(2**63) - 1,
    -(2**200),
    3**500,
    0.0,
    -0.0,
    1.5,
    float("inf"),
    "",
    "grüße \N{SNOWMAN}",
    "lone \udc80 and \ud800",
    b"",
    b"\0\xff",
    bytearray(b"abc"),
    [],
    [[], [1, [2]]],
    (),
    (1, (2,), [3]),
    {},
    {"b": 1, "a": {"z": [1], 2: None, None: b"", (1, "x"): 1.0}},
    {1, 2, 3},
    set(),
    frozenset({(1, 2), "x"}),
    deque([1, 2], maxlen=5),
    deque(maxlen=0),
    deque([[1]]),
    Counter("abracadabra"),
    OrderedDict([("b", 1), ("a", [2])]),
    dt.datetime(2026, 11, 30, 13, 5, 39, 250),  # noqa: DTZ001 (also without a zone)
    dt.datetime(2026, 11, 30, 13, 5, tzinfo=dt.UTC),
    dt.datetime(2026, 10, 25, 2, 30, fold=1),  # noqa: DTZ001 (as above)
    dt.datetime(2026, 11, 30, tzinfo=dt.timezone(dt.timedelta(hours=-3, seconds=7), "X")),
    dt.date(1, 1, 1),
    dt.timedelta(days=-1, microseconds=3),
    decimal.Decimal("-1.50E+7"),
    decimal.Decimal("1.00"),
    decimal.Decimal("sNaN12"),
    decimal.Decimal("1E+999999999"),
    uuid.UUID(int=7),
    Colour.BLUE,
    Size.L,
    Rights.READ | Rights.WRITE,
    Rights(0),
    Place(1),
    Place(2, {"b": "x", "a": "y"}, Size.L, Money(decimal.Decimal("1.0"))),
    {Place(1, {}).hall: [Place(1), Place(1)]},
    Money(decimal.Decimal(3)),
    Do(Place(3), Size.L),
    {"a": Order(1, [Line("tea", Point(1, 2)), Line("salt", Point(0), 5)])},
    Point(1),
    {Key("a", (1, 2)): Rights.READ},
    Checked(4),
]


@pytest.mark.parametrize("value", VALUES)
def test_value_comes_back_equal_and_of_the_same_class(value: object) -> None:
    machine = restored(machine_with(value))

    assert shape(machine.value) == shape(value)
    assert "sNaN" in repr(value) or machine.value == value
    assert sorted(repr(machine.value)) == sorted(repr(value))  # the order of a set may differ


def test_time_zone_comes_back_with_its_name_and_a_moment_with_its_fold() -> None:
    named = dt.timezone(dt.timedelta(hours=1), "CET")
    folded = dt.datetime(2026, 1, 1, 2, fold=1)  # noqa: DTZ001 (as above)
    machine = restored(machine_with([dt.datetime(2026, 1, 1, tzinfo=named), folded]))

    assert machine.value[0].tzname() == "CET"
    assert machine.value[1].fold == 1


def test_flat_and_nested_collections_of_any_size_come_back() -> None:
    large: list[Any] = [
        {f"key {number}": number for number in range(5_000)},
        list(range(5_000)),
        {number: Place(number) for number in range(2_000)},
        {number: [number] for number in range(2_000)},
        {float(number) for number in range(3_000)},
        deque(range(3_000), maxlen=3_000),
        Counter(range(1_500)),
        OrderedDict((number, b"") for number in range(1_500)),
        tuple(range(1_500)),
        frozenset(range(1_500)),
        ["x" * 1_000] * 1_000,
    ]
    machine = Machine()
    for number, value in enumerate(large):
        vars(machine)[f"value_{number}"] = value
    machine.by_name.update({str(number): [number] for number in range(1_200)})

    again = restored(machine)

    assert first_difference(structure_of(machine), structure_of(again)) is None
    assert again.by_name["new"] == []


def test_attributes_keep_their_order_also_those_that_are_encoded_later() -> None:
    machine = machine_with(list(range(2_000)))
    machine.version = 3
    machine.index = LogIndex(7)
    vars(machine)["after"] = 1

    again = Machine()
    again.version, again.index = 3, LogIndex(9)
    restored(machine, again)

    assert list(vars(again)) == list(vars(machine)) == ["by_name", "value", "version", "index", "after"]
    assert again.index == 9, "the runtime sets it"


def test_pieces_show_the_moment_of_the_call_whatever_changes_while_they_are_taken() -> None:
    machine = machine_with({number: number for number in range(20_000)})
    vars(machine)["small"] = {"a": [1]}
    vars(machine)["orders"] = {"a": Order(1)}
    expected = structure_of(machine)

    pieces = machine.snapshot()
    again = Machine()
    for number, piece in enumerate(pieces):
        again.restore(piece)
        machine.value[number] = -1  # type: ignore[attr-defined]
        del machine.value[19_000 - number]  # type: ignore[attr-defined]
        machine.small["a"].append(number)  # type: ignore[attr-defined]
        machine.orders["a"].note = "changed"

    assert first_difference(expected, structure_of(again)) is None


def test_pieces_are_bounded_but_for_a_single_long_value() -> None:
    values: list[object] = [b"x" * 100_000 for _ in range(20)]
    machine = machine_with([*values, bytes(3 * PIECE_BYTES), *((None,) for _ in range(10 * PIECE_TOKENS)), "end"])

    sizes = [len(piece) for piece in machine.snapshot()]

    assert sorted(sizes)[-2] <= PIECE_BYTES + 100
    assert len(sizes) > 15
    assert shape(restored(machine).value) == shape(vars(machine)["value"])


def test_values_may_be_nested_deeply_and_not_without_end() -> None:
    def nested(levels: int) -> list[Any]:
        value: list[Any] = []
        for _ in range(levels - 1):
            value = [value]
        return value

    assert restored(machine_with(nested(DEPTH_MAX - 1))).value == nested(DEPTH_MAX - 1)
    with pytest.raises(
        SnapshotFailed, match=r"^Machine\.value(\[0\]){3}…(\[0\]){4} \(201 levels deep\), a list, .* more than 200 "
    ):
        machine_with(nested(5_000)).snapshot()
    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    with pytest.raises(SnapshotFailed, match=r"Machine\.value and Machine\.value\['self'\] are one dict"):
        machine_with(cycle).snapshot()


def shared() -> list[tuple[object, str]]:
    items = [1]
    order = Order(1)
    large = {number: number for number in range(2_000)}
    mapping: dict[str, str] = {}
    counts = Counter("a")
    return [
        ({"a": items, "b": [items]}, r"Machine\.value\['a'\] and Machine\.value\['b'\]\[0\] are one list"),
        ([order, (order,)], r"Machine\.value\[0\] and Machine\.value\[1\]\[0\] are one Order"),
        ([large, large], "are one dict"),
        ({"x": (1, items), "y": (2, items)}, r"value\['x'\]\[1\] and Machine\.value\['y'\]\[1\] are one list"),
        ([mapping, mapping], "are one dict"),
        ([counts, counts], "are one Counter"),
        ([items, items], "Keep it in one place, or write"),
    ]


@pytest.mark.parametrize(("value", "text"), shared())
def test_object_that_can_be_reached_in_two_ways_is_refused(value: object, text: str) -> None:
    with pytest.raises(SnapshotFailed, match=text):
        machine_with(value).snapshot()


def test_large_collection_that_two_attributes_share_is_refused() -> None:
    machine = machine_with({number: number for number in range(2_000)})
    vars(machine)["other"] = vars(machine)["value"]

    with pytest.raises(SnapshotFailed, match=r"Machine\.value and Machine\.other are one dict"):
        machine.snapshot()


def test_immutable_values_may_be_shared() -> None:
    place, key, text = Place(1, {"a": "b"}), Key("k", (1,)), "text"
    value = [place, place, key, key, text, text, (1, 2), {"a": place}]

    assert restored(machine_with(value)).value == value


class Unnamed(enum.Enum):
    ONE = 1


@dataclass
class Stranger:
    number: int


class Text(str):
    __slots__ = ()


REFUSED = [
    (lambda: 1, r"Machine\.value is a function, which cannot be saved by itself: write `snapshot` and `restore` of"),
    (Text("x"), r"Machine\.value is a Text"),
    ([{"a": Text("x")}], r"Machine\.value\[0\]\['a'\] is a Text"),
    ({"a": Unnamed.ONE}, r"Machine\.value\['a'\] is a Unnamed, which neither the commands nor the annotations of Mach"),
    ({"a": {Stranger: 1}}, r"value\['a'\], key <class .*Stranger'> is a type"),
    ({"a": [Stranger(1)]}, r"Machine\.value\['a'\]\[0\] is a Stranger.*annotate the attribute in the class"),
    (object(), r"Machine\.value is a object"),
    ([defaultdict(list, a=[1])], None),
    (random.Random(1), r"Machine\.value is a Random"),
    (iter([1]), "list_iterator"),
    (memoryview(b"x"), "memoryview"),
    (range(3), "is a range"),
    (1j, "is a complex"),
    (Place, "is a type"),
    (dt.datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")), r"its time zone is a ZoneInfo: use datetime\.timezone"),
    (type("D", (dict,), {})(), r"Machine\.value is a D"),
    (Place(1, labels={"a": []}), "stands in a message"),  # type: ignore[dict-item]
    ([Place(number, labels={"a": []}) for number in range(1_500)], "stands in a message"),  # type: ignore[dict-item]
]


@pytest.mark.parametrize(("value", "text"), REFUSED)
def test_anything_else_is_refused_with_its_place_and_what_to_do(value: object, text: str | None) -> None:
    if text is None:
        text = "defaultdict"
    with pytest.raises(SnapshotFailed, match=text):
        list(machine_with(value).snapshot())


def test_order_of_a_set_may_differ_but_its_items_do_not() -> None:
    value = {f"item {number}" for number in range(100)}

    assert restored(machine_with(value)).value == value


# Malformed pieces.


def test_pieces_cut_or_altered_anywhere_are_refused_or_make_another_state() -> None:
    machine = machine_with(VALUES)
    (piece,) = machine.snapshot()
    rng = random.Random(5)
    for end in [0, *(rng.randrange(len(piece)) for _ in range(300))]:
        into = Machine()
        with pytest.raises(ValueError, match=r"piece|state|saved|expected"):
            restore_whole(into, piece[:end])
        assert "value" not in vars(into)
    refused = 0
    for _ in range(2_000):
        altered = bytearray(piece)
        altered[rng.randrange(len(altered))] = rng.randrange(256)
        try:
            restore_whole(Machine(), bytes(altered))
        except ValueError:
            refused += 1
    assert refused > 200


def restore_whole(into: Machine, piece: bytes) -> None:
    into.restore(piece)
    if is_partly_restored(into):
        raise ValueError("a piece is missing")


def test_piece_too_many_and_pieces_out_of_order_are_refused() -> None:
    pieces = list(machine_with({number: [str(number)] for number in range(3_000)}).snapshot())
    assert len(pieces) > 2
    with pytest.raises(ValueError, match=r"piece|saved|state"):
        Machine().restore(pieces[1])
    into = Machine()
    into.restore(pieces[0])
    assert is_partly_restored(into)
    with pytest.raises(ValueError, match=r"not defined|equal|saved|state"):
        restore_all(into, [pieces[1], pieces[1], *pieces[2:], b"\1\0"])


@pytest.mark.parametrize("seed", range(20))
def test_random_state_comes_back(seed: int) -> None:
    rng = random.Random(seed)
    leaves: list[Callable[[], Any]] = [
        lambda: rng.randrange(-(2**70), 2**70),
        lambda: str(rng.random()),
        lambda: rng.randbytes(rng.randrange(20)),
        lambda: rng.choice(list(Colour)),
        lambda: Place(rng.randrange(9), {"a": "b"}),
        lambda: Point(rng.randrange(9)),
        lambda: None,
        lambda: Key(str(rng.random())),
    ]

    def value(depth: int) -> Any:
        if depth == 0 or rng.random() < 0.3:
            return rng.choice(leaves)()
        inner = [value(depth - 1) for _ in range(rng.randrange(6))]
        kinds: list[Callable[[], Any]] = [
            lambda: inner,
            lambda: tuple(inner),
            lambda: deque(inner, maxlen=rng.choice((None, 9))),
            lambda: {rng.choice(leaves[:3])(): one for one in inner},
            lambda: OrderedDict((str(number), one) for number, one in enumerate(inner)),
            lambda: Order(1, inner),
            lambda: {rng.choice(leaves[:3])() for _ in range(5)},
        ]
        return rng.choice(kinds)()

    machine = Machine()
    for number in range(8):
        vars(machine)[f"value_{number}"] = value(5)

    assert first_difference(structure_of(machine), structure_of(restored(machine))) is None


def test_transient_attributes_are_not_saved_and_stay_as_init_made_them() -> None:
    class Caching(Machine):
        transient: ClassVar[tuple[str, ...]] = ("cache", "lock")

        def __init__(self) -> None:
            super().__init__()
            self.cache: dict[int, int] = {}
            self.lock = threading.Lock()

    class More(Caching):
        transient = ("more",)

    for kind in (Caching, More):
        machine: Any = machine_with([1], kind)
        machine.cache[1] = 2
        if kind is More:
            vars(machine)["more"] = object()

        again = restored(machine)

        assert (again.value, again.cache) == ([1], {})
        assert again.lock is not machine.lock
        assert not hasattr(again, "more")


def test_of_a_machine_that_applies_nothing_the_same_is_saved_while_the_pieces_are_taken() -> None:
    machine = machine_with([[number, str(number)] for number in range(5000)])
    machine.flat = list(range(2000))  # type: ignore[attr-defined]
    at_once, commands = list(machine.snapshot()), commands_of(Machine)
    taken = pieces_of_unused(machine, commands)
    first = next(taken)
    machine.flat.append(2000)  # type: ignore[attr-defined]
    later = [first, *taken]
    pieces = list(pieces_of_unused(machine, commands))
    again = Machine()
    restore_all(again, later)

    assert vars(again) == vars(machine)  # what came meanwhile shows: it was encoded later
    assert sum(map(len, later)) - len(later) == sum(map(len, at_once)) - len(at_once) + 9
    assert later == pieces


def test_restored_machine_that_is_dropped_is_freed_at_once() -> None:
    machine, pieces = Machine(), list(machine_with([1]).snapshot())
    restore_all(machine, pieces)
    freed = weakref.ref(machine)

    del machine

    assert freed() is None
