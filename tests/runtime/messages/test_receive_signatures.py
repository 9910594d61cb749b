"""A receive whose annotations disagree with its Actor[…], or with the replies, fails at the spawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NewType, TypeVar

import pytest

from coterie.errors import MessageTypeError
from coterie.runtime.actor import Actor
from coterie.runtime.cells.actor_classes import actor_class_of
from coterie.runtime.messages.message import Ask, message

T = TypeVar("T")
Term = NewType("Term", int)


@message(name="signatures.Add")
class Add(Ask[int]):
    amount: int


@message(name="signatures.Name")
class Name(Ask[str | None]):
    pass


@message(name="signatures.Ratio")
class Ratio(Ask[float]):
    pass


@message(name="signatures.TermOf")
class TermOf(Ask[Term]):
    pass


@message(name="signatures.Table")
class Table(Ask[Mapping[str, int]]):
    pass


@message(name="signatures.Note")
class Note:
    pass


class TakesOther(Actor[Add]):
    def receive(self, msg: Note) -> int:  # type: ignore[override]
        return 1


class TakesLess(Actor[Add | Note]):
    def receive(self, msg: Add) -> int:  # type: ignore[override]
        return 1


class ReturnsOther(Actor[Add]):
    def receive(self, msg: Add) -> str:
        return "1"


class ReturnsOtherLater(Actor[Add]):
    async def receive(self, msg: Add) -> str:
        return "1"


class RepliesToOneOfTwo(Actor[Add | Ratio]):
    def receive(self, msg: Add | Ratio) -> bytes | str:
        return ""


@pytest.mark.parametrize(
    ("cls", "named"),
    [
        (TakesOther, r"TakesOther\.receive takes Note, but its Actor\[…\] names Add"),
        (TakesLess, r"TakesLess\.receive takes Add, but its Actor\[…\] names Note"),
        (ReturnsOther, r"ReturnsOther\.receive returns str, but Add is an Ask\[int\]"),
        (ReturnsOtherLater, r"returns str, but Add is an Ask\[int\]"),
        (RepliesToOneOfTwo, r"returns bytes \| str, but Add is an Ask\[int\]"),
    ],
)
def test_a_disagreement_names_both_sides(cls: type[Actor[Any]], named: str) -> None:
    with pytest.raises(MessageTypeError, match=named):
        actor_class_of(cls)


class TakesMore(Actor[Add]):
    def receive(self, msg: Add | Note) -> int:
        return 1


class SaysNothing(Actor[Add | Note]):
    def receive(self, msg):  # type: ignore[no-untyped-def]
        return 1


class SaysAnything(Actor[Add | Note]):
    def receive(self, msg: Any) -> object:
        return 1


class RepliesLater(Actor[Add]):
    def receive(self, msg: Add) -> None:
        self.context.reply_later(msg)


class Everything(Actor[Add | Name | Ratio | TermOf | Note]):
    def receive(self, msg: Add | Name | Ratio | TermOf | Note) -> int | str | None:
        return None


class IntForFloat(Actor[Ratio]):
    def receive(self, msg: Ratio) -> int:
        return 1


class DictForMapping(Actor[Table]):
    def receive(self, msg: Table) -> dict[str, int]:
        return {}


class Abstract(Actor[Table]):
    def receive(self, msg: Table) -> Sequence[int] | Mapping[str, int]:
        return {}


class Unresolvable(Actor[Add]):
    def receive(self, msg: OnlyCheckersSeeIt) -> int:  # type: ignore[name-defined]  # noqa: F821
        return 1


class Positional(Actor[Add]):
    def receive(self, msg: Add, /) -> int:
        return 1


AGREEING = [
    TakesMore, SaysNothing, SaysAnything, RepliesLater, Everything, IntForFloat, DictForMapping, Abstract, Unresolvable,
    Positional,
]  # fmt: skip


@pytest.mark.parametrize("cls", AGREEING)
def test_annotations_that_agree_or_cannot_be_decided_pass(cls: type[Actor[Any]]) -> None:
    actor_class_of(cls)
