"""`rendezvous_score`: scores a key and a target by weight; the highest score wins the key (rendezvous hashing)."""

from __future__ import annotations

import math

from coterie.protocols.stable_hash import HASHES

__all__ = ["rendezvous_score"]


def rendezvous_score(mixed: int, weight: float) -> float:
    """Return -`weight` / ln(h), h being `mixed` as a number between 0 and 1.

    The shares of the targets are exactly proportional to their weights, and a changed weight moves only the keys that
    it must. With equal weights the order of the scores is that of the `mixed`, which needs no logarithm.

    Args:
        mixed: the hash of key and target, `mix(key_hash ^ target_hash)`.
        weight: the target's weight, within 1e-100 … 1e100.
    """
    return -weight / math.log(((mixed >> 12) + 0.5) / (HASHES >> 12))  # 52 bits and a half: never 0, never 1
