"""Settings that are out of range or contradict each other are refused by name."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.swim.swim import Swim
from coterie.protocols.detection.swim.swim_config import SwimConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("period_s", 0.0),
        ("period_s", nan),
        ("period_s", inf),
        ("probe_timeout_s", -1.0),
        ("probe_timeout_s", 1.0),  # not below the period
        ("gossip_interval_s", 0.0),
        ("stall_s", nan),
        ("indirect_probes", -1),
        ("exchange_interval_s", -1.0),
        ("announce_interval_s", inf),
        ("local_health_max", -1),
        ("suspicion_multiplier", 0.5),
        ("suspicion_max_multiplier", 0.0),
        ("retransmit_multiplier", 0),
        ("gossip_fanout", 0),
        ("confirmations", -1),
        ("packet_budget_bytes", 10),
        ("packet_budget_bytes", 65_001),  # more than a datagram holds
        ("members_max", 0),
    ],
)
def test_bad_settings_are_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        replace(SwimConfig(), **{field: value})


def test_presets_are_valid_and_local_has_a_period_of_a_quarter_second_at_most() -> None:
    assert Swim.local().period_s <= 0.25
    assert Swim.lan() == SwimConfig()
    assert Swim.wan().period_s > Swim.lan().period_s


@pytest.mark.parametrize(("members", "k"), [(2, 0), (3, 0), (4, 2), (100, 2)])
def test_confirmations_are_not_awaited_in_groups_too_small_for_them(members: int, k: int) -> None:
    assert SwimConfig(suspicion_multiplier=4.0).confirmations_among(members) == k


def test_a_member_is_not_its_own_peer() -> None:
    with pytest.raises(ValueError, match="'a'"):
        SwimConfig().make(NodeId("a"), [NodeId("a"), NodeId("b")], seed=1)
