"""Linearizability check: measures the time to check a history of 10,000 operations by ten clients on ten keys.

The history is that of ten clients, each always busy, of a correct key-value store; half of the operations are reads,
of the rest one in five is a delete or a swap; one outcome in a hundred is unknown. Variants have one key only (each
operation overlaps nine others), ten times as many unknown outcomes, or one stale read near the end (the time includes
shrinking the counterexample). The floor applies the model once per operation, in the order of their effects.
`python -m benchmarks.linearizability`.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.harness.results import Result, show
from benchmarks.harness.settings import Settings
from coterie.protocols.checking.linearizability import UNKNOWN, Datum, History, KeyValue, Operation, Status, check

__all__ = ["run"]

COUNT = 10_000
CLIENTS = 10
MODEL = KeyValue()


class Store:
    """A correct store that records the order in which operations took effect."""

    def __init__(self) -> None:
        self.value_by_key: dict[int, Datum] = {}
        self.effects: list[tuple[Datum, Datum]] = []

    def apply(self, key: int, asked: Datum) -> Datum:
        before = self.value_by_key.get(key)
        output, self.value_by_key[key] = _answer(before, asked)
        self.effects.append((asked, output))
        return output


def _answer(before: Datum, asked: Datum) -> tuple[Datum, Datum]:
    match asked:
        case ("get",):
            return before, before
        case ("put", value):
            return None, value
        case ("delete",):
            return before is not None, None
        case ("compare_and_swap", expected, value):
            return before == expected, value if before == expected else before
    raise ValueError(f"unknown operation {asked!r}")


class Client:
    """A client: each call of `step` invokes an operation, applies it, or returns its result."""

    def __init__(self, name: str, history: History, store: Store, rng: random.Random, keys: int) -> None:
        self._name, self._history, self._store, self._rng, self._keys = name, history, store, rng, keys
        self._number = -1
        self._key = 0
        self._asked: Datum = None
        self._output: Datum = None
        self._stage = 0

    def step(self, at_s: float, unknown: float) -> None:
        if self._stage == 0:
            self._key, self._asked = self._rng.randrange(self._keys), self._choose()
            self._number = self._history.invoked(self._name, self._asked, key=self._key, at_s=at_s)
        elif self._stage == 1:
            is_lost = self._rng.random() < unknown
            if not is_lost or self._rng.random() < 0.5:
                self._output = self._store.apply(self._key, self._asked)
            if is_lost:
                self._history.unknown(self._number, at_s=at_s)
                self._stage = 2
        else:
            self._history.returned(self._number, self._output, at_s=at_s)
        self._stage = (self._stage + 1) % 3

    def _choose(self) -> Datum:
        dice, value = self._rng.random(), self._rng.randrange(1_000_000)
        if dice < 0.5:
            return ("get",)
        if dice < 0.9:
            return ("put", value)
        if dice < 0.95:
            return ("delete",)
        return ("compare_and_swap", self._store.value_by_key.get(self._key), value)


def recorded(count: int, keys: int, unknown: float) -> tuple[History, Store]:
    """Record at least `count` operations."""
    rng, history, store, at_s = random.Random(f"{keys}/{unknown}"), History(), Store(), 0.0
    clients = [Client(f"c{number}", history, store, rng, keys) for number in range(CLIENTS)]
    while len(history) < count:
        at_s += rng.expovariate(1000.0)
        rng.choice(clients).step(at_s, unknown)
    return history, store


def with_a_stale_read(operations: Sequence[Operation]) -> Sequence[Operation]:
    """Change the last answered read to return the first value that was put under its key."""
    read = max((it for it in operations if it.input == ("get",) and it.returned_at), key=lambda it: it.invoked_at)
    puts = (it.input for it in operations if it.key == read.key and it.returned_at and it.output is None)
    first = next(asked[1] for asked in puts if isinstance(asked, tuple) and asked[0] == "put")
    return [replace(it, output=first) if it is read else it for it in operations]


async def run(settings: Settings) -> list[Result]:
    """Measure each variant."""
    return [
        *_measured("linearizability/ten_keys", settings, keys=10, unknown=0.01),
        *_measured("linearizability/one_key", settings, keys=1, unknown=0.01),
        *_measured("linearizability/unknown", settings, keys=10, unknown=0.1),
        *_measured("linearizability/stale", settings, keys=10, unknown=0.01, is_stale=True),
    ]


def _measured(name: str, settings: Settings, *, keys: int, unknown: float, is_stale: bool = False) -> list[Result]:
    history, store = recorded(max(100, settings.count(COUNT)), keys, unknown)
    operations = with_a_stale_read(history.operations) if is_stale else history.operations
    own, floor, steps = [], [], 0
    for _ in range(settings.runs):
        floor.append(_floor(store))
        begin = time.perf_counter()
        result = check(operations, MODEL)
        own.append(time.perf_counter() - begin)
        steps = result.steps
        if result.status is not (Status.VIOLATION if is_stale else Status.OK):
            raise RuntimeError(f"{name}: {result.text}")
    lost = sum(operation.output is UNKNOWN for operation in operations)
    detail: dict[str, float | int | str] = {"operations": len(operations), "unknown": lost, "steps": steps}
    middle = sorted(floor)[len(floor) // 2]
    return [Result(name, "coterie", "s", tuple(own), middle, detail)]


def _floor(store: Store) -> float:
    begin = time.perf_counter()
    state: Datum = None
    for asked, output in store.effects:
        _, state = MODEL.step(state, asked, output)
    return time.perf_counter() - begin


if __name__ == "__main__":
    for result in asyncio.run(run(Settings(is_quick="--quick" in sys.argv[1:]))):
        print(show(result))
