"""When newer code becomes active: all voters have the same, and somebody says so, or it has baked."""

from __future__ import annotations

from typing import Any

import pytest

from coterie.actors.groups.evolution.machine_schema import machine_schema
from coterie.actors.groups.evolution.schema_leadership import SchemaLeadership
from coterie.actors.groups.state_machine import StateMachine
from coterie.protocols.evolution.revisions import Revision
from coterie.protocols.evolution.schema_text import NO_HASH, SchemaHash, schema_hash
from coterie.runtime.messages.message import Ask, message
from tests.actors.groups.evolution.test_group_schemas import facts_of
from tests.actors.groups.evolution.test_proposal_check import First, New, Old, Second, schemas_of

VOTERS = ("n1", "n2", "n3")


@message(name="check.Other")
class Other(Ask[int]):
    pass


class OtherSecond(StateMachine[Old | Other]):
    version = 2


class Unraised(StateMachine[Old | New]):
    pass


class OtherUnraised(StateMachine[Old | Other]):
    pass


def hash_of(machine: type[StateMachine[Any]]) -> SchemaHash:
    return schema_hash(machine_schema(machine))


class Leader:
    """The leadership of n1, and what it logs."""

    def __init__(
        self, code: type[StateMachine[Any]] = Second, *, activate_after_s: float | None = None, active: Any = First
    ) -> None:
        self.logged: list[tuple[str, dict[str, object]]] = []
        self.schemas = schemas_of(code, active)
        self.leadership = SchemaLeadership(self.schemas, "n1", activate_after_s, self)

    def info(self, event: str, **facts: object) -> None:
        self.logged.append((event, facts))

    error = info

    def hear(self, **machine_by_node: type[StateMachine[Any]]) -> None:
        for node, machine in machine_by_node.items():
            self.leadership.heard(node, hash_of(machine))

    def due(self, now: float) -> bytes | None:
        return self.leadership.due(VOTERS, now)


def test_voters_with_other_code_hold_it_up_by_name() -> None:
    leader = Leader()
    leader.hear(n2=First)
    assert leader.leadership.held_up_by(VOTERS) == ["n2 runs version 1", "n3 has not been heard since n1 leads"]
    leader.hear(n2=Second, n3=OtherSecond)
    assert leader.leadership.held_up_by(VOTERS) == ["n3 runs other code, which calls itself version 2, too"]
    leader.hear(n3=Second)
    assert leader.leadership.held_up_by(VOTERS) == []


def test_what_was_heard_before_an_election_does_not_count() -> None:
    leader = Leader()
    leader.hear(n2=Second, n3=Second)
    leader.leadership.elected()
    assert len(leader.leadership.held_up_by(VOTERS)) == 2


def test_a_leader_whose_code_is_active_says_who_runs_newer_code() -> None:
    leader = Leader(Unraised, active=Unraised)
    assert leader.leadership.why_behind(VOTERS) is None
    leader.hear(n2=Unraised, n3=Unraised)
    assert leader.leadership.why_behind(VOTERS) is None
    leader.hear(n2=OtherUnraised, n3=Second)
    assert leader.leadership.why_behind(VOTERS) == (
        "the leader n1 runs version 1, which is active already, but n2 runs other code, which calls itself version 1, "
        "too, n3 runs version 2: restart n1 on the newer code, then activate it"
    )


def test_a_voter_that_went_back_to_a_recorded_revision_is_not_ahead() -> None:
    leader = Leader(Unraised)
    leader.schemas.follow(facts_of(First, Unraised))
    leader.hear(n2=First, n3=Unraised)
    assert leader.leadership.why_behind(VOTERS) is None


def test_a_command_that_the_leader_lacks_names_the_node_to_restart() -> None:
    leader = Leader(First, active=First)
    lacks = "the code of the leader n1 (version 1) does not have it"
    asked = "is it meant for another group? If it is new, start code that has it on every node"
    assert leader.leadership.why_lacking(VOTERS) == f"{lacks} (it takes 'check.Old'): {asked}"
    leader.hear(n2=Unraised)
    assert leader.leadership.why_lacking(VOTERS) == (
        f"{lacks}, but n2 runs other code, which calls itself version 1, too: restart n1 on the newer code"
    )


def test_without_a_bake_time_it_waits_for_a_command() -> None:
    leader = Leader()
    leader.hear(n2=Second, n3=Second)
    assert [leader.due(now) for now in (0.0, 1e9)] == [None, None]
    assert "`coterie raft activate`" in leader.leadership.waiting_for(VOTERS)


def test_the_bake_time_begins_when_all_voters_have_it_and_begins_again_if_one_goes_back() -> None:
    leader = Leader(activate_after_s=10)
    leader.hear(n2=Second)
    assert leader.due(0) is None
    leader.hear(n3=Second)
    assert [leader.due(5), leader.due(14)] == [None, None]
    leader.hear(n2=First)
    assert leader.due(20) is None
    leader.hear(n2=Second)
    assert [leader.due(21), leader.due(30)] == [None, None]
    assert leader.due(31) == Revision(2, machine_schema(Second)).encode()


def test_code_that_is_active_is_never_due() -> None:
    leader = Leader(activate_after_s=0, active=Second)
    leader.hear(n2=Second, n3=Second)
    assert leader.due(1) is None
    assert leader.logged == []


def test_what_holds_it_up_is_logged_whenever_it_changes() -> None:
    leader = Leader()
    leader.hear(n2=First, n3=Second)
    for now in range(3):
        leader.due(now)
    leader.hear(n2=Second)
    leader.due(4)
    assert leader.logged == [
        ("group.schema_waits", {"version": 2, "held_up_by": "n2 runs version 1"}),
        (
            "group.schema_agreed",
            {"version": 2, "next": "every voter has it; `coterie raft activate` makes it active"},
        ),
    ]


def test_two_codes_of_one_new_version_are_an_error_and_no_wait() -> None:
    leader = Leader(activate_after_s=0)
    leader.hear(n2=OtherSecond, n3=Second)
    assert leader.due(1) is None
    assert leader.logged == [
        ("group.schemas_differ", {"version": 2, "nodes": "n1, n2", "advice": "raise the version of the later one"})
    ]


def test_code_without_a_raised_version_may_differ_while_it_is_rolled_out() -> None:
    leader = Leader(Unraised)
    leader.hear(n2=OtherUnraised, n3=First)
    leader.due(1)
    assert [event for event, _ in leader.logged] == ["group.schema_waits"]


@pytest.mark.parametrize("node", ["n2", "n3"])
def test_a_voter_that_tells_nothing_of_its_code_holds_it_up(node: str) -> None:
    leader = Leader()
    leader.hear(n2=Second, n3=Second)
    leader.leadership.heard(node, NO_HASH)
    assert leader.leadership.held_up_by(VOTERS) == [f"{node} has not been heard since n1 leads"]
