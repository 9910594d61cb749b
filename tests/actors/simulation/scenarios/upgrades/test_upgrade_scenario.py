"""Scenario `upgrade`: rehearsals pass, of every kind of release; code that follows its own schema is found."""

from __future__ import annotations

import pytest

from coterie.actors.groups.replicas.typed_machine import TypedMachine
from coterie.actors.simulation.scenarios.upgrades.ledger_releases import RELEASES
from coterie.actors.simulation.scenarios.upgrades.upgrade_scenario import UPGRADE, Upgrade
from coterie.actors.simulation.simulation import Simulation
from coterie.protocols.evolution.schema import Schema


def kind_of(seed: int) -> str:
    return Upgrade(Simulation(seed), ("n1", "n2", "n3")).kind


@pytest.mark.parametrize("seed", range(3))
def test_a_rollout_under_faults_loses_nothing(seed: int) -> None:
    assert UPGRADE.run(seed).violation is None


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 13))
def test_many_rollouts_under_faults_lose_nothing(seed: int) -> None:
    """`make sim` tries more."""
    assert UPGRADE.run(seed).violation is None


def test_a_few_seeds_have_every_kind_of_release() -> None:
    assert {kind_of(seed) for seed in range(13)} == set(RELEASES)


def test_code_that_follows_its_own_schema_before_it_is_active_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    adopt = TypedMachine.adopt

    def follow_own(machine: TypedMachine, schema: Schema) -> None:
        del schema
        adopt(machine, machine.schema)

    monkeypatch.setattr(TypedMachine, "adopt", follow_own)
    seed = next(seed for seed in range(100) if kind_of(seed) == "version")

    violation = UPGRADE.run(seed, profile="calm").violation

    assert violation is not None
    assert "was answered" in violation.detail
