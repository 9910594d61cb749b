"""The parameters of a synod are checked at construction."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.paxos import SynodConfig
from coterie.protocols.quorums import Majority, Weighted

A, B = NodeId("a"), NodeId("b")


def test_config_uses_a_majority_unless_told_otherwise() -> None:
    weighted = Weighted({A: 2, B: 1})

    assert SynodConfig((A, B)).quorums == Majority((A, B))
    assert SynodConfig((A, B), quorum=weighted).quorums is weighted


def test_config_refuses_members_that_are_none_or_doubled() -> None:
    with pytest.raises(ValueError, match="members"):
        SynodConfig(())
    with pytest.raises(ValueError, match="members"):
        SynodConfig((A, A))


def test_config_refuses_times_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="round_timeout"):
        SynodConfig((A,), round_timeout_min_s=0.5, round_timeout_max_s=0.4)
    with pytest.raises(ValueError, match="round_timeout"):
        SynodConfig((A,), round_timeout_min_s=0.0)
    with pytest.raises(ValueError, match="backoff"):
        SynodConfig((A,), backoff_min_s=0.0)
    with pytest.raises(ValueError, match="backoff"):
        SynodConfig((A,), backoff_min_s=2.0)
    with pytest.raises(ValueError, match=r"round_timeout_cap_s \(0.3\) is below round_timeout_max_s \(0.4\)"):
        SynodConfig((A,), round_timeout_cap_s=0.3)
