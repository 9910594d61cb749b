"""Commands under a recorded schema: what two releases make of the same bytes."""

from __future__ import annotations

import enum
import types
from collections.abc import Mapping
from typing import Any, cast

import msgpack
import pytest

from coterie.actors.groups.evolution.machine_schema import machine_schema
from coterie.actors.groups.evolution.recorded_commands import (
    NESTING_MAX,
    NOT_A_COMMAND,
    TOO_MANY_PARTS,
    RecordedCommands,
)
from coterie.actors.groups.evolution.recorded_records import RecordedRecord
from coterie.actors.groups.state_machine import Query, StateMachine, commands_of
from coterie.errors import BadMessage
from coterie.runtime.messages.message import Ask, message, message_type
from coterie.runtime.messages.unpacking import parts_max
from coterie.runtime.refs import Address, Ref


class Colour(enum.Enum):
    RED = 1


class Colours(enum.Enum):
    BLUE = 2
    RED = 1


class Right(enum.IntFlag):
    READ = 1


class Rights(enum.IntFlag):
    READ = 1
    WRITE = 2


@message(name="recorded.Line")
class Line:
    sku: str


@message(name="recorded.Line")
class LongerLine:
    sku: str
    note: str = "none"


@message(name="recorded.Order")
class Order(Ask[Line]):
    line: Line
    amount: int = 1


@message(name="recorded.Order")
class LongerOrder(Ask[LongerLine]):
    line: LongerLine
    amount: int = 1
    gift: bool = True


@message(name="rec.Paint")
class Paint(Ask[Colour | None]):
    colour: Colour = Colour.RED
    right: Right = Right.READ
    size: int = 0


@message(name="rec.Paint")
class PaintMore(Ask[Colours | None]):
    colour: Colours = Colours.RED
    right: Rights = Rights.READ
    size: int | None = 0


@message(name="recorded.Added.With.A.Name.That.Is.Longer.Than.Others")
class Added(Query[None]):
    pass


class Old(StateMachine[Order | Paint]):
    pass


class New(StateMachine[LongerOrder | PaintMore | Added]):
    version = 2


BY_OLD = RecordedCommands(machine_schema(Old), commands_of(Old))
BY_NEW = RecordedCommands(machine_schema(Old), commands_of(New))
ACTIVE = RecordedCommands(machine_schema(New), commands_of(New))


def packed(name: str, *row: Any) -> bytes:
    return cast("bytes", msgpack.packb((name, row)))


def encoded(command: Ask[Any]) -> bytes:
    return packed(message_type(type(command)).name, *message_type(type(command)).trimmed.encode(command))


def refusal(commands: RecordedCommands, payload: bytes) -> str:
    with pytest.raises(BadMessage) as caught:
        commands.decode(payload)
    return str(caught.value)


def test_fields_that_are_left_out_have_the_default_that_is_recorded() -> None:
    payload = packed("recorded.Order", ("tea",))
    assert BY_OLD.decode(payload)[1] == Order(Line("tea"), 1)
    assert BY_NEW.decode(payload)[1] == LongerOrder(LongerLine("tea", "none"), 1, gift=True)


def test_a_default_is_the_recorded_one_and_not_that_of_the_code() -> None:
    @message(name="recorded.Order")
    class ChangedOrder(Ask[Line]):
        line: Line
        amount: int = 7

    class Changed(StateMachine[ChangedOrder | Paint]):
        pass

    commands = RecordedCommands(machine_schema(Old), commands_of(Changed))
    assert commands.decode(packed("recorded.Order", ("tea",)))[1].amount == 1


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (
            packed("recorded.Added.With.A.Name.That.Is.Longer.Than.Others"),
            "'recorded.Added.With.A.Name.That.Is.Longer.Than.Others' is not active",
        ),
        (packed("recorded.Order"), "message 'recorded.Order': got 0 fields, at least 1 are required"),
        (
            packed("recorded.Order", ("tea",), 1, True),
            "message 'recorded.Order' with 3 fields is not active",
        ),
        (
            packed("recorded.Order", ("tea", "ripe")),
            "message 'recorded.Line' with 2 fields is not active",
        ),
        (packed("recorded.Order", ()), "message 'recorded.Line': got 0 fields, at least 1 are required"),
        (
            packed("recorded.Order", "tea"),
            "message 'recorded.Order', field 'line': expected recorded.Line, got str 'tea'",
        ),
        (packed("rec.Paint", 2), "message 'rec.Paint', field 'colour': expected enum(RED=1), got int 2"),
        (packed("rec.Paint", 1, 2), "message 'rec.Paint', field 'right': expected flags(READ=1), got int 2"),
        (
            packed("rec.Paint", 1, -1),
            "message 'rec.Paint', field 'right': expected flags(READ=1), got int -1",
        ),
        (
            packed("rec.Paint", 1, 1, None),
            "message 'rec.Paint', field 'size': expected int, got NoneType None",
        ),
        (
            packed("rec.Paint", True),
            "message 'rec.Paint', field 'colour': expected enum(RED=1), got bool True",
        ),
        (b"", "the bytes of a command are not [name, fields]"),
        (b"\xc1", "the bytes of a command are not [name, fields]"),
        (msgpack.packb(1), "the bytes of a command are not [name, fields]"),
        (msgpack.packb((1, ())), "1 is not active"),
        (msgpack.packb(("recorded.Order", 1)), "message 'recorded.Order': expected a row of fields, got int 1"),
        (msgpack.packb(("recorded.Order", (), 1)), "the bytes of a command are not [name, fields]"),
    ],
)
def test_what_is_not_active_is_refused_alike_by_both_releases(payload: bytes, text: str) -> None:
    assert refusal(BY_OLD, payload) == refusal(BY_NEW, payload) == text


def test_what_the_newer_schema_allows_is_decoded_once_it_is_active() -> None:
    assert ACTIVE.decode(packed("recorded.Order", ("tea", "ripe"), 2, False))[1] == LongerOrder(
        LongerLine("tea", "ripe"), 2, gift=False
    )
    assert ACTIVE.decode(packed("rec.Paint", 2, 3, None))[1] == PaintMore(Colours.BLUE, Rights(3), None)


def test_a_newer_client_is_understood_as_long_as_it_leaves_new_fields_at_their_default() -> None:
    assert BY_OLD.decode(encoded(LongerOrder(LongerLine("tea"), 2)))[1] == Order(Line("tea"), 2)
    assert BY_OLD.decode(encoded(PaintMore()))[1] == Paint()
    assert "with 3 fields" in refusal(BY_OLD, encoded(LongerOrder(LongerLine("tea"), gift=False)))


@pytest.mark.parametrize("commands", [BY_OLD, BY_NEW, ACTIVE])
def test_the_leader_refuses_by_the_first_bytes_what_no_replica_would_apply(commands: RecordedCommands) -> None:
    longest = ACTIVE is commands
    assert commands.refusal(packed("recorded.Order", ("tea",))) is None
    assert commands.refusal(packed("recorded.Order", ("tea",), 2)) is None
    assert (commands.refusal(packed("recorded.Order", ("tea",), 2, True)) is None) == longest
    assert (commands.refusal(encoded(Added())) is None) == longest
    for payload in (packed("recorded.Order"), packed("recorded.Order", *range(20)), packed("nope"), b"", b"\x92\xc0"):
        assert commands.refusal(payload) == refusal(commands, payload)


def commands_with_one(name: str, count: int) -> RecordedCommands:
    """The commands of a machine with one command of this name, with so many fields."""
    body = {"__annotations__": {f"f{number}": int for number in range(count)}, "__module__": __name__}
    cls: Any = message(name=name)(types.new_class("Command", (Ask[None],), {}, lambda scope: scope.update(body)))
    machine: Any = types.new_class("Machine", (StateMachine[cls],))
    return RecordedCommands(machine_schema(machine), commands_of(machine))


def test_names_and_rows_of_every_length_are_checked_by_their_first_bytes() -> None:
    for length in (1, 31, 32, 255, 256, 70_000):
        for count in (0, 15, 16):
            name = "x" * length
            commands = commands_with_one(name, count)
            assert commands.refusal(packed(name, *range(count))) is None
            assert f"with {count + 1} fields" in str(commands.refusal(packed(name, *range(count + 1))))


def test_replies_hold_what_is_recorded() -> None:
    reply = BY_NEW.command("recorded.Order").reply
    assert reply.encode(LongerLine("tea", "ripe")) == BY_OLD.command("recorded.Order").reply.encode(Line("tea"))
    assert ACTIVE.command("recorded.Order").reply.encode(LongerLine("tea")) == ("tea", "none")


def test_a_reply_that_is_not_recorded_is_refused() -> None:
    with pytest.raises(BadMessage, match=r"expected a Colours, got Colours <Colours.BLUE: 2>"):
        BY_NEW.command("rec.Paint").reply.encode(Colours.BLUE)
    assert BY_NEW.command("rec.Paint").reply.encode(Colours.RED) == 1


def test_commands_know_whether_they_are_queries() -> None:
    assert [ACTIVE.command(name).is_query for name in ACTIVE.schema.commands] == [False, False, True]


def test_code_that_contradicts_the_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="the code has no command 'recorded\\.Added"):
        RecordedCommands(machine_schema(New), commands_of(Old))


@message(name="recorded.Tree")
class Tree(Ask[None]):
    branches: tuple[Tree, ...] = ()
    by: Mapping[str, Tree] | None = None


class Trees(StateMachine[Tree]):
    pass


def nested(depth: int, *, by: bool) -> Any:
    row: Any = ()
    for _ in range(depth):
        row = ((), {"a": row}) if by else ((row,),)
    return row


@pytest.mark.parametrize("by", [False, True])
def test_the_depth_of_a_command_that_holds_itself_is_bounded_by_a_rule(by: bool) -> None:
    commands = RecordedCommands(machine_schema(Trees), commands_of(Trees))
    most = NESTING_MAX // 2

    assert isinstance(commands.decode(packed("recorded.Tree", *nested(most, by=by)))[1], Tree)
    for depth in (most + 1, 200):
        expected = f"command 'recorded.Tree' is nested more than {NESTING_MAX} deep"
        assert refusal(commands, packed("recorded.Tree", *nested(depth, by=by))) == expected


def test_a_wrong_value_deep_inside_a_command_is_found_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    count, decode = 0, RecordedRecord.decode

    def counted(self: RecordedRecord, row: Any, resolver: Any) -> object:
        nonlocal count
        count += 1
        return decode(self, row, resolver)

    monkeypatch.setattr(RecordedRecord, "decode", counted)
    commands = RecordedCommands(machine_schema(Trees), commands_of(Trees))
    row: Any = (5,)
    for _ in range(NESTING_MAX // 2 - 2):
        row = ((row,),)
    assert "field 'branches': expected tuple[recorded.Tree, ...]" in refusal(commands, packed("recorded.Tree", *row))
    assert count < 3 * NESTING_MAX


@message(name="recorded.Other")
class Other:
    pass


@message(name="recorded.Lines")
class Lines(Ask[None]):
    many: tuple[Line, ...] = ()
    by: Mapping[str, tuple[int, Line]] | None = None
    either: Line | Other | None = None


@message(name="recorded.Lines")
class LongerLines(Ask[None]):
    many: tuple[LongerLine, ...] = ()
    by: Mapping[str, tuple[int, LongerLine]] | None = None
    either: LongerLine | Other | None = None


class OldLines(StateMachine[Lines]):
    pass


class NewLines(StateMachine[LongerLines]):
    pass


@pytest.mark.parametrize(
    "row",
    [
        ((("tea",), ("tea", "ripe"), (1,)),),
        ((), {"a": (1, ("tea",)), "b": (2, ("tea", "ripe")), "c": 1}),
        ((), None, ("recorded.Line", ("tea", "ripe"))),
    ],
)
def test_a_nested_message_with_a_field_that_is_not_active_is_named_wherever_it_is(row: tuple[Any, ...]) -> None:
    for machine in (OldLines, NewLines):
        commands = RecordedCommands(machine_schema(OldLines), commands_of(machine))
        assert (
            refusal(commands, packed("recorded.Lines", *row)) == "message 'recorded.Line' with 2 fields is not active"
        )


def test_a_command_cannot_hold_a_ref_but_an_address() -> None:
    @message(name="recorded.Send")
    class Send(Ask[None]):
        to: Address | None
        ref: Ref[Any] | None = None

    class Sender(StateMachine[Send]):
        pass

    commands = RecordedCommands(machine_schema(Sender), commands_of(Sender))
    assert commands.decode(packed("recorded.Send", ("n1", "a")))[1] == Send(Address("n1", "a"))
    assert "a command cannot hold a Ref ('a' on 'n1')" in refusal(
        commands, packed("recorded.Send", None, ("n1", 1, "a", 1))
    )


def test_a_message_that_refuses_its_fields_refuses_the_command() -> None:
    @message(name="recorded.Positive")
    class Positive(Ask[None]):
        number: int = 1

        def __post_init__(self) -> None:
            if self.number < 1:
                raise ValueError("too low")

    class Machine(StateMachine[Positive]):
        pass

    commands = RecordedCommands(machine_schema(Machine), commands_of(Machine))
    assert commands.decode(packed("recorded.Positive"))[1] == Positive(1)
    assert refusal(commands, packed("recorded.Positive", 0)).endswith("refuses its fields: ValueError: too low")


# --- commands with many parts ---------------------------------------------------------------------------------------


def dense(parts: int) -> bytes:
    return packed("recorded.Order", ("tea",), ((),) * parts)


def test_a_long_command_with_too_many_parts_is_kept_out_of_the_log() -> None:
    command = dense(200_000)

    refusal = BY_OLD.refusal(command)
    assert refusal is not None
    assert refusal == f"{TOO_MANY_PARTS}: {parts_max(len(command))} are allowed in {len(command)} bytes"
    assert BY_OLD.unusual(command, [(0, len(command))]) == [0]
    assert BY_OLD.refusal(dense(35_000)) is None
    assert BY_OLD.refusal(packed("recorded.Order", ("tea" * 100_000,), 1)) is None
    assert BY_OLD.refusal(dense(200_000)[:-1] + b"\xdd\xff\xff\xff\xff") == NOT_A_COMMAND


def test_a_command_that_is_in_the_log_is_decoded_whatever_its_parts() -> None:
    with pytest.raises(BadMessage, match="field 'amount': expected int, got tuple"):
        BY_OLD.decode(dense(200_000))
