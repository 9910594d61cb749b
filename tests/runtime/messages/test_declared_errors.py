"""Errors that a message declares: which may be declared, and how they cross the wire."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from coterie.errors import ActorStopped, BadMessage, MessageTypeError
from coterie.runtime.messages.declared_errors import DeclaredErrors
from coterie.runtime.messages.message import Ask, message, message_type


class NotEnough(Exception):
    """The plainest: its args are what it was called with."""


class FarTooLittle(NotEnough):
    """A special case of it."""


@dataclasses.dataclass
class Overdrawn(Exception):
    """A dataclass: its fields are its values, however it was called."""

    account: str
    missing: int


class Awkward(Exception):
    """Cannot be made again from its args."""

    def __init__(self, account: str, missing: int) -> None:
        super().__init__(f"{account} lacks {missing}")


ERRORS = DeclaredErrors("bank.Withdraw", (NotEnough, Overdrawn, Awkward))
NAME = f"{__name__}.NotEnough"


@pytest.mark.parametrize("values", [(), (1,), (None, True, -(2**63), 2.5, "é", b"x", (1, ("a",)))])
def test_an_error_crosses_with_its_values(values: tuple[object, ...]) -> None:
    error = ERRORS.decode(*ERRORS.encode(NotEnough(*values)))

    assert (type(error), error.args) == (NotEnough, values)


def test_a_dataclass_crosses_with_its_fields_however_it_was_made() -> None:
    error = ERRORS.decode(*ERRORS.encode(Overdrawn(missing=3, account="a")))

    assert error == Overdrawn("a", 3)


def test_a_special_case_crosses_as_what_was_declared() -> None:
    assert ERRORS.encode(FarTooLittle(7)) == (NAME, (7,))


def test_the_nearest_declared_class_is_the_one_that_crosses() -> None:
    errors = DeclaredErrors("m", (NotEnough, FarTooLittle))

    assert errors.encode(FarTooLittle(7))[0].endswith("FarTooLittle")


NESTED: Any = ()
for _ in range(10):
    NESTED = (NESTED,)


@pytest.mark.parametrize("value", [object(), [1], {}, 2**64, -(2**63) - 1, "\ud800", NESTED, (1, [2])])
def test_a_value_that_cannot_cross_is_named(value: object) -> None:
    with pytest.raises(BadMessage, match=r"NotEnough.*cannot cross"):
        ERRORS.encode(NotEnough(value))


def test_an_error_that_is_not_declared_does_not_cross() -> None:
    with pytest.raises(BadMessage, match="KeyError is not among"):
        ERRORS.encode(KeyError("x"))


@pytest.mark.parametrize(
    ("name", "values"), [("builtins.SystemExit", (1,)), (NAME, [1]), (NAME, "x"), (f"{__name__}.Awkward", ("one",))]
)
def test_what_is_no_declared_error_is_refused(name: str, values: object) -> None:
    with pytest.raises(BadMessage):
        ERRORS.decode(name, values)


@pytest.mark.parametrize("cls", [KeyboardInterrupt, StopIteration, ActorStopped, int, "NotEnough"])
def test_what_cannot_be_an_answer_cannot_be_declared(cls: Any) -> None:
    with pytest.raises(MessageTypeError, match=r"bank\.Withdraw"):
        DeclaredErrors("bank.Withdraw", (cls,))


def test_two_errors_of_one_name_are_refused() -> None:
    with pytest.raises(MessageTypeError, match="the same name"):
        DeclaredErrors("bank.Withdraw", (NotEnough, NotEnough))


def test_a_message_carries_what_it_declares() -> None:
    @message(raises=(NotEnough,))
    class Withdraw(Ask[int]):
        amount: int

    assert message_type(Withdraw).raises.classes == (NotEnough,)


def test_only_an_ask_declares_errors() -> None:
    with pytest.raises(MessageTypeError, match="it has no asker"):

        @message(raises=(NotEnough,))
        class Hint:
            pass
