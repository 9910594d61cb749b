"""The kinds of faults are a closed union whose members say what they need."""

from __future__ import annotations

from dataclasses import fields
from typing import get_args

import pytest

from coterie.protocols.faults.kinds import fault_kinds
from coterie.protocols.faults.kinds.fault_kinds import (
    KINDS,
    Attack,
    Clog,
    Crash,
    Fault,
    HostileClient,
    Level,
    Loss,
    Outage,
    Partition,
    Shape,
    kind,
)
from coterie.protocols.faults.kinds.field_limits import LIMITS


def test_kinds_have_names_of_their_own_and_are_exported() -> None:
    assert len(KINDS) == len(get_args(Fault)) == 34
    assert all(owner.__name__ in fault_kinds.__all__ for owner in KINDS.values())


@pytest.mark.parametrize("name", sorted(KINDS))
def test_kind_has_a_time_first_a_level_and_a_limit_for_each_number(name: str) -> None:
    owner = KINDS[name]

    assert fields(owner)[0].name == "at_s"
    assert frozenset(Level) >= owner.LEVELS
    assert owner.LEVELS
    numbers = [field.name for field in fields(owner) if "float" in str(field.type) or field.type == "int"]
    assert [number for number in numbers if number not in LIMITS] == []


def test_faults_name_their_nodes_once_and_a_star_names_nobody() -> None:
    assert fault_kinds.nodes_of(Crash(1, "n1")) == ("n1",)
    assert fault_kinds.nodes_of(Loss(1, 1, 0.5, destination="n2")) == ("n2",)
    assert fault_kinds.nodes_of(Outage(1, (1.0,))) == ()
    assert fault_kinds.nodes_of(Partition(1, 1, Shape.HALVES, "n3", ("n1", "n2"))) == ("n3", "n1", "n2")
    assert fault_kinds.nodes_of(Clog(1, 1, (("n1", "n2"), ("n2", "n1")))) == ("n1", "n2")


def test_partitions_are_counted_by_their_shape() -> None:
    assert kind(Partition(1, 1, Shape.ONE_WAY, "n1")) == "partition.one_way"
    assert kind(Crash(1, "n1")) == "crash"


def test_hostile_clients_are_counted_by_their_attack() -> None:
    assert kind(HostileClient(1, "n1", 1, Attack.LETTERS, 7)) == "hostile_client.letters"
