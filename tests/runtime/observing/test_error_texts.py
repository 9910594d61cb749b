"""A text of any error: bounded, and to be had whatever the error's own code does."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from coterie.runtime.observing.error_texts import CHARS_MAX, error_text, loggable, type_name, value_text


class NoString(Exception):
    def __str__(self) -> str:
        return self.args[0]  # type: ignore[no-any-return]  # which is an int


class Refers(Exception):
    def __str__(self) -> str:
        return str(self.detail)  # type: ignore[attr-defined]


class Exits(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


class Endless(Exception):
    def __str__(self) -> str:
        return str(self)


class OddText(str):
    __slots__ = ()

    def __len__(self) -> int:
        raise ValueError("no length")

    def __getitem__(self, key: Any) -> str:
        raise ValueError("no part")


class Odd(Exception):
    def __str__(self) -> str:
        return OddText("odd")


class OddName(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise ValueError("no name")


class Nameless(Exception, metaclass=OddName):
    pass


class Unequal(Exception):
    def __eq__(self, other: object) -> bool:
        raise ValueError("not to be compared")

    __hash__ = Exception.__hash__


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("plain"), "plain"),
        (ValueError(), ""),
        (NoString(404), "(its text cannot be had: TypeError)"),
        (Refers(), "(its text cannot be had: AttributeError)"),
        (Exits(), "(its text cannot be had: SystemExit)"),
        (Endless(), "(its text cannot be had: RecursionError)"),
        (Odd(), "odd"),
        (ValueError("b" * 5000 + "e" * 5000), "b" * (CHARS_MAX // 2) + "…" + "e" * (CHARS_MAX // 2 - 1)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_error_has_a_text(error: BaseException, text: str) -> None:
    assert error_text(error) == text
    assert type(error_text(error)) is str


def test_any_value_has_a_text() -> None:
    class Shy:
        def __repr__(self) -> str:
            raise OSError("no")

    assert value_text(b"x") == "b'x'"
    assert value_text(Shy()) == "(Shy: its text cannot be had: OSError)"
    assert len(value_text(bytes(10_000))) == CHARS_MAX


def test_the_name_of_a_class_is_had_without_its_metaclass_and_cut() -> None:
    assert type_name(Nameless()) == "Nameless"
    assert len(type_name(type("N" * 5000, (), {})())) == 200


def caught(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as raised:  # noqa: BLE001 (any)
        return raised


def with_cause(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return caught(error)


@pytest.mark.parametrize("error", [ValueError("short"), with_cause(KeyError("k"), ValueError("v")), Unequal("u")])
def test_an_error_with_a_short_text_is_logged_itself(error: BaseException) -> None:
    assert loggable(error) is error


@pytest.mark.parametrize(
    "error",
    [
        NoString(404),
        ValueError("x" * 100_000),
        with_cause(ValueError("v"), NoString(404)),
        with_cause(ValueError("v"), with_cause(KeyError("k"), ValueError("x" * 100_000))),
        ExceptionGroup("g", [ValueError("v"), ExceptionGroup("inner", [NoString(404)])]),
        ExceptionGroup("g", [ValueError(str(number)) for number in range(500)]),
    ],
    ids=range(6),
)
def test_a_stand_in_with_its_traceback_is_logged_for_an_error_without_a_short_text(error: BaseException) -> None:
    logged = loggable(caught(error))

    text = "".join(traceback.format_exception(logged))
    assert type_name(error) in text
    assert "raise error" in text
    assert len(text) < 5000


def test_a_ring_of_causes_ends() -> None:
    one, other = ValueError("one"), Unequal("other")
    one.__cause__, other.__cause__ = other, one

    assert loggable(one) is one
