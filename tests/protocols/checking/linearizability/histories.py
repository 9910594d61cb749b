"""Histories for the tests: written by hand, recorded from a correct object, or thrown together; and a slow checker."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import permutations

from coterie.protocols.checking.linearizability import UNKNOWN, Datum, History, Model, Operation, Output

__all__ = ["Line", "brute_force", "random_history", "recorded", "told"]

Line = tuple[str, Datum, Output, float, float | None]
"""Client, input, output, when it was invoked (s), when it returned (None: its outcome is unknown)."""

Chooser = Callable[[random.Random], Datum]


def told(*lines: Line) -> History:
    """The history of some operations, in any order."""
    history, number_by_place = History(), dict[int, int]()
    events = [(line[3], place, False) for place, line in enumerate(lines)]
    events += [(line[4], place, True) for place, line in enumerate(lines) if line[4] is not None]
    for at_s, place, is_return in sorted(events):
        client, asked, output, *_ = lines[place]
        if is_return:
            history.returned(number_by_place[place], output, at_s=at_s)
        else:
            number_by_place[place] = history.invoked(client, asked, at_s=at_s)
    return history


def recorded(
    model: Model[Datum],
    choose: Chooser,
    rng: random.Random,
    *,
    operations: int,
    clients: int,
    keys: int = 1,
    unknown: float = 0.0,
) -> History:
    """What clients see of a correct object: each operation takes effect at a moment between its ends, or is lost."""
    history, at_s = History(), 0.0
    states = [model.initial() for _ in range(keys)]
    running: dict[int, tuple[int, int, Datum]] = {}
    done: dict[int, tuple[int, Output]] = {}
    begun = 0
    while begun < operations or running or done:
        at_s += rng.expovariate(1000.0)
        client = rng.randrange(clients)
        if client in running:
            number, key, asked = running.pop(client)
            output, after = _answer(model, states[key], asked)
            fate = rng.random()
            if fate >= unknown / 2:
                states[key] = after
            if fate < unknown:
                history.unknown(number, at_s=at_s)
            else:
                done[client] = number, output
        elif client in done:
            number, output = done.pop(client)
            history.returned(number, output, at_s=at_s)
        elif begun < operations:
            key, asked = rng.randrange(keys), choose(rng)
            running[client] = history.invoked(f"c{client}", asked, key=f"k{key}", at_s=at_s), key, asked
            begun += 1
    return history


def random_history(
    inputs: Chooser, outputs: Callable[[random.Random, Datum], Output], rng: random.Random, *, operations: int
) -> History:
    """Operations that overlap at random and tell anything; some never end, and some end without a word."""
    history, running, at_s = History(), list[tuple[int, Datum]](), 0.0
    while len(history) < operations or running:
        at_s += 1.0
        if len(history) < operations and (not running or rng.random() < 0.5):
            asked = inputs(rng)
            running.append((history.invoked(f"c{len(running)}", asked, at_s=at_s), asked))
            continue
        number, asked = running.pop(rng.randrange(len(running)))
        if rng.random() < 0.2:
            history.unknown(number, at_s=at_s)
        else:
            history.returned(number, UNKNOWN if rng.random() < 0.1 else outputs(rng, asked), at_s=at_s)
    return history


def brute_force(operations: Sequence[Operation], model: Model[Datum]) -> bool:
    """Try every order of every choice of the operations that need not have happened."""
    certain = [it for it in operations if it.returned_at is not None]
    open_ = [it for it in operations if it.returned_at is None]
    for chosen in range(1 << len(open_)):
        some = certain + [it for place, it in enumerate(open_) if chosen >> place & 1]
        if any(_explains(order, model) for order in permutations(some)):
            return True
    return False


def _explains(order: Sequence[Operation], model: Model[Datum]) -> bool:
    state, latest = model.initial(), -1
    for it in order:
        if it.returned_at is not None and it.returned_at < latest:
            return False  # something that was invoked after its return came before it
        latest = max(latest, it.invoked_at)
        fits, state = model.step(state, it.input, it.output)
        if not fits:
            return False
    return True


def _answer(model: Model[Datum], state: Datum, asked: Datum) -> tuple[Output, Datum]:
    """The output of a deterministic model: it is the one that fits."""
    _, after = model.step(state, asked, UNKNOWN)
    candidates: list[Output] = [None, state, True, False, after]
    return next(output for output in candidates if model.step(state, asked, output)[0]), after
