"""The checker against exhaustive search, against correct objects, and against histories known to be wrong."""

from __future__ import annotations

import random
import sys
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from coterie.protocols.checking.linearizability import (
    UNKNOWN,
    AppendList,
    Counter,
    Datum,
    History,
    HistoryError,
    KeyValue,
    Model,
    Operation,
    Output,
    Register,
    Status,
    check,
)
from tests.protocols.checking.linearizability.histories import brute_force, random_history, recorded, told


def some(*inputs: Datum) -> Callable[[random.Random], Datum]:
    return lambda rng: rng.choice(inputs)


def telling(**outputs: Sequence[Output]) -> Callable[[random.Random, Datum], Output]:
    """Choose an output by the verb."""

    def choose(rng: random.Random, asked: Datum) -> Output:
        assert isinstance(asked, tuple)
        return rng.choice(outputs[str(asked[0])])

    return choose


VALUES: Sequence[Datum] = (None, 1, 2)
SWAPS = tuple(("compare_and_swap", a, b) for a in VALUES for b in (1, 2, 3))
Case = tuple[Model[Any], Callable[[random.Random], Datum], Callable[[random.Random, Datum], Output]]
CASES: dict[str, Case] = {
    "register": (
        Register(),
        some(("read",), ("read",), ("write", 1), ("write", 2), ("write", 3)),
        telling(read=VALUES, write=(None,)),
    ),
    "compare and swap": (
        Register(initial=1),
        some(("read",), ("read",), ("write", 1), ("write", 3), *SWAPS[3:]),
        telling(read=(1, 2, 3), write=(None,), compare_and_swap=(True, False)),
    ),
    "key-value": (
        KeyValue(),
        some(("get",), ("get",), ("put", 1), ("put", 2), ("put", 3), ("delete",), SWAPS[0], SWAPS[4]),
        telling(get=VALUES, put=(None,), delete=(True, False), compare_and_swap=(True, False)),
    ),
    "append": (
        AppendList(),
        some(("read",), ("append", 1), ("append", 2), ("append", 1)),
        telling(read=((), (1,), (1, 2), (2, 1), (1, 1)), append=(None, None, None, None, 1, 2)),
    ),
    "append without lengths": (
        AppendList(),
        some(("read",), ("append", 1), ("append", 2), ("append", 3)),
        telling(read=((), (1,), (1, 2), (2, 1), (3,)), append=(None,)),
    ),
    "counter": (
        Counter(),
        some(("read",), ("increment",), ("increment", 2)),
        telling(read=(0, 1, 2, 3), increment=(None, None, 1, 2, 3)),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_checker_agrees_with_trying_every_order(name: str) -> None:
    model, inputs, outputs = CASES[name]
    tally: Tally[Status] = Tally()
    for seed in range(1500):
        rng = random.Random(f"{name}/{seed}")
        history = random_history(inputs, outputs, rng, operations=rng.randint(2, 6))
        result = check(history, model)
        tally[result.status] += 1
        assert result.is_ok == brute_force(history.operations, model), (seed, result.text)
    assert tally[Status.UNKNOWN] == 0
    assert min(tally[Status.OK], tally[Status.VIOLATION]) > 150, tally


@pytest.mark.parametrize("name", CASES)
def test_with_any_budget_the_checker_is_right_or_does_not_know(name: str) -> None:
    model, inputs, outputs = CASES[name]
    tally: Tally[Status] = Tally()
    for seed in range(300):
        rng = random.Random(f"budget/{name}/{seed}")
        history = random_history(inputs, outputs, rng, operations=6)
        truth = check(history, model).status
        for budget in (1, 2, 3, 5, 8, 13, 21):
            result = check(history, model, budget=budget)
            tally[result.status] += 1
            assert result.status in {truth, Status.UNKNOWN}
            assert result.undecided == ((None,) if result.status is Status.UNKNOWN else ())
    assert min(tally.values()) > 30, tally
    assert len(tally) == 3, tally


@pytest.mark.parametrize("name", CASES)
def test_what_a_counterexample_names_is_impossible_and_needs_each_of_its_operations(name: str) -> None:
    model, inputs, outputs = CASES[name]
    found = 0
    for seed in range(400):
        rng = random.Random(f"cut/{name}/{seed}")
        history = random_history(inputs, outputs, rng, operations=6)
        example = check(history, model).counterexample
        if example is None:
            continue
        found += 1
        kept = [it.number for it in example.operations]
        before = sorted([*example.operations, *example.free], key=lambda it: it.number)
        assert not brute_force(with_free(before, kept), model), (seed, example.text)
        assert example.is_minimal
        assert example.stuck in example.operations
        if not model.has_finite_states:  # there, free operations may even be repeated, so that more may be needed
            assert all(brute_force(with_free(before, [n for n in kept if n != one]), model) for one in kept)
    assert found > 30


def with_free(operations: Sequence[Operation], kept: Sequence[int]) -> Sequence[Operation]:
    """These operations, of which all but `kept` may have happened late or never."""
    return [it if it.number in kept else replace(it, returned_at=None, returned_s=None) for it in operations]


WORKLOADS: dict[str, tuple[Model[Any], Callable[[random.Random], Datum]]] = {
    "register": (Register(), lambda rng: rng.choice((("read",), ("write", rng.randrange(1000))))),
    "compare and swap": (
        Register(0),
        lambda rng: rng.choice((("read",), ("compare_and_swap", rng.randrange(3), rng.randrange(3)))),
    ),
    "key-value": (
        KeyValue(),
        lambda rng: rng.choice(
            (("get",), ("put", rng.randrange(9)), ("delete",), ("compare_and_swap", rng.randrange(9), 3))
        ),
    ),
    "append": (AppendList(), lambda rng: rng.choice((("read",), ("append", rng.randrange(10**9))))),
    "counter": (Counter(), lambda rng: rng.choice((("read",), ("increment",), ("increment", 2)))),
}


@pytest.mark.parametrize("unknown", [0.0, 0.05])
@pytest.mark.parametrize("name", WORKLOADS)
def test_what_a_correct_object_did_is_always_ok(name: str, unknown: float) -> None:
    model, choose = WORKLOADS[name]
    for seed in range(15):
        rng = random.Random(f"{name}/{unknown}/{seed}")
        history = recorded(model, choose, rng, operations=300, clients=5, keys=3, unknown=unknown)
        result = check(history, model)
        assert result.is_ok, (seed, result.text)


def mutated(history: History, number: int, output: Output) -> list[Operation]:
    return [replace(it, output=output) if it.number == number else it for it in history]


def reading_or(written: tuple[str, Iterator[int]], rng: random.Random) -> Callable[[random.Random], Datum]:
    """Choose to read, or to write the next value."""
    verb, values = written
    return lambda _: ("read",) if rng.random() < 0.5 else (verb, next(values))


def certain(history: History, verb: str) -> list[Operation]:
    return [it for it in history if it.returned_at is not None and it.input == (verb,)]


def test_every_stale_read_is_caught() -> None:
    for seed in range(8):
        rng, values = random.Random(f"stale/{seed}"), iter(range(1000))
        history = recorded(Register(), reading_or(("write", values), rng), rng, operations=200, clients=4)
        read = certain(history, "read")[-1]
        overwritten = [it for it in history if it.returned_at is not None and it.input != ("read",)][3]
        assert isinstance(overwritten.input, tuple)
        result = check(mutated(history, read.number, overwritten.input[1]), Register())
        assert result.counterexample is not None
        assert len(result.counterexample.operations) < 5
        assert read.number in [it.number for it in result.counterexample.operations]


def test_every_lost_update_and_every_doubled_increment_is_caught() -> None:
    model, choose = WORKLOADS["counter"]
    for seed in range(5):
        history = recorded(model, choose, random.Random(f"lost/{seed}"), operations=100, clients=3)
        last = max(certain(history, "read"), key=lambda it: it.invoked_at)
        assert isinstance(last.output, int)
        assert check(mutated(history, last.number, last.output + 20), model, budget=50_000).status is Status.VIOLATION
        assert check(mutated(history, last.number, last.output - 20), model, budget=50_000).status is Status.VIOLATION


def test_two_swaps_of_one_value_are_a_lost_update() -> None:
    swap: Datum = ("compare_and_swap", 0, 1)
    history = told(("a", swap, True, 0.0, 1.0), ("b", swap, True, 0.5, 1.5))
    result = check(history, Register(0))
    assert result.status is Status.VIOLATION
    assert result.counterexample is not None
    assert len(result.counterexample.operations) == 2


def test_every_reordered_append_is_caught() -> None:
    model, choose = WORKLOADS["append"]
    for seed in range(10):
        history = recorded(model, choose, random.Random(f"append/{seed}"), operations=120, clients=4)
        reads = [it for it in certain(history, "read") if isinstance(it.output, tuple) and len(it.output) > 5]
        early, late = reads[0], max(reads, key=lambda it: it.invoked_at)
        assert isinstance(early.output, tuple)
        swapped = (early.output[1], early.output[0], *early.output[2:])
        assert early.number != late.number
        assert check(mutated(history, early.number, swapped), model).status is Status.VIOLATION


def test_an_operation_of_unknown_outcome_may_happen_late_once_or_never() -> None:
    lost = ("a", ("increment",), UNKNOWN, 0.0, None)
    reads = [("b", ("read",), value, at_s, at_s + 0.5) for value, at_s in ((0, 1.0), (0, 2.0), (1, 3.0))]
    assert check(told(lost, reads[0], reads[1]), Counter()).is_ok
    assert check(told(lost, *reads), Counter()).is_ok
    assert not check(told(lost, *reads, ("b", ("read",), 0, 4.0, 5.0)), Counter()).is_ok
    assert not check(told(lost, *reads, ("b", ("read",), 2, 4.0, 5.0)), Counter()).is_ok


def test_an_operation_of_unknown_outcome_does_not_happen_before_its_invocation() -> None:
    assert not check(told(("b", ("read",), 7, 0.0, 1.0), ("a", ("write", 7), UNKNOWN, 2.0, None)), Register()).is_ok
    assert check(told(("b", ("read",), 7, 0.0, 3.0), ("a", ("write", 7), UNKNOWN, 2.0, None)), Register()).is_ok


def test_a_swap_of_unknown_outcome_happens_once_at_most_although_states_are_finite() -> None:
    lost = ("a", ("compare_and_swap", 0, 1), UNKNOWN, 0.0, None)
    back = [("b", ("write", 0), None, at_s, at_s + 0.1) for at_s in (1.0, 3.0)]
    seen = [("b", ("read",), 1, at_s, at_s + 0.1) for at_s in (2.0, 4.0)]
    assert check(told(lost, back[0], seen[0]), Register(0)).is_ok
    result = check(told(lost, back[0], seen[0], back[1], seen[1]), Register(0))
    assert result.status is Status.VIOLATION


def test_many_writes_of_unknown_outcome_do_not_explode() -> None:
    lost = [("w", ("put", n), UNKNOWN, n / 1000, None) for n in range(200)]
    reads = [("r", ("get",), n, 1 + n, 1.5 + n) for n in range(0, 200, 10)]
    assert check(told(*lost, *reads), KeyValue(), budget=100_000).is_ok
    wrong = check(told(*lost, *reads, ("r", ("get",), "never", 300.0, 301.0)), KeyValue(), budget=200_000)
    assert wrong.status is Status.VIOLATION


def test_many_appends_of_unknown_outcome_that_nobody_saw_do_not_explode() -> None:
    lost = [("w", ("append", n), UNKNOWN, n / 1000, None) for n in range(100)]
    reads = [("a", ("append", "x"), None, 1.0, 2.0), ("r", ("read",), ("x",), 3.0, 4.0)]
    assert check(told(*lost, *reads), AppendList(), budget=1_000).is_ok
    wrong = check(told(*lost, *reads, ("r", ("read",), (), 5.0, 6.0)), AppendList(), budget=1_000)
    assert wrong.status is Status.VIOLATION


def test_a_history_deeper_than_the_stack_is_checked() -> None:
    length = 10 * sys.getrecursionlimit()
    history = told(*[("a", ("increment",), n + 1, float(n), n + 0.5) for n in range(length)])
    assert check(history, Counter()).is_ok
    assert not check([*history][1:], Counter()).is_ok


def test_keys_are_checked_one_by_one_and_the_wrong_one_is_named() -> None:
    history = History()
    for key, value in (("good", 1), ("bad", 2)):
        history.returned(history.invoked("a", ("put", 1), key=key, at_s=0.0), at_s=0.0)
        history.returned(history.invoked("a", ("get",), key=key, at_s=0.0), value, at_s=0.0)
    result = check(history, KeyValue())
    assert result.counterexample is not None
    assert result.counterexample.key == "bad"
    assert "under key 'bad'" in result.text


def test_what_an_easy_key_does_not_need_is_left_to_a_hard_one() -> None:
    history = History()
    for key, operations in (("easy", 20), ("hard", 9)):
        open_ = [history.invoked("w", ("put", n % 5), key=key, at_s=0.0) for n in range(operations)]
        for number in open_:
            history.returned(number, at_s=0.0)
            if key == "easy":
                continue
            for value in (3, 1):
                history.returned(history.invoked("r", ("get",), key=key, at_s=0.0), value, at_s=0.0)
    hard = [it for it in history if it.key == "hard"]
    alone = check(hard, KeyValue())
    assert alone.status is Status.VIOLATION
    assert check(hard, KeyValue(), budget=alone.steps // 2).status is Status.UNKNOWN
    assert check(history, KeyValue(), budget=alone.steps + 400).status is Status.VIOLATION


def test_operations_without_a_key_beside_others_with_one_are_refused() -> None:
    history = History()
    history.invoked("a", ("put", 1), key="k", at_s=0.0)
    history.invoked("a", ("put", 1), at_s=0.0)
    with pytest.raises(HistoryError, match="operation 1 has no key"):
        check(history, KeyValue())


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="budget=0"):
        check(History(), KeyValue(), budget=0)


def test_an_empty_history_and_one_in_which_nothing_returned_are_ok() -> None:
    assert check(History(), KeyValue()).text == "ok: 0 operations, 0 steps"
    assert check(told(("a", ("put", 1), UNKNOWN, 0.0, None)), KeyValue()).is_ok


def test_a_result_that_is_not_known_says_which_keys_need_more() -> None:
    history = told(("a", ("put", 1), None, 0.0, 1.0), ("a", ("get",), 1, 2.0, 3.0))
    assert "key None: raise budget=" in check(history, KeyValue(), budget=1).text
