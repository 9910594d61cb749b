"""Message classes: which classes are accepted and which are refused."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import pytest

from coterie.errors import MessageTypeError
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import Ask, lane_of, message, message_type, register_message


@message
class Plain:
    number: int


@message(name="messages.Urgent", lane=Lane.CONSENSUS)
class Urgent:
    pass


def test_a_message_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Plain(1).number = 2  # type: ignore[misc]


def test_a_message_is_slotted() -> None:
    @message(name="messages.SlottedAsk")
    class SlottedAsk(Ask[int]):
        number: int

    assert not hasattr(Plain(1), "__dict__")
    assert not hasattr(SlottedAsk(1), "__dict__")


def test_messages_with_equal_fields_are_equal_and_hash_alike() -> None:
    assert Plain(1) == Plain(1)
    assert hash(Plain(1)) == hash(Plain(1))


def test_the_wire_name_is_module_and_class_unless_given() -> None:
    assert message_type(Plain).name == f"{__name__}.Plain"
    assert message_type(Urgent).name == "messages.Urgent"


def test_the_lane_is_bulk_unless_given() -> None:
    assert (lane_of(Plain(1)), lane_of(Urgent()), lane_of("no message")) == (Lane.BULK, Lane.CONSENSUS, Lane.BULK)


def test_the_control_lane_is_refused() -> None:
    with pytest.raises(MessageTypeError, match=r"messages\.Control.*control lane is the runtime's own"):

        @message(name="messages.Control", lane=Lane.CONTROL)
        class Control:
            pass


def test_an_ask_without_a_reply_type_is_refused() -> None:
    with pytest.raises(MessageTypeError, match="Bare is an Ask without a reply type"):

        @message(name="messages.Bare")
        class Bare(Ask):  # type: ignore[type-arg]
            pass


def test_what_is_no_message_has_no_message_type() -> None:
    with pytest.raises(MessageTypeError, match=r"builtins\.int is not a message: decorate it"):
        message_type(int)


def test_register_message_takes_a_frozen_dataclass_or_a_named_tuple() -> None:
    @dataclasses.dataclass(frozen=True)
    class Frozen:
        x: int

    class Named(NamedTuple):
        x: int

    assert message_type(register_message(Frozen, name="messages.Frozen")).name == "messages.Frozen"
    assert message_type(register_message(Named, name="messages.Named")).name == "messages.Named"


def test_register_message_refuses_what_could_change() -> None:
    @dataclasses.dataclass
    class Mutable:
        x: int

    for cls in (Mutable, int):
        with pytest.raises(MessageTypeError, match=r"cannot be message 'messages\.Mutable'"):
            register_message(cls, name="messages.Mutable")


def test_register_message_again_under_the_same_name_changes_nothing_and_another_is_refused() -> None:
    described = message_type(Urgent)

    assert message_type(register_message(Urgent, name="messages.Urgent")) is described
    with pytest.raises(MessageTypeError, match="is already message"):
        register_message(Urgent, name="messages.Other")


def test_a_declaration_that_failed_leaves_no_mark() -> None:
    @dataclasses.dataclass(frozen=True)
    class Bad:
        items: list[int]

    with pytest.raises(MessageTypeError, match=r"Bad\.items: .*use tuple"):
        register_message(Bad, name="messages.Bad")
    with pytest.raises(MessageTypeError, match="is not a message"):
        message_type(Bad)
