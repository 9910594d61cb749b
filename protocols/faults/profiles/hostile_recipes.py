"""Hostile recipes: choose at random when a hostile client attacks which node, and with what."""

from __future__ import annotations

from collections.abc import Mapping

from coterie.protocols.faults.kinds.fault_kinds import Attack, Fault, HostileClient
from coterie.protocols.faults.profiles.random_draws import RandomDraws, Recipe

__all__ = ["HOSTILE_RECIPES"]

ATTACK_S = (0.5, 3.0)


def _hostile_client(draws: RandomDraws) -> tuple[Fault, ...]:
    duration_s = min(draws.rng.uniform(*ATTACK_S), max(draws.ends_at_s - draws.at_s, 0.001))
    attack, seed = draws.one_of(*Attack), draws.rng.getrandbits(32)
    return (HostileClient(draws.at_s, draws.node(), duration_s, attack, seed),)


HOSTILE_RECIPES: Mapping[str, Recipe] = {"hostile_client": _hostile_client}
