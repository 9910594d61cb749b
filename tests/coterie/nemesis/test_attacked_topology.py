from __future__ import annotations

import pytest

from coterie.cli.topologies.topology_argument import load_topology
from coterie.nemesis.attacked_topology import NODES_VARIABLE, TOPOLOGY_PATH


def test_nodes_are_those_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NODES_VARIABLE, "a,b,c")

    topology = load_topology(TOPOLOGY_PATH)

    assert topology.nodes == ("a", "b", "c")
    topology.validate()


def test_without_them_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NODES_VARIABLE, raising=False)

    with pytest.raises(ValueError, match=NODES_VARIABLE):
        load_topology(TOPOLOGY_PATH)
