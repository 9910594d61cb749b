from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.placement import (
    AddReplica,
    Reason,
    RemoveReplica,
    ReplaceReplica,
    ShardId,
    Step,
    apply_steps,
)

ZERO, ONE = ShardId(0), ShardId(1)
A, B, C, D = (NodeId(name) for name in "abcd")


def test_steps_add_remove_and_replace() -> None:
    steps: list[Step] = [
        AddReplica(ZERO, C, Reason.MISSING),
        ReplaceReplica(ONE, A, D, Reason.LEAVING),
        RemoveReplica(ONE, B, Reason.SURPLUS),
    ]

    assert apply_steps({ZERO: [B, A], ONE: [A, B, C]}, steps) == {ZERO: (A, B, C), ONE: (C, D)}


def test_a_step_that_was_applied_already_changes_nothing() -> None:
    steps: list[Step] = [AddReplica(ZERO, A, Reason.MISSING), ReplaceReplica(ONE, A, B, Reason.LOST)]
    once = apply_steps({ZERO: (), ONE: [A]}, steps)

    assert apply_steps(once, steps) == once


def test_a_step_for_an_unknown_shard_is_an_error() -> None:
    with pytest.raises(LookupError, match="not in the placement"):
        apply_steps({ZERO: [A]}, [RemoveReplica(ONE, A, Reason.SURPLUS)])
