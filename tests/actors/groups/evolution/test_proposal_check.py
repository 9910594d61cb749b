"""What a leader keeps out of its log, and how the callers of a batch learn about it."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from coterie.actors.groups.evolution.group_schemas import GroupSchemas
from coterie.actors.groups.evolution.machine_schema import machine_schema
from coterie.actors.groups.evolution.proposal_check import ProposalCheck
from coterie.actors.groups.replicas.typed_machine import TypedMachine
from coterie.actors.groups.state_machine import StateMachine
from coterie.actors.groups.typed_commands import encode_command
from coterie.protocols.evolution.revisions import Revision
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.replicated_log import LogIndex
from coterie.protocols.sessions import (
    Done,
    NotActive,
    Replies,
    SessionId,
    decode_replies,
    decode_reply,
    encode_batch,
    encode_open_session,
    encode_plain,
    encode_reply,
    encode_session_command,
    without_commands,
)
from coterie.runtime.messages.message import Ask, message


@message(name="check.Old")
class Old(Ask[int]):
    pass


@message(name="check.New")
class New(Ask[int]):
    pass


@message(name="check.Unknown")
class Unknown(Ask[int]):
    pass


class First(StateMachine[Old]):
    pass


class Second(StateMachine[Old | New]):
    version = 2


def schemas_of(machine: type[StateMachine[Any]], *recorded: type[StateMachine[Any]]) -> GroupSchemas:
    schemas = GroupSchemas(TypedMachine(machine()))
    contents = [Revision(at, machine_schema(each)).encode() for at, each in enumerate(recorded, 1)]
    schemas.follow(GroupFacts(schemas=tuple((LogIndex(at), content) for at, content in enumerate(contents, 1))))
    return schemas


def check_of(machine: type[StateMachine[Any]], *recorded: type[StateMachine[Any]]) -> ProposalCheck:
    return ProposalCheck(schemas_of(machine, *recorded), lambda: "n2 runs version 1", lambda: "the leader lacks it")


PACK = msgpack.Packer().pack
OLD, NEW, UNKNOWN = (encode_command(command, PACK) for command in (Old(), New(), Unknown()))


def in_session(payload: bytes) -> bytes:
    return encode_session_command(SessionId(bytes(16)), 1, 1, payload)


@pytest.mark.parametrize(
    "command",
    [encode_plain(OLD), in_session(OLD), encode_open_session(bytes(16)), encode_batch([in_session(OLD)]), b"", b"\x03"],
)
def test_what_is_active_or_no_command_of_the_machine_passes(command: bytes) -> None:
    assert check_of(Second, First).check(command) is None


@pytest.mark.parametrize("frame", [encode_plain, in_session])
def test_a_command_that_is_not_active_yet_says_what_it_waits_for(frame: Any) -> None:
    checked = check_of(Second, First).check(frame(NEW))
    assert checked is not None
    assert checked.command is None
    assert decode_reply(checked.answer(None)) == NotActive("'check.New' is not active yet: n2 runs version 1")


def test_a_command_that_the_leader_does_not_have_says_so() -> None:
    checked = check_of(First, First).check(in_session(NEW))
    assert checked is not None
    assert decode_reply(checked.answer(None)) == NotActive("'check.New' is not active: the leader lacks it")


def test_bytes_that_are_no_command_are_told_as_such() -> None:
    checked = check_of(First, First).check(in_session(b"\xc1"))
    assert checked is not None
    assert decode_reply(checked.answer(None)) == NotActive("the bytes of a command are not [name, fields]")


def test_the_rest_of_a_batch_is_proposed_and_each_caller_gets_its_own_answer() -> None:
    parts = [in_session(payload) for payload in (NEW, OLD, UNKNOWN, OLD)]
    checked = check_of(Second, First).check(encode_batch(parts))

    assert checked is not None
    assert checked.command == encode_batch([parts[1], parts[3]])
    answer = decode_replies(checked.answer(encode_reply(Replies([Done(b"1"), Done(b"3")]))))
    assert [type(each) for each in answer] == [NotActive, Done, NotActive, Done]
    assert answer[1::2] == [Done(b"1"), Done(b"3")]


def test_a_batch_of_which_nothing_is_left_is_answered_at_once() -> None:
    checked = check_of(Second, First).check(encode_batch([in_session(NEW)]))
    assert checked is not None
    assert checked.command is None
    assert [type(each) for each in decode_replies(checked.answer(None))] == [NotActive]


def test_nothing_may_be_proposed_before_the_log_has_a_schema_that_the_code_can_follow() -> None:
    assert not check_of(First).is_ready
    assert not check_of(First, First, Second).is_ready
    assert check_of(Second, First).is_ready


def test_a_machine_of_bytes_takes_everything() -> None:
    check = ProposalCheck(GroupSchemas(object()), lambda: "", lambda: "")
    assert check.is_ready
    assert check.check(encode_plain(b"anything")) is None


def test_a_lone_command_is_left_out_as_a_whole() -> None:
    assert without_commands(in_session(OLD), {0}) is None
    assert without_commands(in_session(OLD), {}) == in_session(OLD)
