"""The schemas of one replica: what its code can follow, what it must not start on, what it records next."""

from __future__ import annotations

from typing import Any

import pytest

from coterie.actors.groups.evolution.group_schemas import (
    CannotFollow,
    GroupSchemas,
    contradictions,
    why_not_followed,
)
from coterie.actors.groups.evolution.machine_schema import machine_schema
from coterie.actors.groups.replicas.typed_machine import TypedMachine
from coterie.actors.groups.state_machine import StateMachine
from coterie.protocols.evolution.revisions import Revision
from coterie.protocols.evolution.schema_text import NO_HASH
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, Term
from coterie.runtime.messages.message import Ask, message
from tests.actors.groups.evolution.test_proposal_check import First, New, Old, Second, Unknown, schemas_of


@message(name="check.Old")
class OldText(Ask[str]):
    pass


class Wrong(StateMachine[OldText]):
    pass


class Third(StateMachine[Old | New]):
    version = 3


def facts_of(*recorded: type[StateMachine[Any]] | bytes, committed: int = 0) -> GroupFacts:
    contents = [
        each if isinstance(each, bytes) else Revision(at, machine_schema(each)).encode()
        for at, each in enumerate(recorded, 1)
    ]
    schemas = tuple((LogIndex(at), content) for at, content in enumerate(contents, 1))
    return GroupFacts(schemas=schemas, committed_schema=LogIndex(committed))


def entry(index: int, machine: type[StateMachine[Any]]) -> Entry:
    content = Revision(index, machine_schema(machine)).encode()
    return Entry(LogIndex(index), Term(1), EntryKind.SCHEMA, content)


# What code can follow.


def test_code_follows_what_is_the_same_or_older() -> None:
    assert why_not_followed(machine_schema(Second), facts_of()) is None
    assert why_not_followed(machine_schema(Second), facts_of(First)) is None
    assert why_not_followed(machine_schema(Second), facts_of(First, Second)) is None


def test_newer_schemas_and_contradictions_are_told_apart() -> None:
    assert why_not_followed(machine_schema(First), facts_of(First, Second)) == (
        "revision 2 (version 2) at entry 2 is newer than this code (version 1), which lacks command 'check.New'; "
        "run the newer code"
    )
    assert why_not_followed(machine_schema(Wrong), facts_of(First)) == (
        "this code contradicts revision 1 (version 1) at entry 1: command 'check.Old', reply: int became str; keep the "
        "reply, and add a command with the new one"
    )


def test_a_schema_of_a_later_release_of_coterie_is_not_followed() -> None:
    text = str(why_not_followed(machine_schema(First), facts_of(b'{"format":2}')))
    assert text.startswith("the schema of entry 1 cannot be read by this release of coterie: ")
    payload = Revision(1, machine_schema(First)).encode().replace(b'"level":1', b'"level":2')
    text = str(why_not_followed(machine_schema(First), facts_of(payload)))
    assert text == "revision 1 (version 1) at entry 1 is of format level 2, this release of coterie has 1: upgrade it"


class Removed(StateMachine[Old | Unknown]):
    version = 2


class Grown(StateMachine[Old | New | Unknown]):
    version = 2


def test_older_code_of_the_same_version_is_told_what_it_lacks() -> None:
    assert why_not_followed(machine_schema(Second), facts_of(First, Second, Grown)) == (
        "revision 3 (version 2) at entry 3 is newer than this code (version 2, too), which lacks command "
        "'check.Unknown'; run the newer code"
    )


def test_code_from_which_a_command_was_removed_contradicts_at_the_start_and_live() -> None:
    part = (
        "command 'check.New': the code does not have it (revision 2 has it already, but this code is not older than "
        "that: command 'check.Unknown' is newer than revision 2)"
    )
    recorded = (First, Second, Grown)
    (text,) = contradictions(machine_schema(Removed), facts_of(*recorded, committed=3))
    assert text.startswith(
        f"this code contradicts revision 3 of its schema (version 2), which entry 3 recorded: {part}"
    )

    schemas = GroupSchemas(TypedMachine(Removed()))
    schemas.follow(facts_of(*recorded, committed=3))
    assert part in str(schemas.why_not_committed_followed())
    with pytest.raises(CannotFollow, match="this code contradicts revision 3"):
        schemas.adopt(entry(3, Grown))


# What refuses the start.


@pytest.mark.parametrize(("committed", "is_refused"), [(0, False), (1, True)])
def test_the_only_schema_refuses_the_start_once_it_is_known_to_be_committed(committed: int, is_refused: bool) -> None:
    assert bool(contradictions(machine_schema(Wrong), facts_of(First, committed=committed))) == is_refused


def test_the_schema_before_the_last_one_is_committed_in_any_case() -> None:
    (text,) = contradictions(machine_schema(Wrong), facts_of(First, Wrong))
    assert text.startswith(
        "this code contradicts revision 1 of its schema (version 1), which entry 1 recorded: command"
    )


@pytest.mark.parametrize("recorded", [[], [First], [First, Second], [b"unreadable"], [b"unreadable", First]])
def test_older_newer_and_unreadable_schemas_refuse_nothing(recorded: list[Any]) -> None:
    assert contradictions(machine_schema(First), facts_of(*recorded, committed=9)) == []


# What a leader records.


def test_a_leader_records_its_code_first_and_what_is_newer_next() -> None:
    assert schemas_of(First).next_payload == Revision(1, machine_schema(First)).encode()
    assert schemas_of(Second, First).next_payload == Revision(2, machine_schema(Second)).encode()
    assert schemas_of(First, First).next_payload is None
    assert schemas_of(First, First, Second).next_payload is None


def test_a_leader_records_nothing_on_what_it_cannot_read() -> None:
    schemas = GroupSchemas(TypedMachine(First()))
    schemas.follow(facts_of(b"unreadable"))
    assert (schemas.next_payload, schemas.proposable, schemas.last) == (None, None, None)


def test_a_machine_without_a_schema_records_nothing() -> None:
    schemas = GroupSchemas(object())
    schemas.follow(facts_of(First))
    schemas.adopt(entry(1, First))
    assert (schemas.hash, schemas.code, schemas.next_payload, schemas.active) == (NO_HASH, None, None, None)


# What is applied.


def test_the_machine_follows_each_schema_from_its_entry_on() -> None:
    machine = Third()
    schemas = GroupSchemas(TypedMachine(machine))
    schemas.follow(facts_of(First, Third))
    schemas.adopt(entry(1, First))
    assert machine.version == 1
    schemas.adopt(entry(2, Third))
    assert (machine.version, schemas.active) == (3, Revision(2, machine_schema(Third)))


def test_older_code_stops_at_the_entry_that_it_cannot_follow() -> None:
    schemas = GroupSchemas(TypedMachine(First()))
    schemas.follow(facts_of(First, Second))
    schemas.adopt(entry(1, First))
    with pytest.raises(CannotFollow, match=r"revision 2 \(version 2\) at entry 2 is newer than this code"):
        schemas.adopt(entry(2, Second))


def test_what_is_committed_puts_older_code_into_quarantine_at_once() -> None:
    schemas = GroupSchemas(TypedMachine(First()))
    schemas.follow(facts_of(First, Second, committed=1))
    assert schemas.why_not_committed_followed() is None
    schemas.follow(facts_of(First, Second, committed=2))
    assert str(schemas.why_not_committed_followed()).startswith("revision 2")
