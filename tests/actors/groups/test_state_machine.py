"""Typed state machines: every outcome is a reply, and every replica gives the same one."""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Mapping
from typing import Any

import msgpack
import pytest

from coterie.actors.groups.key_value import Get, Increment, KeyValue, Put
from coterie.actors.groups.replicas.typed_machine import TypedMachine
from coterie.actors.groups.state_machine import Query, StateMachine, commands_of, machine_mistake
from coterie.actors.groups.typed_commands import REASON_CHARS_MAX, decode_result, encode_command
from coterie.errors import BadMessage, CommandFailed, CommandRefused, MessageTypeError, Outcome
from coterie.protocols.replicated_log import LogIndex
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Ref


@message(name="test.machine.Add")
class Add(Ask[int]):
    amount: int


@message(name="test.machine.Total")
class Total(Query[int]):
    pass


@message(name="test.machine.Fail")
class Fail(Ask[int]):
    how: str


@message(name="test.machine.Remember")
class Remember(Ask[None]):
    who: Ref[Any] | None


@message(name="test.machine.Many")
class Many(Ask[None]):
    rows: tuple[tuple[int, ...], ...]


@message(name="test.machine.Where")
class Where(Ask[int]):
    pass


@message(name="test.machine.Told")
class Told:
    pass


class Totals(StateMachine[Add | Total | Fail | Remember | Where]):
    def __init__(self) -> None:
        self.total = 0

    def apply(self, command: Add | Total | Fail | Remember | Where, /) -> object:
        match command:
            case Add(amount):
                self.total += amount
                return self.total
            case Total():
                return self.total
            case Where():
                return self.index
            case Fail(how):
                return _FAILURES[how]()
            case Remember():
                return None


def _raise(error: BaseException) -> Any:
    raise error


_FAILURES: dict[str, Callable[[], object]] = {
    "refuse": lambda: _raise(CommandRefused("not today")),
    "raise": lambda: _raise(RuntimeError("broken")),
    "no unicode": lambda: _raise(RuntimeError("\ud800 broken")),
    "refuse without unicode": lambda: _raise(CommandRefused("\ud800 refused")),
    "at length": lambda: _raise(RuntimeError("x" * 10**6)),
    "wrong reply": lambda: "a text where a number was promised",
    "beyond 64 bits": lambda: 2**70,
    "no reply at all": object,
}

pack = msgpack.Packer().pack


def execute(machine: TypedMachine, command: Ask[Any], index: int = 1) -> Any:
    return decode_result(command, machine.apply(LogIndex(index), encode_command(command, pack)))


@pytest.fixture
def machine() -> TypedMachine:
    return TypedMachine(Totals())


def test_a_command_gets_its_typed_reply(machine: TypedMachine) -> None:
    execute(machine, Add(2))

    assert execute(machine, Add(3)) == 5
    assert execute(machine, Total()) == 5


def test_the_machine_knows_the_index_that_is_applied(machine: TypedMachine) -> None:
    assert execute(machine, Where(), index=7) == 7


@pytest.mark.parametrize(("how", "text"), [("refuse", "^not today$"), ("refuse without unicode", "ud800 refused")])
def test_what_the_machine_refuses_is_refused_to_who_asked(machine: TypedMachine, how: str, text: str) -> None:
    with pytest.raises(CommandRefused, match=text) as caught:
        execute(machine, Fail(how))

    assert caught.value.outcome is Outcome.DEFINITE


@pytest.mark.parametrize("how", ["raise", "no unicode", "at length", "beyond 64 bits", "no reply at all"])
def test_a_poison_command_fails_alone_and_the_machine_goes_on(machine: TypedMachine, how: str) -> None:
    with pytest.raises(CommandFailed, match="Fail failed where it was executed") as caught:
        execute(machine, Fail(how))

    assert caught.value.outcome is Outcome.HAPPENED
    assert len(str(caught.value)) < REASON_CHARS_MAX + 100
    assert execute(machine, Add(1)) == 1


def test_a_reply_of_another_type_than_promised_says_that_the_command_was_applied(machine: TypedMachine) -> None:
    with pytest.raises(CommandFailed, match="is not of its declared type int") as caught:
        execute(machine, Fail("wrong reply"))

    assert caught.value.outcome is Outcome.HAPPENED


def test_an_unknown_command_is_refused_by_its_name(machine: TypedMachine) -> None:
    with pytest.raises(CommandRefused, match=r"'kv\.Get' is not active"):
        execute(machine, Get(b"k"))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x01",
        b"garbage that is longer than a row",
        pack(None),
        pack(7),
        pack(()),
        pack(("test.machine.Add",)),
        pack(("test.machine.Add", (1,), "more")),
        pack(("test.machine.Add", None)),
        pack(("test.machine.Add", ("1",))),
        pack(("test.machine.Add", (1.5,))),
        pack(("test.machine.Add", ())),
        pack(("no.such", ())),
        pack(({}, ())),  # what cannot be looked up at all
        pack((((), {}), ())),
        pack((b"test.machine.Add", (1,))),
        pack((None, (1,))),
        b"\x92" * 2000,
        b"\xdd\xff\xff\xff\xff",
        pack(("test.machine.Add", (1,))) + b"\x00",
        pack(("test.machine.Add", (1,)))[:-1],
        pack(("test.machine.Remember", (("n1", 1, "path", 2),))),
    ],
)
def test_bytes_that_are_no_command_are_refused_and_change_nothing(machine: TypedMachine, payload: bytes) -> None:
    reply = machine.apply(LogIndex(1), payload)

    with pytest.raises(CommandRefused):
        decode_result(Add(1), reply)
    assert execute(machine, Total()) == 0


def test_a_ref_cannot_be_part_of_a_command_because_it_dies_with_its_actor(machine: TypedMachine) -> None:
    payload = pack(("test.machine.Remember", (("n1", 1, "path", 2),)))

    with pytest.raises(CommandRefused, match="a command cannot hold a Ref"):
        decode_result(Remember(None), machine.apply(LogIndex(1), payload))


def test_a_field_that_cannot_cross_is_named_at_the_client() -> None:
    with pytest.raises(BadMessage, match="amount"):
        encode_command(Add(2**70), pack)


def test_a_command_with_too_many_parts_for_its_size_is_named_at_the_client() -> None:
    many = Many(((),) * 100_000)

    with pytest.raises(BadMessage, match=r"'test\.machine\.Many' of 100025 bytes has more than 45271 parts"):
        encode_command(many, pack)
    assert len(encode_command(Many(((),) * 40_000), pack)) > 40_000


def test_a_packer_that_refused_one_command_encodes_the_next() -> None:
    own = msgpack.Packer().pack
    with pytest.raises(BadMessage):
        encode_command(Put(b"x" * 100, 2**70), own)  # type: ignore[arg-type]

    assert encode_command(Add(1), own) == pack(("test.machine.Add", (1,)))


# What a machine's class declares.


def test_commands_are_found_in_a_union_and_in_what_inherits() -> None:
    class More(Totals):
        pass

    expected = [Add, Total, Fail, Remember, Where]
    assert [described.cls for described in commands_of(Totals)] == expected
    assert [described.cls for described in commands_of(More)] == expected
    assert execute(TypedMachine(More()), Add(4)) == 4


def test_a_machine_with_one_command_needs_no_union() -> None:
    class Only(StateMachine[Add]):
        pass

    assert [described.cls for described in commands_of(Only)] == [Add]


def test_a_machine_that_says_no_commands_is_told_how() -> None:
    class Silent(StateMachine):  # type: ignore[type-arg]
        pass

    with pytest.raises(MessageTypeError, match=r"write Silent\(StateMachine\[…\]\)"):
        commands_of(Silent)


def test_what_is_no_message_cannot_be_a_command() -> None:
    class Plain(StateMachine[int]):
        pass

    class Nothing(StateMachine[Add | None]):
        pass

    for cls in (Plain, Nothing):
        with pytest.raises(MessageTypeError, match="is not a message"):
            commands_of(cls)


def test_a_command_must_be_an_ask_so_that_its_reply_has_a_type() -> None:
    class Mute(StateMachine[Add | Told]):
        pass

    with pytest.raises(MessageTypeError, match=r"command 'test\.machine\.Told' of .*Mute is no Ask"):
        commands_of(Mute)


def test_a_machine_without_apply_fails_each_command_and_says_why() -> None:
    class Lazy(StateMachine[Add]):
        pass

    with pytest.raises(CommandFailed, match="Lazy has no apply"):
        execute(TypedMachine(Lazy()), Add(1))


def test_every_kind_of_field_crosses_in_a_command() -> None:
    class Colour(enum.Enum):
        RED = "red"

    @message(name="test.machine.Everything")
    class Everything(Ask[tuple[Colour, Mapping[str, float]]]):
        colour: Colour
        numbers: tuple[int, ...]
        nested: Add | None

    class Echo(StateMachine[Everything]):
        def apply(self, command: Everything, /) -> object:
            return (command.colour, {str(number): float(number) for number in command.numbers})

    reply = execute(TypedMachine(Echo()), Everything(Colour.RED, (1, 2), Add(3)))

    assert reply == (Colour.RED, {"1": 1.0, "2": 2.0})


# Determinism.


@pytest.mark.parametrize("seed", range(5))
def test_two_machines_that_were_fed_the_same_bytes_answer_the_same_bytes(seed: int) -> None:
    rng = random.Random(seed)
    machines = TypedMachine(KeyValue()), TypedMachine(KeyValue())

    for index in range(1, 400):
        payload = _random_payload(rng)
        first, second = (machine.apply(LogIndex(index), payload) for machine in machines)
        assert first == second


@pytest.mark.parametrize("seed", range(5))
def test_no_bytes_whatever_make_a_machine_raise(seed: int) -> None:
    rng = random.Random(seed)
    machine = TypedMachine(KeyValue())

    for index in range(1, 1000):
        payload = bytearray(_random_payload(rng))
        for _ in range(rng.randrange(4)):
            if payload:
                payload[rng.randrange(len(payload))] = rng.randrange(256)
        assert isinstance(machine.apply(LogIndex(index), bytes(payload)), bytes)


def _random_payload(rng: random.Random) -> bytes:
    key = rng.choice([b"a", b"b", b"c"])
    choices: list[Ask[Any]] = [
        Put(key, rng.choice([b"1", b"x", b""])),
        Get(key),
        Increment(key, rng.choice([1, -1, 2**62])),
    ]
    return encode_command(rng.choice(choices), pack) if rng.random() < 0.9 else rng.randbytes(rng.randrange(30))


class Misannotated(StateMachine[Get | Put]):
    def apply(self, command: Get, /) -> None:
        pass


class Textual(StateMachine[Get]):
    def apply(self, command: str, /) -> None:
        pass


@pytest.mark.parametrize(("machine", "taken", "named"), [(Misannotated, "Get", "Put"), (Textual, "str", "Get")])
def test_an_apply_that_is_annotated_for_other_commands_is_a_mistake(machine: Any, taken: str, named: str) -> None:
    mistake = f"{machine.__name__}.apply takes {taken}, but its StateMachine[…] names {named}"
    assert machine_mistake(machine()) == mistake
