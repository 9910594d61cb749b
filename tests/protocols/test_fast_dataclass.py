"""Dataclasses that fill their slots themselves behave as those that do not."""

from __future__ import annotations

import dataclasses
import inspect
import pickle
from dataclasses import dataclass, field
from typing import Any

import pytest

from coterie.protocols.algorithm import NodeId, Send
from coterie.protocols.fast_dataclass import fast_dataclass
from coterie.protocols.raft.raft_messages import AppendEntriesReply, LogWrite, Round
from coterie.protocols.replicated_log import LogIndex, Term


@dataclass(frozen=True, slots=True)
class Slow:
    first: int
    second: str = "b"


@fast_dataclass
@dataclass(frozen=True, slots=True)
class Fast:
    first: int
    second: str = "b"


def test_fast_dataclass_takes_the_arguments_of_its_fields() -> None:
    assert Fast(1) == Fast(first=1, second="b") != Fast(2)
    assert inspect.signature(Fast).parameters.keys() == inspect.signature(Slow).parameters.keys()
    too_few_and_too_many: list[tuple[Any, ...]] = [(), (1, "b", 3)]
    for wrong in too_few_and_too_many:
        with pytest.raises(TypeError):
            Fast(*wrong)


def test_fast_dataclass_stays_frozen_hashable_and_without_a_dictionary() -> None:
    made = Fast(1)

    with pytest.raises(dataclasses.FrozenInstanceError):
        made.first = 2  # type: ignore[misc]
    assert hash(made) == hash(Fast(1))
    assert not hasattr(made, "__dict__")
    assert repr(made) == "Fast(first=1, second='b')"


def test_fast_dataclass_can_be_replaced_pickled_and_matched() -> None:
    reply = AppendEntriesReply(Term(1), Round(3), True, LogIndex(2))

    assert dataclasses.replace(reply, success=False).success is False
    assert pickle.loads(pickle.dumps(reply)) == reply
    match reply:
        case AppendEntriesReply(term, round_, True, index):
            assert (term, round_, index) == (1, 3, 2)
        case _:
            pytest.fail("it does not match")


def test_generic_fast_dataclass_and_defaults_work() -> None:
    assert Send(NodeId("n1"), "hello").after is None
    assert LogWrite() == LogWrite(None, None, ())


def test_what_takes_more_than_filling_slots_is_refused() -> None:
    @dataclass(frozen=True, slots=True)
    class Checked:
        number: int

        def __post_init__(self) -> None:
            pass

    @dataclass(frozen=True, slots=True)
    class Filled:
        numbers: list[int] = field(default_factory=list)

    @dataclass(frozen=True)
    class Loose:
        number: int

    for cls in (Checked, Filled, Loose, int):
        with pytest.raises(TypeError, match=cls.__qualname__):
            fast_dataclass(cls)
