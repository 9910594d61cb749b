"""A topology as a person sees it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from coterie import HashRing, KeyValue, Node, PeakEwma, PowerOfTwoChoices, RoundRobin, Swim, Topology
from coterie.runtime.actor import Actor
from tests.actors.detection.fake_detectors import FakeConfig


class Worker(Actor[Any]):
    def __init__(self, node: Node) -> None:
        raise NotImplementedError


def shop() -> Topology:
    topology = Topology("shop", nodes=["n1", "n2", "n3"])
    topology.raft("store", machine=KeyValue)
    topology.synod("config", nodes=["n1", "n3"])
    topology.pool("workers", Worker, per_node=2, weights={"n2": 1.5}, balance=RoundRobin())
    topology.actor("front", Worker, nodes=["n1"])
    return topology


def test_the_tree_names_every_part_and_where_it_is() -> None:
    assert str(shop()).splitlines() == [
        "shop (n1, n2, n3)",
        "├─ store    raft group of KeyValue, on every node",
        "├─ config   synod, on n1, n3",
        "├─ workers  pool of 2 Worker a node, RoundRobin(), on every node (n2 weighs 1.5)",
        "└─ front    actor Worker, on n1",
    ]


def test_a_topology_without_parts_is_a_tree_of_one_line() -> None:
    assert str(Topology("bare", nodes=["n1"])) == "bare (n1)"


def test_the_mermaid_diagram_has_a_box_a_node_and_lines_within_groups() -> None:
    lines = shop().diagram().splitlines()

    assert lines[0] == "flowchart LR"
    assert '  subgraph n0["n1"]' in lines
    assert '    n1p2["workers<br/>pool of 2 Worker a node, RoundRobin()"]' in lines
    assert [line for line in lines if "---" in line] == [
        "  n0p0 --- n1p0",
        "  n0p0 --- n2p0",
        "  n1p0 --- n2p0",
        "  n0p1 --- n2p1",
    ]
    assert lines.count("  end") == 3


def test_the_dot_graph_is_the_same_picture() -> None:
    lines = shop().diagram("dot").splitlines()

    assert lines[0] == 'graph "shop" {'
    assert lines[-1] == "}"
    assert '  subgraph cluster_n2 { label="n3";' in lines
    assert '    n0p3 [label="front\\nactor Worker"];' in lines
    assert sum(" -- " in line for line in lines) == 4


@pytest.mark.parametrize("language", ["mermaid", "dot"])
def test_a_name_with_signs_of_the_language_cannot_break_out_of_its_label(language: Any) -> None:
    topology = Topology('x"]', nodes=['n"1\\'])
    topology.synod('a"];evil["')

    drawn = topology.diagram(language)

    bare = re.sub(r"\\.", "", drawn)  # without what is escaped
    assert all(line.count('"') in (0, 2) for line in bare.splitlines())
    assert not re.search(r'"[^"\n]*"[^"\n]*evil', bare)


def test_an_unknown_language_is_named() -> None:
    with pytest.raises(ValueError, match="no diagram in 'svg': choose 'mermaid' or 'dot'"):
        shop().diagram("svg")  # type: ignore[arg-type]


def test_a_detector_is_a_part_of_its_own_without_lines() -> None:
    topology = Topology("shop", nodes=["n1", "n2"])
    topology.detector(FakeConfig())

    assert str(topology).splitlines()[1] == "└─ #detector  failure detector, FakeConfig, on every node"
    assert '    n1p0["#35;detector<br/>failure detector, FakeConfig"]' in topology.diagram().splitlines()
    assert "---" not in topology.diagram()


def test_a_policy_is_drawn_with_its_measure_and_what_is_not_its_default() -> None:
    topology = Topology("shop", nodes=["n1"])
    topology.pool("workers", Worker, balance=PowerOfTwoChoices(PeakEwma()))
    topology.balancer("front", HashRing(virtual_nodes=16), over="workers")

    assert [line.partition(", ")[2] for line in str(topology).splitlines()[1:]] == [
        "PowerOfTwoChoices(PeakEwma()), on every node",
        "HashRing(virtual_nodes=16), on every node",
    ]
    assert "PowerOfTwoChoices(PeakEwma())" in topology.diagram()
    assert "balancer over workers, HashRing(virtual_nodes#61;16)" in topology.diagram()
    assert "HashRing(virtual_nodes=16)" in topology.diagram("dot")


@pytest.mark.parametrize(
    ("config", "text"),
    [(Swim.local(), "Swim.local()"), (Swim.lan(), "Swim.lan()"), (replace(Swim.lan(), period_s=2.0), "Swim")],
)
def test_swim_is_named_as_its_users_write_it(config: Any, text: str) -> None:
    topology = Topology("shop", nodes=["n1", "n2"])
    topology.detector(config)

    assert str(topology).splitlines()[1] == f"└─ #detector  failure detector, {text}, on every node"
