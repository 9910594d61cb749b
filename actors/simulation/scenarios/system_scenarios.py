"""`SYSTEM_SCENARIOS`: lists the built-in scenarios that simulate whole clusters, by name."""

from __future__ import annotations

from collections.abc import Mapping

from coterie.actors.simulation.scenarios.actors_scenario import ACTORS
from coterie.actors.simulation.scenarios.pool_scenario import POOLS
from coterie.actors.simulation.scenarios.raft_kv import RAFT_KV
from coterie.actors.simulation.scenarios.store_scenario import STORE
from coterie.actors.simulation.scenarios.synod_duels import SYNOD
from coterie.actors.simulation.scenarios.system_scenario import SystemScenario
from coterie.actors.simulation.scenarios.upgrades.upgrade_scenario import UPGRADE

__all__ = ["SYSTEM_SCENARIOS"]

SYSTEM_SCENARIOS: Mapping[str, SystemScenario] = {
    each.name: each for each in (RAFT_KV, SYNOD, ACTORS, STORE, POOLS, UPGRADE)
}
"""The built-in scenarios at the level of systems."""
