"""The scenarios on whole systems, by name."""

from __future__ import annotations

from collections.abc import Mapping

from coterie.actors.simulation.raft_kv import RAFT_KV
from coterie.actors.simulation.scenario import SystemScenario
from coterie.actors.simulation.storing import STORE
from coterie.actors.simulation.synods import SYNOD
from coterie.actors.simulation.talking import ACTORS

__all__ = ["SYSTEM_SCENARIOS"]

SYSTEM_SCENARIOS: Mapping[str, SystemScenario] = {each.name: each for each in (RAFT_KV, SYNOD, ACTORS, STORE)}
"""coterie's own scenarios at the level of systems."""
