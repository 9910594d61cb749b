"""A violation says what broke, where and when; the package offers it and every checker."""

from __future__ import annotations

import pickle

import pytest

from coterie.errors import InvariantViolated
from coterie.protocols import checking
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import Violation, ViolationContext


def test_violation_names_its_invariant_node_step_and_time() -> None:
    context = ViolationContext()
    context.step, context.time_s = 7, 1.5

    with pytest.raises(Violation, match=r"raft\.log_matching broken at n1, step 7, 1\.500000 s: two logs") as caught:
        context.fail("raft.log_matching", NodeId("n1"), "two logs")

    found = caught.value
    assert (found.invariant, found.node, found.step, found.time_s) == ("raft.log_matching", "n1", 7, 1.5)
    assert isinstance(found, InvariantViolated)


def test_violation_of_the_whole_group_names_no_node() -> None:
    with pytest.raises(Violation, match="at the group"):
        ViolationContext().fail("raft.converged", None, "they differ")


def test_violation_survives_the_way_between_processes() -> None:
    context = ViolationContext()
    context.step, context.time_s = 7, 1.5
    with pytest.raises(Violation) as caught:
        context.fail("raft.log_matching", NodeId("n1"), "two entries")

    arrived = pickle.loads(pickle.dumps(caught.value))

    assert str(arrived) == str(caught.value)
    assert (arrived.invariant, arrived.detail, arrived.node, arrived.step, arrived.time_s) == (
        "raft.log_matching",
        "two entries",
        "n1",
        7,
        1.5,
    )


def test_package_offers_every_checker_and_the_violation() -> None:
    offered = {name: getattr(checking, name) for name in checking.__all__}

    assert offered["Violation"] is Violation
    assert sum(name.endswith("Checker") for name in offered) == 8
