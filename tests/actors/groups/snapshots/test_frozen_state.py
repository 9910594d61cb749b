"""What is remembered of the state of a machine, what counts as a difference from it, and what it costs at most."""

from __future__ import annotations

import copy
import datetime as dt
import functools
import itertools
import logging
import random
import threading
import types
import weakref
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple

import pytest

from coterie import Ask, StateMachine, message
from coterie.actors.groups.snapshots.frozen_difference import Difference, differences
from coterie.actors.groups.snapshots.frozen_state import FrozenState
from coterie.actors.groups.snapshots.state_paths import path_text

ENOUGH = 10_000


@message(name="test_frozen_state.Do")
class Do(Ask[None]):
    pass


class Machine(StateMachine[Do]):
    transient = ("cache",)

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)

    @functools.cached_property
    def sorted(self) -> list[int]:
        return [1]


@dataclass
class Order:
    number: int
    lines: list[Any] = field(default_factory=list)
    seen: int = field(default=0, compare=False)


class Job:
    """A class without `==`."""

    transient: ClassVar[tuple[str, ...]] = ("text",)

    def __init__(self, name: str, priority: int = 0) -> None:
        self.name = name
        self.priority = priority


@dataclass(frozen=True)
class Fixed:
    lines: tuple[int, ...] | list[int]


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a: object) -> None:
        self.a = a


class ByName:
    """Equal by its name, whatever else it holds."""

    def __init__(self, name: str, balance: int) -> None:
        self.name = name
        self.balance = balance

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByName) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


class Point(NamedTuple):
    x: int
    y: int


class Rows(list[Any]):
    def __len__(self) -> int:
        raise AssertionError("its own code is not called")

    def __iter__(self) -> Any:
        raise AssertionError("its own code is not called")


class Angry:
    """A key whose own code raises once it is asked for."""

    is_angry = False

    def __hash__(self) -> int:
        if Angry.is_angry:
            raise RuntimeError
        return 1

    def __eq__(self, other: object) -> bool:
        return self is other


def difference(value: object, other: object, values_max: int = ENOUGH) -> Difference | None:
    """The difference of two machines with these values."""
    state = FrozenState(Machine(value=value), values_max)
    return next((found for found in differences(state, Machine(value=other)) if found), None)


SAME: list[Callable[[], Any]] = [
    lambda: [None, True, 1, 1.5, "a", b"a", float("nan"), 10**30],
    lambda: [[1], (2, [3]), {4}, frozenset([5]), deque([6], 3), bytearray(b"7"), array("i", [8])],
    lambda: {"a": [1], 2: {"b": {}}, (3, "c"): None, frozenset([4]): 1, b"5": 1, dt.date(2020, 1, 1): 1},
    lambda: [Counter("aab"), OrderedDict([(2, 1), (1, 2)]), defaultdict(list, {"a": [1]})],
    lambda: [Order(1, [Order(2)]), Job("a"), Slotted([1]), ByName("a", 1), Point(1, 2), Rows([Job("b")])],
    lambda: [dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.timedelta(1), itertools.count(5), random.Random(3)],
    lambda: {Order: 1, ByName("a", 1): Job("a")},
    lambda: {str(number): Job(str(number)) for number in range(3000)},
    lambda: [defaultdict(lambda: 7), defaultdict(functools.partial(int, "1")), memoryview(b"ab"), Decimal("NaN")],
    lambda: [[row, row] for row in [[1]] * 3],
]


@pytest.mark.parametrize("values_max", [3, 30, 300, ENOUGH])
@pytest.mark.parametrize("make", SAME)
def test_what_was_made_in_the_same_way_is_the_same(make: Callable[[], Any], values_max: int) -> None:
    assert difference(make(), make(), values_max) is None


ROW = [5]
JOB = Job("j")
FIXED = Fixed([1])

DIFFERENT: list[tuple[Any, Any, str, str, str]] = [
    ([1, 2], [2, 1], ".value[", "", ""),
    ([1, 2, 3], [1, 2], ".value", "3 items", "2 items"),
    ({"a": 1}, {}, ".value", "1 item", "0 items"),
    ({"a": 1}, {"b": 1}, ".value['a']", "1", "missing"),
    ({1: "a"}, {"1": "a"}, ".value[1]", "'a'", "missing"),
    ({1, 2}, {1, 3}, ".value", "with 2", "without"),
    (OrderedDict(a=1, b=2), OrderedDict(b=2, a=1), ".value", "with 'a' as key 0", "with 'b' there"),
    (OrderedDict(a=[1], b=2), OrderedDict(b=2, a=[1]), ".value", "with 'a' as key 0", "with 'b' there"),
    (1, 1.0, ".value", "1", "1.0"),
    (1, True, ".value", "1", "True"),
    ((1, 2), [1, 2], ".value", "a tuple", "[1, 2]"),
    (defaultdict(list), {}, ".value", "a defaultdict", "{}"),
    (deque([1], 2), deque([1], 3), ".value", "a deque of maxlen 2", "one of 3"),
    (bytearray(b"a"), bytearray(b"b"), ".value", "a bytearray", "another one"),
    (itertools.count(3), itertools.count(), ".value", "a count", "another one"),
    (random.Random(1), random.Random(2), ".value", "a Random", "another one"),
    ([Order(1, [2])], [Order(1)], ".value[0].lines", "1 item", "0 items"),
    ([Job("a", 1)], [Job("a", 2)], ".value[0].priority", "1", "2"),
    (Slotted(1), Slotted(2), ".value.a", "1", "2"),
    ([ByName("a", 1)], [ByName("a", 0)], ".value[0].balance", "1", "0"),
    (Point(1, 2), Point(1, 3), ".value[1]", "2", "3"),
    (Rows([1]), Rows([2]), ".value[0]", "1", "2"),
    (dt.date(2020, 1, 1), dt.date(2020, 1, 2), ".value", "datetime.date(2020, 1, 1)", "datetime.date(2020, 1, 2)"),
    (0.0, -0.0, ".value", "0.0", "-0.0"),
    ([1, -0.0], [1, 0.0], ".value[1]", "-0.0", "0.0"),
    (complex(0, -0.0), 0j, ".value", "-0j", "0j"),
    (Decimal("31.90"), Decimal("31.9"), ".value", "Decimal('31.90')", "Decimal('31.9')"),
    (defaultdict(int), defaultdict(list), ".value", "a defaultdict of <class 'int'>", "one of <class 'list'>"),
    (defaultdict(int), defaultdict(lambda: 7), ".value", "", ""),
    (defaultdict(lambda: 7), defaultdict(lambda: 8), ".value", "", ""),
    (defaultdict(None, a=1), defaultdict(int, a=1), ".value", "a defaultdict of None", "one of <class 'int'>"),
    (memoryview(b"ab"), memoryview(b"ac"), ".value", "a memoryview", "another one"),
    ([ROW, ROW], [[5], [5]], ".value[1]", "the list that is also at .value[0]", "another list"),
    ([[5], [5]], [ROW, ROW], ".value[1]", "another list than at .value[0]", "the same one"),
    ({"a": ROW, "b": ROW}, {"a": [5], "b": [5]}, ".value['b']", "the list that is also at .value['a']", "another list"),
    ((JOB, [JOB]), (Job("j"), [Job("j")]), ".value[1][0]", "the Job that is also at .value[0]", "another Job"),
    (None, [], ".value", "None", "[]"),
    ([1], None, ".value", "a list", "None"),
]


@pytest.mark.parametrize(("value", "other", "path", "mine", "theirs"), DIFFERENT)
def test_difference_is_found_and_named(value: Any, other: Any, path: str, mine: str, theirs: str) -> None:
    found = difference(value, other)

    assert found is not None
    assert found.path.startswith(path)
    if mine:
        assert found[:3] == (path, mine, theirs)


@pytest.mark.parametrize(
    ("value", "other", "is_loss"),
    [
        ([1, 2], [1], True),
        ([1], [1, 2], False),
        ([1], None, True),
        ([], None, False),
        ({1: 2}, {2: 2}, True),
        ({1: [2]}, {2: [2]}, True),
        ({1}, {2}, True),
        (1, 2, False),
        ([1, 2], [2, 1], False),
        (OrderedDict(a=1, b=2), OrderedDict(b=2, a=1), False),
    ],
)
def test_what_a_collection_held_and_is_gone_is_a_loss(value: Any, other: Any, is_loss: bool) -> None:
    found = difference(value, other)

    assert found is not None
    assert found.is_loss is is_loss


@pytest.mark.parametrize(
    ("value", "other"),
    [
        ({"b": 1, "a": 2}, {"a": 2, "b": 1}),
        ({8, 0}, {0, 8}),
        ([Order(1, seen=1)], [Order(1, seen=2)]),
        (threading.Lock(), threading.Lock()),
        (threading.Event(), threading.Event()),
        (lambda: 1, lambda: 2),
        (functools.partial(int, "1"), functools.partial(int, "2")),
        (Job("a").__init__, Job("b").__init__),  # type: ignore[misc]
        (weakref.ref(Job), weakref.ref(Order)),
        (logging.getLogger("a"), logging.getLogger("b")),
        ({Job("a"): 1}, {Job("a"): 1}),  # equal to itself alone
        (OrderedDict({Job("a"): 1}), OrderedDict({Job("a"): 1})),
        (types.MappingProxyType({1: 2}), types.MappingProxyType({1: 3})),
        ([(1, 2), FIXED, FIXED], [(1, 2), Fixed(FIXED.lines), Fixed(FIXED.lines)]),  # they never change
        ([dt.date(2020, 1, 1)] * 2, [dt.date(2020, 1, 1), dt.date(2020, 1, 1)]),
        ({(Job("a"), 1)}, {(Job("a"), 1)}),
    ],
)
def test_order_without_meaning_and_what_is_no_state_make_no_difference(value: Any, other: Any) -> None:
    assert difference(value, other) is None


def test_transient_and_cached_attributes_make_no_difference() -> None:
    job, other = Job("a"), Job("a")
    vars(job)["text"] = "cached"
    one, two = Machine(cache={1: 2}, job=job, index=5, version=3), Machine(cache={}, job=other)
    assert one.sorted == [1]

    assert list(differences(FrozenState(one, ENOUGH), two)) == []
    found = [each for each in differences(FrozenState(one, ENOUGH, with_transient=True), two) if each]
    assert [each.path for each in found] == [".job.text"]


def test_attribute_that_the_class_has_counts_and_one_that_only_the_other_has_does_not() -> None:
    class Classy(Machine):
        total = 0
        slot: int

    assert list(differences(FrozenState(Classy(total=0), ENOUGH), Classy(more=[1]))) == []
    (found,) = differences(FrozenState(Classy(total=1), ENOUGH), Classy())
    assert found == (".total", "1", "0", False)
    (found,) = differences(FrozenState(Classy(orders=[]), ENOUGH), Classy())
    assert found == (".orders", "a list", "missing", True)


@pytest.mark.parametrize("make", SAME[1:5])
def test_what_was_frozen_stays_as_it_was_whatever_happens_to_the_machine(make: Callable[[], Any]) -> None:
    machine = Machine(value=make())
    state = FrozenState(machine, ENOUGH)

    def spoil(value: Any) -> None:
        for part in list(value.values() if isinstance(value, dict) else value):
            if isinstance(part, (list, dict, set, deque, bytearray)):
                part.clear()
            elif hasattr(part, "__dict__"):
                vars(part).clear()
        value.clear()

    spoil(machine.value)  # type: ignore[attr-defined]

    assert list(differences(state, Machine(value=make()))) == []
    assert [found.path for found in differences(state, machine) if found] == [".value"]


def test_object_that_two_machines_share_is_the_same_and_the_machine_itself_may_have_changed() -> None:
    shared = [[1]]
    one = Machine(value=shared)
    state = FrozenState(one, ENOUGH)
    shared[0].append(2)

    assert list(differences(state, Machine(value=shared))) == []
    (found,) = differences(state, one)
    assert found == (".value[0]", "1 item", "2 items", False)


def test_cycles_and_deep_nesting_end() -> None:
    def nested() -> list[Any]:
        value: list[Any] = []
        for _ in range(5000):
            value = [value]
        return value

    cycle: list[Any] = [1]
    cycle.append(cycle)

    assert difference(nested(), nested()) is None
    assert difference(cycle, copy.deepcopy(cycle)) is None


def test_code_of_a_key_that_raises_is_no_difference() -> None:
    key = Angry()
    state = FrozenState(Machine(value={key: [1]}, items={key}), ENOUGH)
    Angry.is_angry = True
    try:
        assert list(differences(state, Machine(value={1: 2}, items={1}))) == []
    finally:
        Angry.is_angry = False


@pytest.mark.parametrize("values_max", [100, 1000])
@pytest.mark.parametrize(
    "make",
    [
        lambda: [[number] for number in range(50_000)],
        lambda: {number: [number] for number in range(50_000)},
        lambda: deque([number] for number in range(50_000)),
        lambda: list(range(50_000)),
        lambda: {str(number) for number in range(50_000)},
        lambda: {ByName(str(number), number) for number in range(50_000)},
        lambda: OrderedDict((number, number) for number in range(50_000)),
        lambda: [[[number] * 1000] * 1000 for number in range(100)],
        lambda: {f"table {number}": [[[1]] * 3 for _ in range(10_000)] for number in range(5)},
    ],
)
def test_what_it_costs_is_bounded_and_sizes_are_seen_all_the_same(make: Callable[[], Any], values_max: int) -> None:
    one = Machine(value=make(), after=[1])
    state = FrozenState(one, values_max)

    assert state._used <= values_max + 60
    assert len(list(differences(state, one))) <= 10 * values_max
    assert list(filter(None, differences(state, Machine(value=make(), after=[1])))) == []
    for shorter in (Machine(value=type(one.value)(), after=[1]), Machine(value=make(), after=[])):  # type: ignore[attr-defined]
        assert len(list(filter(None, differences(state, shorter)))) == 1


def test_of_a_large_list_the_sample_is_spread_so_that_another_order_shows() -> None:
    rows = [[number] for number in range(50_000)]
    moved = [*rows[:40_000], *reversed(rows[40_000:])]

    assert difference(rows, copy.deepcopy(moved), 500) is not None
    assert difference(rows, [*copy.deepcopy(rows[:-1]), [0]], 500) is not None


def test_attributes_with_a_value_are_noted_also_those_of_items_and_of_tables() -> None:
    def filled(**attributes: Any) -> set[str]:
        return {f"{cls.__name__}.{name}" for cls, name in FrozenState(Machine(**attributes), ENOUGH).filled}

    assert filled(a=0, b=None, c="", d=[], e={}, f=0.0) == set()
    assert filled(a=[Order(0)], tables={"users": {}, "orders": {}}) == {"Machine.a", "Machine.tables"}
    assert filled(a=[Order(0, [1])], tables={"users": {}, "orders": {1: 2}}) == {
        "Machine.a",
        "Order.lines",
        "Machine.tables",
        "Machine.tables[orders]",
    }


def test_path_of_what_is_nested_deeply_is_short() -> None:
    path: Any = (None, ".value")
    for _ in range(200):
        path = (path, (0,))

    assert path_text(path) == ".value[0][0][0]…[0][0][0][0] (201 levels deep)"
    assert path_text((((None, ".a"), ("k",)), ".b")) == ".a['k'].b"


def moved(keys: str, last: str) -> OrderedDict[Any, Any]:
    found: OrderedDict[Any, Any] = OrderedDict((key, [key]) for key in keys)
    found.move_to_end(last)
    return found


@pytest.mark.parametrize("values_max", [3, 30, ENOUGH])
@pytest.mark.parametrize("is_flat", [True, False])
def test_ordered_dict_in_which_keys_were_moved_has_the_order_that_it_shows(values_max: int, is_flat: bool) -> None:
    value = moved("abcd", "a")
    if is_flat:
        value.update({key: key.upper() for key in value})
    machine = Machine(value=value)
    state = FrozenState(machine, values_max)

    assert list(filter(None, differences(state, machine))) == []
    assert list(filter(None, differences(state, Machine(value=OrderedDict(copy.deepcopy([*value.items()])))))) == []
    machine.value.move_to_end("a", last=False)  # type: ignore[attr-defined]
    found = [each for each in differences(state, machine) if each]
    assert [each.frozen for each in found] == ["with 'b' as key 0"]


def late(value: Any, other: Any, change: Callable[[], object]) -> Difference | None:
    """The difference from another machine if the first one is changed between the freezing and the comparison."""
    state = FrozenState(Machine(value=value), ENOUGH)
    change()
    return next((found for found in differences(state, Machine(value=other)) if found), None)


class Account:
    """A key whose `==` looks at more than its hash."""

    def __init__(self, name: str, balance: int) -> None:
        self.name, self.balance = name, balance

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Account) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash(self.name)


def test_what_a_command_changes_before_the_comparison_is_no_difference() -> None:
    account = Account("a", 1)

    def pay() -> None:
        account.balance += 1

    for value, other in [
        ({account}, {Account("a", 1)}),
        ({account: [1]}, {Account("a", 1): [1]}),
        (OrderedDict({account: 1}), OrderedDict({Account("a", 1): 1})),
    ]:
        account.balance = 1
        assert late(value, other, lambda: None) is None
        assert late(value, other, pay) is None
    account.balance = 1
    assert late({account}, {Account("a", 2)}, lambda: None) is not None

    buffer = bytearray(b"ab")
    assert late(memoryview(buffer), memoryview(b"ab"), lambda: buffer.__setitem__(0, 1)) is None
    rows = {1: 2}
    assert late(types.MappingProxyType(rows), types.MappingProxyType({1: 2}), rows.clear) is None
    made: defaultdict[str, int] = defaultdict(int)
    assert late(made, defaultdict(int), lambda: setattr(made, "default_factory", None)) is None


def counter() -> Callable[[], int]:
    count = 0

    def add() -> int:
        nonlocal count
        count += 1
        return count

    return add


def test_what_may_be_state_and_cannot_be_seen_is_named_by_its_attribute() -> None:
    def unseen(**attributes: Any) -> dict[str, str]:
        machine = Machine(**attributes)
        vars(machine)["own"] = lambda: machine
        return FrozenState(machine, ENOUGH).unseen

    assert unseen(a=counter(), b=[1, iter([1])], c={"x": (each for each in "ab")}) == {
        "a": "function",
        "b": "list_iterator",
        "c": "generator",
    }
    assert unseen(a=functools.partial(print, [1])) == {"a": "partial"}
    assert (
        unseen(
            a=threading.Lock(),
            b=logging.getLogger("a"),
            c=len,
            d=Job,
            e=lambda: 1,
            f=functools.partial(int, "1"),
            g=weakref.ref(Job),
            h=Job("a").__init__,  # type: ignore[misc]
            cache=counter(),
        )
        == {}
    )
