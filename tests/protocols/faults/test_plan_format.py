"""Plans as JSON: every kind goes there and back, and whatever does not fit is named, with the nearest that exists."""

from __future__ import annotations

import enum
import json
import random
from collections.abc import Callable
from dataclasses import fields
from typing import cast, get_args, get_origin, get_type_hints

import pytest

from coterie.errors import PlanError
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import KINDS, Crash, Fault, Partition, Shape, TargetRole
from coterie.protocols.faults.plan_format import decode_plan, dump_plan, encode_plan, load_plan

NODES = ("n1", "n2", "n3", "n4", "n5")


def any_value(rng: random.Random, name: str, wanted: object) -> object:
    """Draw a value that a field of this name and type may hold."""
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return rng.choice(list(wanted))
    if get_origin(wanted) is tuple:
        args = get_args(wanted)
        if args[-1] is Ellipsis:
            return tuple(any_value(rng, name, args[0]) for _ in range(rng.randint(1, 3)))
        return tuple(any_value(rng, name, arg) for arg in args)
    if wanted is str:
        return rng.choice(NODES)
    if wanted is int:
        return rng.randint(1, 9)
    return rng.uniform(0.001, 1.0) if name != "factor" else rng.uniform(1.0, 9.0)


def any_fault(rng: random.Random, owner: type[Fault]) -> Fault:
    hints = get_type_hints(owner)
    values = {field.name: any_value(rng, field.name, hints[field.name]) for field in fields(owner)}
    if owner is Partition:
        values |= {"shape": Shape.HALVES, "target": "n1", "others": ("n2",)}
    if "opens" in values:
        values["opens"] = values["links"]
    return cast("Callable[..., Fault]", owner)(**values)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_kind_goes_there_and_back(name: str) -> None:
    rng = random.Random(name)
    faults = tuple(any_fault(rng, KINDS[name]) for _ in range(20))
    plan = FaultPlan(NODES, faults, 20.0, profile="everything")

    assert load_plan(dump_plan(plan)) == plan
    assert decode_plan(json.loads(json.dumps(encode_plan(plan)))) == plan


def test_plan_is_written_as_the_docs_say() -> None:
    plan = FaultPlan(("n1", "n2"), (Crash(1.5, "n2", TargetRole.LEADER, delay_s=0.001, down_s=0.2),), 20.0)

    assert json.loads(dump_plan(plan)) == {
        "format": 1,
        "profile": None,
        "nodes": ["n1", "n2"],
        "ends_at_s": 20.0,
        "faults": [{"kind": "crash", "at_s": 1.5, "target": "n2", "role": "leader", "delay_s": 0.001, "down_s": 0.2}],
    }
    assert len(dump_plan(plan).splitlines()) == 3


def test_plan_without_faults_goes_there_and_back() -> None:
    assert load_plan(dump_plan(FaultPlan(("n1",), (), 1.0))) == FaultPlan(("n1",), (), 1.0)


def test_what_has_a_default_may_be_left_out_and_whole_numbers_do_for_numbers() -> None:
    plan = load_plan(
        '{"nodes": ["n1", "n2"], "ends_at_s": 9, "faults": [{"kind": "crash", "at_s": 1, "target": "n2"}]}'
    )

    assert plan == FaultPlan(("n1", "n2"), (Crash(1.0, "n2"),), 9.0)
    assert isinstance(plan.faults[0].at_s, float)


def crash(**changes: object) -> dict[str, object]:
    return {"kind": "crash", "at_s": 1.0, "target": "n1"} | changes


BAD_FAULTS: list[tuple[object, str]] = [
    (crash(kind="crush"), r"faults\[1\] has the unknown kind 'crush': did you mean 'crash'\?"),
    (crash(kind="zzz"), r"faults\[1\] has the unknown kind 'zzz': there are bandwidth, bit_rot, "),
    (crash(kind=None), r"faults\[1\] has no kind"),
    (crash(donw_s=1), r"faults\[1\] \(crash\) has the unknown field 'donw_s': did you mean 'down_s'\?"),
    (crash(role="laeder"), r"has role 'laeder', which does not exist: did you mean 'leader'\?"),
    (crash(role=3), r"has role 3, which does not exist: there are any, leader"),
    (crash(target="n9"), r"faults\[1\] \(crash\) names node 'n9', which is not in the plan: did you mean 'n2'\?"),
    (crash(target="*"), r"a target is one node"),
    (crash(at_s="soon"), r"has at_s 'soon': it must be a number"),
    (crash(at_s=True), r"has at_s True: it must be a number"),
    (crash(at_s=float("nan")), r"has at_s nan: it must be at least 0"),
    (crash(down_s=-1), r"faults\[1\] \(crash\) has down_s -1.0: it must be at least 0"),
    (crash(at_s=99), r"would begin at 99.0 s, but the plan ends at 9.0 s"),
    ({"kind": "crash", "at_s": 1.0}, r"faults\[1\] \(crash\) lacks the field 'target'"),
    ("crash", r"faults\[1\] is 'crash': it must be an object"),
    ({"kind": "priorities", "at_s": 1, "duration_s": 1, "changes": 1.5}, r"has changes 1.5: it must be a whole number"),
    ({"kind": "outage", "at_s": 1, "down_s": []}, r"has no down_s"),
    ({"kind": "outage", "at_s": 1, "down_s": 3}, r"has down_s 3: it must be a list"),
    ({"kind": "clog", "at_s": 1, "duration_s": 1, "links": [["n1"]]}, r"has links \['n1'\]: it must have 2 entries"),
]


@pytest.mark.parametrize(("fault", "error"), BAD_FAULTS)
def test_bad_fault_is_named_with_the_nearest_that_exists(fault: object, error: str) -> None:
    data = {"nodes": ["n1", "n2"], "ends_at_s": 9.0, "faults": [crash(), fault]}

    with pytest.raises(PlanError, match=error):
        decode_plan(data)


BAD_PLANS: list[tuple[object, str]] = [
    ([], r"the plan is \[\]: it must be an object"),
    ({"nodes": ["n1"], "ends_at_s": 1.0}, r"the plan lacks the field 'faults'"),
    ({"nodes": ["n1"], "end_at_s": 1.0, "faults": []}, r"unknown field 'end_at_s': did you mean 'ends_at_s'\?"),
    ({"format": 2, "nodes": ["n1"], "ends_at_s": 1.0, "faults": []}, r"format 2, this release reads 1"),
    ({"nodes": "n1", "ends_at_s": 1.0, "faults": []}, r"the plan has nodes 'n1': it must be a list"),
    ({"nodes": [1], "ends_at_s": 1.0, "faults": []}, r"the plan has nodes 1: it must be a string"),
    ({"nodes": ["n1"], "ends_at_s": 1.0, "faults": {}}, r"the plan has faults {}: it must be a list"),
    ({"nodes": ["n1"], "ends_at_s": 1.0, "faults": [], "profile": 7}, r"the plan has profile 7"),
]


@pytest.mark.parametrize(("data", "error"), BAD_PLANS)
def test_what_is_no_plan_is_refused(data: object, error: str) -> None:
    with pytest.raises(PlanError, match=error):
        decode_plan(data)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(PlanError, match="the plan is not valid JSON"):
        load_plan("{nodes")
