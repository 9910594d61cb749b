from __future__ import annotations

from typing import Any

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.placement import Place, PlacementConfig
from coterie.protocols.placement.places import checked_places


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"node": ""}, "node"),
        ({"zone": ""}, "zone"),
        ({"weight": 0.0}, "weight"),
        ({"weight": float("nan")}, "weight"),
        ({"weight": 1e7}, "weight"),
        ({"capacity": -1}, "capacity"),
    ],
)
def test_a_place_that_makes_no_sense_is_refused(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Place(**{"node": NodeId("n1"), **arguments})


def test_a_node_with_two_places_is_refused() -> None:
    with pytest.raises(ValueError, match="node 'n1' has two places"):
        checked_places([Place(NodeId("n1")), Place(NodeId("n2")), Place(NodeId("n1"), "z")])


def test_nodes_of_unknown_zones_share_no_zone_not_even_with_a_zone_of_that_name() -> None:
    one, other, named = Place(NodeId("n1")), Place(NodeId("n2")), Place(NodeId("n3"), zone="n1")

    assert len({one.zone_key, other.zone_key, named.zone_key}) == 3


@pytest.mark.parametrize(
    "setting",
    [
        {"replicas": 0},
        {"moves_max": 0},
        {"moves_per_node_max": 0},
        {"imbalance": -0.1},
        {"imbalance": 1.1},
        {"imbalance": float("nan")},
    ],
)
def test_a_setting_out_of_its_range_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        PlacementConfig(**setting)
