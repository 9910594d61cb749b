"""What a `TypedMachine` does with a machine's own `snapshot` and `restore`, whatever these do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import pytest

from coterie import Ask, StateMachine, message
from coterie.actors.groups.replicas.typed_machine import PIECE_BYTES_MAX, TypedMachine
from coterie.actors.groups.state_machine import snapshot_mistake
from coterie.actors.groups.typed_commands import REASON_CHARS_MAX, encode_command
from coterie.errors import SnapshotFailed
from coterie.protocols.evolution.schema import Schema
from coterie.protocols.replicated_log import LogIndex

pack = msgpack.Packer().pack


@message(name="test_typed_snapshot.Add")
class Add(Ask[int]):
    amount: int


class Counting(StateMachine[Add]):
    version = 2

    def __init__(self) -> None:
        self.total = 0
        self.migrated: list[tuple[int, int]] = []

    def apply(self, command: Add, /) -> int:
        self.total += command.amount
        return self.total

    def migrate(self, old: int, new: int) -> None:
        self.migrated.append((old, new))


class Own(Counting):
    """Saves itself by a generator, which would read the state when a piece is taken."""

    def snapshot(self) -> Iterator[bytes]:
        yield b"total"
        yield b"%d" % self.total

    def restore(self, piece: bytes) -> None:
        if piece != b"total":
            self.total = int(piece)


def add(machine: TypedMachine, amount: int, index: int = 1) -> None:
    machine.apply(LogIndex(index), encode_command(Add(amount), pack))


def user(machine: TypedMachine) -> Any:
    return machine.machine


def schema_of(version: int) -> Schema:
    schema = TypedMachine(Counting()).schema
    return Schema(schema.commands, schema.messages, schema.state, version)


def restored(machine: TypedMachine, into: TypedMachine) -> TypedMachine:
    pieces = list(machine.snapshot())
    into.reset()
    for piece in pieces:
        into.restore(piece)
    into.end_restore()
    return into


@pytest.mark.parametrize("kind", [Counting, Own])
def test_machine_is_restored_with_its_index(kind: type[Counting]) -> None:
    machine = TypedMachine(kind())
    add(machine, 5, index=7)

    again = restored(machine, TypedMachine(kind()))

    assert (user(again).total, user(again).index) == (5, 7)


def test_generator_shows_the_moment_of_the_call_too() -> None:
    machine = TypedMachine(Own())
    add(machine, 5)

    pieces = machine.snapshot()
    add(machine, 100)

    assert list(pieces)[1:] == [b"total", b"5"]


def test_iterator_over_a_copy_is_taken_piece_by_piece() -> None:
    taken = []

    class Lazy(Own):
        def snapshot(self) -> Iterator[bytes]:
            return self._pieces(self.total)

        def _pieces(self, total: int) -> Iterator[bytes]:
            for number in (b"1", b"2", b"%d" % total):
                taken.append(number)
                yield number

    machine = TypedMachine(Lazy())
    pieces = machine.snapshot()
    next(pieces)
    next(pieces)

    assert taken == [b"1"]


def test_reset_machine_has_adopted_nothing_and_does_not_migrate_to_the_first_schema() -> None:
    machine = TypedMachine(Counting())
    machine.await_schema()
    machine.adopt(schema_of(1))
    machine.adopt(schema_of(2))
    assert user(machine).migrated == [(1, 2)]
    add(machine, 5)

    machine.reset()

    assert machine.awaits_schema
    assert user(machine).total == 0
    machine.adopt(schema_of(1))
    assert (machine.awaits_schema, user(machine).version, user(machine).migrated) == (False, 1, [])
    machine.adopt(schema_of(2))
    assert user(machine).migrated == [(1, 2)]


def test_machine_that_was_not_told_to_wait_does_not_wait_after_a_reset() -> None:
    machine = TypedMachine(Counting())
    machine.adopt(schema_of(1))
    machine.reset()

    assert not machine.awaits_schema
    add(machine, 3)
    assert user(machine).total == 3


def test_restore_in_another_version_is_refused() -> None:
    machine = TypedMachine(Counting())
    machine.adopt(schema_of(1))
    pieces = list(machine.snapshot())
    machine.reset()
    machine.adopt(schema_of(2))

    with pytest.raises(SnapshotFailed, match="saved in version 1, and restored in 2"):
        machine.restore(pieces[0])


def test_reset_uses_the_factory_and_refuses_another_class() -> None:
    made: list[StateMachine[Any]] = []

    def factory() -> StateMachine[Any]:
        made.append(Counting() if not made else Own())
        return made[-1]

    machine = TypedMachine(Counting(), factory=factory)
    machine.reset()
    assert user(machine) is made[0]
    with pytest.raises(SnapshotFailed, match="machine= made a Counting before, and now a Own"):
        machine.reset()


def test_restore_that_is_not_whole_is_told() -> None:
    machine = TypedMachine(Counting())
    user(machine).migrated = [(number, number) for number in range(20_000)]
    head, first, *_ = machine.snapshot()
    machine.reset()

    with pytest.raises(SnapshotFailed, match="pieces of its snapshot are missing"):
        machine.end_restore()
    machine.restore(head)
    machine.restore(first)
    with pytest.raises(SnapshotFailed, match="pieces of its snapshot are missing"):
        machine.end_restore()


# Hostile code.


class Hostile(BaseException):
    def __str__(self) -> str:
        raise self


class Long(Exception):
    def __str__(self) -> str:
        return "x" * 1_000_000


def raising(error: BaseException, *, after: int = 0) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        yield from [b"0"] * after
        raise error

    return pieces


def own(snapshot: Callable[[], object]) -> TypedMachine:
    kind = type("Own", (Own,), {"snapshot": lambda self: snapshot()})
    return TypedMachine(kind())


@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize(
    "error", [Hostile(), Long(), MemoryError(), GeneratorExit(), SystemExit(3), KeyError("k")], ids=type
)
def test_whatever_a_snapshot_raises_is_one_error_with_a_short_text(error: BaseException, after: int) -> None:
    pieces = own(raising(error, after=after)).snapshot()
    taken = [next(pieces) for _ in range(1 + after)]

    with pytest.raises(SnapshotFailed, match=r"^Own: its snapshot failed: ") as caught:
        next(pieces)

    assert len(taken) == 1 + after
    assert len(str(caught.value)) < REASON_CHARS_MAX + 100
    assert caught.value.__cause__ is error


def test_an_interrupt_goes_through() -> None:
    def fail() -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        own(fail).snapshot()


@pytest.mark.parametrize(
    ("returned", "text"),
    [
        (lambda: [b""], r"Own\.snapshot returned a list: it must return an iterator"),
        (lambda: None, "returned a NoneType"),
        (lambda: iter(["text"]), r"Own\.snapshot yielded a str: each piece must be bytes"),
        (lambda: iter([None]), "yielded a NoneType"),
        (lambda: iter([bytearray()]), "yielded a bytearray"),
    ],
)
def test_snapshot_that_returns_something_else_is_told(returned: Callable[[], object], text: str) -> None:
    with pytest.raises(SnapshotFailed, match=text):
        list(own(returned).snapshot())


@pytest.mark.parametrize("error", [Hostile(), Long(), MemoryError(), ValueError("v")], ids=type)
def test_whatever_a_restore_raises_is_one_error(error: BaseException) -> None:
    class Failing(Own):
        def restore(self, piece: bytes) -> None:
            raise error

    with pytest.raises(SnapshotFailed, match=r"^Failing: its restore failed: ") as caught:
        restored(TypedMachine(Failing()), TypedMachine(Failing()))
    assert len(str(caught.value)) < REASON_CHARS_MAX + 100


def test_restore_that_is_async_is_told() -> None:
    class Async(Own):
        async def restore(self, piece: bytes) -> None:  # type: ignore[override]
            del piece

    with pytest.raises(SnapshotFailed, match="it is an async def"):
        restored(TypedMachine(Async()), TypedMachine(Async()))


def test_init_that_raises_at_a_reset_is_told() -> None:
    def fail() -> StateMachine[Any]:
        raise KeyError("k")

    machine = TypedMachine(Counting(), factory=fail)
    with pytest.raises(SnapshotFailed, match="it cannot be made anew"):
        machine.reset()


@pytest.mark.parametrize("more", [0, 1])
def test_piece_that_is_far_too_long_is_refused_with_its_size_and_the_limit(more: int) -> None:
    class Whole(Own):
        def snapshot(self) -> Iterator[bytes]:
            return iter([b"1", bytes(PIECE_BYTES_MAX + more)])

    pieces = TypedMachine(Whole()).snapshot()

    if not more:
        assert len(list(pieces)) == 3
        return
    text = r"Whole\.snapshot yielded a piece of 16777217 bytes, and a piece has at most 16777216: yield pieces of about"
    with pytest.raises(SnapshotFailed, match=text):
        list(pieces)


def test_long_value_of_a_machine_that_coterie_saves_is_one_piece_of_any_length() -> None:
    machine = Counting()
    vars(machine)["text"] = "a" * (PIECE_BYTES_MAX + 1)

    assert max(map(len, TypedMachine(machine).snapshot())) > PIECE_BYTES_MAX


class Renumbers(Counting):
    """Sets an attribute that is the runtime's: the one whose name is `name`, to `value`."""

    name = ""
    value: Any = 30

    def apply(self, command: Add, /) -> int:
        setattr(self, self.name, self.value)
        return super().apply(command)


@pytest.mark.parametrize("name", ["version", "index"])
@pytest.mark.parametrize("value", [30, None, True, "2"])
@pytest.mark.parametrize("base", [Counting, Own])
def test_machine_that_changes_an_attribute_of_the_runtime_is_not_saved(
    base: type[Counting], name: str, value: Any
) -> None:
    kind: Any = type("Renumbers", (Renumbers, base), {"name": name, "value": value})
    machine = TypedMachine(kind())
    machine.adopt(schema_of(1))
    add(machine, 1, index=7)

    with pytest.raises(SnapshotFailed, match=rf"Renumbers\.{name} is .*, and the runtime has set it to"):
        machine.snapshot()


def test_restore_that_sets_the_version_leaves_the_active_one() -> None:
    class Resets(Counting):
        def snapshot(self) -> Iterator[bytes]:
            return iter([b"%d" % self.total])

        def restore(self, piece: bytes) -> None:
            vars(self).clear()
            vars(self).update(total=int(piece), migrated=[], index=None)

    machine = TypedMachine(Resets())
    machine.adopt(schema_of(1))
    add(machine, 5, index=7)

    again = machine.twin()
    for piece in machine.snapshot():
        again.restore(piece)
    again.end_restore()

    assert (user(again).version, user(again).index, user(again).total) == (1, 7, 5)


def test_pieces_may_be_views_which_are_copied_when_they_are_taken() -> None:
    class Views(Own):
        def snapshot(self) -> Iterator[bytes]:
            self.buffer = bytearray(b"total%d" % self.total)
            return iter([memoryview(self.buffer)[:5], memoryview(self.buffer)[5:]])  # type: ignore[list-item]

    machine = TypedMachine(Views())
    add(machine, 5)
    pieces = list(machine.snapshot())
    user(machine).buffer[:] = b"other6"

    assert pieces[1:] == [b"total", b"5"]
    assert {type(piece) for piece in pieces} == {bytes}
    assert snapshot_mistake(Views()) is None
