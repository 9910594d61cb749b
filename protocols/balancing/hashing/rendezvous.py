"""`Rendezvous`: highest random weight: scores every target for the key; the highest score wins."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import ClassVar

from coterie.protocols.balancing.hashing.keyed_picker import KeyTable, keyed
from coterie.protocols.balancing.policy import Picker, Target
from coterie.protocols.balancing.weights_in_range import weights_in_range
from coterie.protocols.rendezvous_score import rendezvous_score
from coterie.protocols.stable_hash import mix, stable_hash

__all__ = ["Rendezvous"]


@dataclass(frozen=True, slots=True)
class Rendezvous:
    """Picks the target of the highest score for the key (Thaler and Ravishankar, 1998), by weight.

    The score is -weight / ln(h), h being the hash of key and target as a number between 0 and 1: shares are exactly
    proportional to the weights, and a changed weight moves only the keys that it must. If a target leaves, only its
    keys move, to all others evenly; so do those of an excluded one. The order of the targets does not matter. There is
    no table, but a pick takes O(n).
    """

    uses_keys: ClassVar[bool] = True

    def make(self, rng: random.Random) -> Picker:
        """Return a picker without targets; `rng` draws the keys of requests without one."""
        return keyed(_Scores(), rng)


class _Scores(KeyTable):
    def __init__(self) -> None:
        self._targets: list[tuple[str, int, float]] = []  # key, its hash, weight
        self._has_equal_weights = True

    def build(self, targets: Sequence[Target]) -> None:
        ordered = sorted(targets, key=lambda target: target.key)  # equal scores: the first wins, for every caller
        self._targets = [
            (target.key, stable_hash(target.key), weight)
            for target, weight in zip(ordered, weights_in_range([it.weight for it in ordered]), strict=True)
        ]
        self._has_equal_weights = len({target.weight for target in targets}) <= 1

    def find(self, key_hash: int, exclude: AbstractSet[str]) -> str | None:
        best, best_score = None, -1.0
        for key, target_hash, weight in self._targets:
            if exclude and key in exclude:
                continue
            mixed = mix(key_hash ^ target_hash)
            score = mixed if self._has_equal_weights else rendezvous_score(mixed, weight)
            if score > best_score:
                best, best_score = key, score
        return best

    def shares(self) -> Mapping[str, float]:
        total = math.fsum(weight for _, _, weight in self._targets)
        return {key: weight / total for key, _, weight in self._targets}
