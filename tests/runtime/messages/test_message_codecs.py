"""Round trips of every type of field through MessagePack, and the errors of wrong values, by name."""

from __future__ import annotations

import contextlib
import enum
import random
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NewType, cast

import msgpack
import pytest

from coterie.errors import BadMessage, MessageTypeError
from coterie.runtime.messages.message import Ask, message, message_type, register_message
from coterie.runtime.refs import Address, Ref

Term = NewType("Term", int)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Right(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()


@message(name="codecs.Leaf")
class Leaf:
    text: str


@message(name="codecs.Other")
class Other:
    text: str


@message(name="codecs.Tree")
class Tree:
    leaf: Leaf
    branches: tuple[Tree, ...] = ()


@message(name="codecs.Early")
class Early:
    later: Late | None


@message(name="codecs.Late")
class Late:
    number: int


class Pair(NamedTuple):
    left: int
    right: bytes


register_message(Pair, name="codecs.Pair")


@message(name="codecs.Pairs")
class Pairs:
    pairs: tuple[Pair, ...]


class World:
    """A resolver that makes refs without a way to send."""

    def ref(self, node: str, incarnation: int, path: str, uid: int, *, as_client: bool = False) -> Ref[Any]:
        return Ref(node, incarnation, path, uid, cast("Any", None))


WORLD = World()


def over_the_wire(row: object) -> object:
    return msgpack.unpackb(msgpack.packb(row), use_list=False, strict_map_key=False)


def round_trip(value: object) -> object:
    described = message_type(type(value))
    return described.decode(over_the_wire(described.encode(value)), WORLD)


def holder(annotation: Any) -> type[Any]:
    """Make a message with one field `x` of this type."""
    plain = type("Holder", (), {"__annotations__": {"x": annotation}, "__module__": __name__})
    return message(name=f"codecs.Holder[{annotation}]")(plain)


REF: Ref[Any] = Ref("n1", 2**63 - 1, "a/b", 7, cast("Any", None))

CASES: list[tuple[Any, object]] = [
    (None, None),
    (bool, True),
    (bool, False),
    (int, 0),
    (int, -(2**63)),
    (int, 2**63 - 1),
    (int, 2**64 - 1),
    (float, -1.5),
    (float, float("inf")),
    (str, ""),
    (str, "ü\x00😀"),
    (bytes, b"\xff\x00"),
    (Term, Term(3)),
    (tuple[int, ...], ()),
    (tuple[int, ...], (1, 2, 3)),
    (tuple[()], ()),
    (tuple[int, str, bytes], (1, "a", b"b")),
    (tuple[tuple[int, str], ...], ((1, "a"), (2, "b"))),
    (tuple[Leaf, ...], (Leaf("a"), Leaf("b"))),
    (Mapping[str, int], {"a": 1}),
    (Mapping[int, tuple[str, ...]], {1: ("a",), -1: ()}),
    (Mapping[int | str, Leaf], {1: Leaf("x"), "a": Leaf("y")}),
    (Mapping[Colour, int], {Colour.RED: 1}),
    (Mapping[bytes, Mapping[str, int]], {b"k": {"v": 1}}),
    (Colour, Colour.BLUE),
    (Level, Level.HIGH),
    (Right, Right.READ),
    (Right, Right.READ | Right.WRITE),
    (Leaf, Leaf("x")),
    (Tree, Tree(Leaf("a"), (Tree(Leaf("b")), Tree(Leaf("c"), (Tree(Leaf("d")),))))),
    (Pair, Pair(1, b"r")),
    (Pairs, Pairs((Pair(1, b""), Pair(2, b"x")))),
    (Ref[Any], REF),
    (Address, Address("n1", "a/b")),
    (int | None, None),
    (int | None, 4),
    (int | str | bytes | bool | float | None, True),
    (int | str | bytes | bool | float | None, 1.5),
    (int | str | bytes | bool | float | None, 1),
    (Colour | None, Colour.RED),
    (Colour | None, None),
    (Level | str, Level.LOW),
    (Level | str, "low"),
    (Right | None, Right.WRITE),
    (tuple[int, ...] | float, 2.5),
    (tuple[int, ...] | float, (1, 2)),
    (float | tuple[Leaf, ...] | None, (Leaf("a"),)),
    (Mapping[str, int] | tuple[int, ...] | str, {"a": 1}),
    (Mapping[str, int] | tuple[int, ...] | str, (1,)),
    (Mapping[str, int] | tuple[int, ...] | str, "s"),
    (Leaf | Other, Other("o")),
    (Leaf | Other | None, Leaf("l")),
    (Leaf | Other | int | None, 5),
    (Ref[Any] | None, REF),
    (Ref[Any] | None, None),
    (Address | str, Address("n", "p")),
    (tuple[Leaf | Other, ...], (Leaf("1"), Other("2"))),
]


@pytest.mark.parametrize(("annotation", "value"), CASES, ids=lambda part: str(part)[:40])
def test_a_field_of_each_type_survives_the_wire(annotation: Any, value: object) -> None:
    cls = holder(annotation)

    back: Any = round_trip(cls(value))

    assert back == cls(value)
    assert type(back.x) is type(value)


def test_an_int_in_a_float_field_arrives_as_the_float_it_stands_for() -> None:
    for annotation in (float, float | None, float | Leaf, tuple[float, ...]):
        value: Any = (1,) if annotation == tuple[float, ...] else 1
        back: Any = round_trip(holder(annotation)(value))
        arrived = back.x[0] if type(back.x) is tuple else back.x
        assert (arrived, type(arrived)) == (1.0, float)


def test_a_mapping_that_is_no_dict_crosses_as_one() -> None:
    cls = holder(Mapping[str, int])

    back: Any = round_trip(cls(types.MappingProxyType({"a": 1})))

    assert back.x == {"a": 1}


def test_a_forward_reference_at_module_level_is_resolved_at_the_first_use() -> None:
    assert round_trip(Early(Late(3))) == Early(Late(3))


def test_a_class_local_to_a_function_may_name_its_neighbours_and_itself() -> None:
    @message(name="codecs.local.Inner")
    class Inner:
        number: int

    @message(name="codecs.local.Outer")
    class Outer:
        inner: Inner
        more: tuple[Outer, ...] = ()

    value = Outer(Inner(1), (Outer(Inner(2)),))

    assert round_trip(value) == value


def test_a_forward_reference_to_nothing_is_named_at_the_first_use() -> None:
    plain = type("Lost", (), {"__annotations__": {"x": "Nowhere"}, "__module__": __name__})
    cls: type[Any] = message(name="codecs.Lost")(plain)

    with pytest.raises(MessageTypeError, match=r"codecs\.Lost.*Nowhere"):
        round_trip(cls(1))


@pytest.mark.parametrize(
    ("annotation", "wire"),
    [
        (int, True),
        (int, "1"),
        (int, 1.0),
        (int, None),
        (bool, 1),
        (str, b"bytes"),
        (bytes, "text"),
        (float, "1.5"),
        (float, True),
        (None, 0),
        (Colour, "green"),
        (Colour, ("red",)),
        (Level, 9),
        (Level, True),
        (Level, 1.0),
        (Right, 64),
        (Right, "READ"),
        (tuple[int, ...], (1, "2")),
        (tuple[int, ...], 1),
        (tuple[int, str], (1,)),
        (tuple[int, str], (1, "a", 2)),
        (Mapping[str, int], {"a": "b"}),
        (Mapping[str, int], {1: 1}),
        (Mapping[str, int], (("a", 1),)),
        (Leaf, "leaf"),
        (Leaf, (1,)),
        (Leaf, ()),
        (Ref[Any], ("n", 1, "p")),
        (Ref[Any], ("n", "1", "p", 1)),
        (Address, ("n", 1)),
        (int | None, "x"),
        (Colour | None, "green"),
        (Leaf | Other, ("codecs.Tree", ("x",))),
        (Leaf | Other, ("codecs.Leaf", (1,))),
        (Leaf | Other, (1, 2)),
        (Leaf | Other, (("unhashable", {}), 2)),
        (Leaf | Other, {}),
    ],
    ids=lambda part: str(part)[:40],
)
def test_a_wrong_field_is_a_bad_message_that_names_message_and_field(annotation: Any, wire: object) -> None:
    described = message_type(holder(annotation))

    with pytest.raises(BadMessage, match=r"codecs\.Holder.*field 'x'"):
        described.decode((wire,), WORLD)


@pytest.mark.parametrize("row", [None, 1, "x", {}, b"", [1]], ids=repr)
def test_a_row_that_is_no_row_is_a_bad_message(row: object) -> None:
    with pytest.raises(BadMessage, match=r"codecs\.Leaf.*row"):
        message_type(Leaf).decode(row, WORLD)


def test_too_few_fields_are_a_bad_message() -> None:
    with pytest.raises(BadMessage, match=r"codecs\.Leaf.*got 0 fields, at least 1"):
        message_type(Leaf).decode((), WORLD)


def test_appended_fields_with_defaults_are_read_by_older_and_newer_peers() -> None:
    @message(name="codecs.evolving")
    class Old:
        a: int

    @message(name="codecs.evolving")
    class New:
        a: int
        b: str = "default"
        c: tuple[int, ...] = field(default_factory=tuple)

    to_new = over_the_wire(message_type(Old).encode(Old(1)))
    to_old = over_the_wire(message_type(New).encode(New(1, "b", (2,))))

    assert message_type(New).decode(to_new, WORLD) == New(1, "default", ())
    assert message_type(Old).decode(to_old, WORLD) == Old(1)


def test_an_appended_field_of_a_nested_message_is_read_too() -> None:
    @message(name="codecs.evolving.outer")
    class Outer:
        leaf: Leaf
        after: int

    assert message_type(Outer).decode((("a", "surplus"), 3), WORLD) == Outer(Leaf("a"), 3)


def test_a_message_that_refuses_its_fields_is_a_bad_message() -> None:
    @message(name="codecs.Positive")
    class Positive:
        x: int

        def __post_init__(self) -> None:
            if self.x <= 0:
                raise RuntimeError("not positive")

    with pytest.raises(BadMessage, match=r"codecs\.Positive.*not positive"):
        message_type(Positive).decode((0,), WORLD)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Leaf, Other("same fields, another message")),
        (Leaf, "text"),
        (tuple[int, str], (1,)),
        (tuple[Leaf, ...], 3),
        (Mapping[str, int], 3),
        (Ref[Any], "n1/a"),
        (Colour, "red"),
        (Leaf | Other, Tree(Leaf("x"))),
        (Leaf | None, "text"),
        (Colour | None, 3),
    ],
    ids=lambda part: str(part)[:40],
)
def test_a_value_that_does_not_fit_its_annotation_is_a_bad_message_at_the_sender(
    annotation: Any, value: object
) -> None:
    cls = holder(annotation)

    with pytest.raises(BadMessage, match=r"codecs\.Holder.*field 'x'"):
        message_type(cls).encode(cls(value))


def test_a_subclass_that_is_not_decorated_is_no_message() -> None:
    class Special(Leaf):
        pass

    with pytest.raises(MessageTypeError, match=r"Special is not a message"):
        message_type(Special)
    with pytest.raises(BadMessage, match=r"field 'leaf': expected 'codecs\.Leaf'"):
        message_type(Tree).encode(Tree(Special("x")))


@pytest.mark.parametrize(("value", "why"), [(2**64, "is beyond 64 bits"), (-(2**63) - 1, "is beyond 64 bits")])
def test_blame_names_the_field_with_an_integer_that_is_too_large(value: int, why: str) -> None:
    described = message_type(holder(int))

    assert f"field 'x': int {value} {why}" in str(described.encoding_error(described.cls(value)))


def test_blame_names_the_field_with_a_lone_surrogate() -> None:
    assert "field 'text'" in str(message_type(Leaf).encoding_error(Leaf("\ud800")))


def test_a_reply_crosses_by_its_own_type() -> None:
    @message(name="codecs.AskNested")
    class AskNested(Ask[tuple["Leaf", ...]]):
        pass

    codec = message_type(AskNested).reply
    wire = over_the_wire(codec.encode((Leaf("a"),)))

    assert codec.decode(wire, WORLD) == (Leaf("a"),)


def test_a_message_that_is_no_ask_has_no_reply() -> None:
    with pytest.raises(MessageTypeError, match="is not an Ask"):
        _ = message_type(Leaf).reply


# --- at random ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shape:
    """An annotation, and how to draw a value of it."""

    annotation: Any
    draw: Any


def primitive_shapes() -> list[Shape]:
    return [
        Shape(int, lambda rng: rng.choice([0, -1, 2**63 - 1, -(2**63), rng.getrandbits(40)])),
        Shape(bool, lambda rng: rng.random() < 0.5),
        Shape(str, lambda rng: "".join(rng.choice("aü\n😀") for _ in range(rng.randrange(5)))),
        Shape(bytes, lambda rng: rng.randbytes(rng.randrange(40))),
        Shape(type(None), lambda rng: None),
    ]


def leaf_shapes() -> list[Shape]:
    return [
        *primitive_shapes(),
        Shape(float, lambda rng: rng.uniform(-1e300, 1e300)),
        Shape(Colour, lambda rng: rng.choice(list(Colour))),
        Shape(Level, lambda rng: rng.choice(list(Level))),
        Shape(Leaf, lambda rng: Leaf(str(rng.random()))),
        Shape(Pair, lambda rng: Pair(rng.getrandbits(30), rng.randbytes(3))),
        Shape(
            Ref[Any], lambda rng: Ref(str(rng.random()), rng.getrandbits(63), "p", rng.getrandbits(20), cast("Any", 0))
        ),
    ]


def row_of(item: Any, count: Any) -> Any:
    """Return tuple[item, count] (a type made at run time is none to a type checker)."""
    return tuple.__class_getitem__((item, count))


def draw_shape(rng: random.Random, depth: int) -> Shape:
    if depth == 0 or rng.random() < 0.3:
        return rng.choice(leaf_shapes())
    inner = draw_shape(rng, depth - 1)
    kind = rng.randrange(4)
    if kind == 0:
        return Shape(row_of(inner.annotation, ...), lambda rng: tuple(inner.draw(rng) for _ in range(rng.randrange(4))))
    if kind == 1:
        second = draw_shape(rng, depth - 1)
        return Shape(row_of(inner.annotation, second.annotation), lambda rng: (inner.draw(rng), second.draw(rng)))
    if kind == 2:
        key = rng.choice(primitive_shapes())
        return Shape(
            cast("Any", Mapping).__class_getitem__((key.annotation, inner.annotation)),
            lambda rng: {key.draw(rng): inner.draw(rng) for _ in range(rng.randrange(4))},
        )
    return Shape(inner.annotation | None, lambda rng: rng.choice([None, inner.draw(rng)]))


@pytest.mark.parametrize("seed", range(150))
def test_random_messages_survive_the_wire(seed: int) -> None:
    rng = random.Random(seed)
    shapes = [draw_shape(rng, 3) for _ in range(rng.randrange(1, 5))]
    annotations = {f"f{at}": shape.annotation for at, shape in enumerate(shapes)}
    plain = type("Drawn", (), {"__annotations__": annotations, "__module__": __name__})
    cls: type[Any] = message(name="codecs.Drawn")(plain)

    for _ in range(10):
        value = cls(*(shape.draw(rng) for shape in shapes))
        assert round_trip(value) == value


@pytest.mark.parametrize("seed", range(60))
def test_garbage_rows_are_bad_messages_and_nothing_else(seed: int) -> None:
    rng = random.Random(seed)
    shape = draw_shape(rng, 3)
    described = message_type(holder(shape.annotation))

    refused = 0
    for _ in range(20):
        other = draw_shape(rng, 3)
        garbage = message_type(holder(other.annotation))
        row = over_the_wire(garbage.encode(garbage.cls(other.draw(rng))))
        with contextlib.suppress(BadMessage):
            described.decode(row, WORLD)
            refused -= 1
        refused += 1
    assert refused > 0


def test_a_mapping_with_more_int_keys_than_a_receiver_takes_is_refused_where_it_is_made() -> None:
    @message(name="codecs.Numbers")
    class Numbers:
        names: Mapping[int, str]

    described = message_type(Numbers)
    assert described.encode(Numbers(dict.fromkeys(range(1024), "x")))
    with pytest.raises(
        BadMessage, match="1025 keys, more than 1024 of them ints, which may collide: use a tuple of pairs"
    ):
        described.encode(Numbers(dict.fromkeys(range(1025), "x")))
