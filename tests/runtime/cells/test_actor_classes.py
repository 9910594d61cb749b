"""`ActorClass`: the message types and hooks that are found in an actor class."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import pytest

from coterie.errors import MessageTypeError
from coterie.runtime.actor import Actor, Terminated
from coterie.runtime.cells.actor_classes import actor_class_of
from coterie.runtime.messages.message import message

M = TypeVar("M")
S = TypeVar("S")


@message(name="kinds.A")
class A:
    pass


@message(name="kinds.B")
class B:
    pass


def names(cls: type[Actor[Any]]) -> list[str]:
    return [described.name for described in actor_class_of(cls).messages]


def test_a_union_is_taken_apart() -> None:
    class Both(Actor[A | B]):
        pass

    assert names(Both) == ["kinds.A", "kinds.B"]
    assert not actor_class_of(Both).takes_terminated


def test_a_subclass_has_the_messages_of_its_base() -> None:
    class Base(Actor[A | Terminated]):
        pass

    class Derived(Base):
        pass

    assert names(Derived) == ["kinds.A", "coterie.Terminated"]
    assert actor_class_of(Derived).takes_terminated


def test_the_argument_of_a_generic_base_is_found_where_it_stands() -> None:
    class Stateful(Actor[M], Generic[S, M]):
        pass

    class Concrete(Stateful[B, A]):
        pass

    assert names(Concrete) == ["kinds.A"]


def test_an_actor_that_does_not_say_its_messages_is_refused() -> None:
    class Silent(Actor):  # type: ignore[type-arg]
        pass

    class Open(Actor[M]):
        pass

    for cls in (Silent, Open):
        with pytest.raises(MessageTypeError, match=r"does not name its messages: write class \w+\(Actor\["):
            actor_class_of(cls)


def test_an_actor_of_what_is_no_message_is_refused() -> None:
    class Wrong(Actor[int]):
        pass

    with pytest.raises(MessageTypeError, match="int is not a message"):
        actor_class_of(Wrong)


def test_hooks_and_async_handlers_are_noticed() -> None:
    class Bare(Actor[A]):
        def receive(self, msg: A) -> None:
            pass

    class Full(Actor[A]):
        async def receive(self, msg: A) -> None:
            pass

        def on_start(self) -> None:
            pass

        def on_stop(self) -> None:
            pass

        def on_visit_end(self) -> None:
            pass

    bare, full = actor_class_of(Bare), actor_class_of(Full)
    assert (bare.is_async, bare.has_start, bare.has_stop, bare.has_visit_end) == (False, False, False, False)
    assert (full.is_async, full.has_start, full.has_stop, full.has_visit_end) == (True, True, True, True)
