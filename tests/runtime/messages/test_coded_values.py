"""Values of classes that are no messages: each has one encoding, and nothing else decodes; users' codecs may fail."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import random
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgpack
import pytest

from coterie import codec
from coterie.errors import BadMessage, MessageTypeError
from coterie.runtime.messages.codings import DECIMAL_CHARS_MAX
from coterie.runtime.messages.message import message, message_type
from coterie.runtime.messages.unpacking import INT_KEYS_MAX
from coterie.runtime.messages.value_codecs import NO_REFS
from coterie.runtime.refs import Address
from tests.runtime.failing_hooks import THROWN


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Money:
    """What users have: no dataclass, compared by value, with a subclass."""

    def __init__(self, amount: Decimal, currency: str) -> None:
        self.amount, self.currency = amount, currency

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and (self.amount, self.currency) == (other.amount, other.currency)

    def __hash__(self) -> int:
        return hash((self.amount, self.currency))


class Refund(Money): ...


def money_row(money: Money) -> tuple[Decimal, str]:
    return money.amount, money.currency


def money_of(row: tuple[Decimal, str]) -> Money:
    if row[0] > 1000:
        raise RuntimeError("too much")
    return Money(*row)


codec(Money, money_row, money_of, wire=tuple[Decimal, str], name="shop.Money")


def holder(annotation: Any) -> Any:
    plain = type("Holder", (), {"__annotations__": {"x": annotation}, "__module__": __name__})
    return message(name=f"coded.Holder[{annotation}]")(plain)


def crossed(annotation: Any, value: Any) -> Any:
    """Return the value after it has crossed the wire; its encoding must be that of what arrives, too."""
    cls = holder(annotation)
    described = message_type(cls)
    packed = msgpack.packb(described.encode(cls(value)))
    arrived = described.decode(msgpack.unpackb(packed, use_list=False, strict_map_key=False), NO_REFS)
    assert msgpack.packb(described.encode(arrived)) == packed
    return arrived.x  # type: ignore[attr-defined]


def decoded(annotation: Any, encoded: object) -> Any:
    return message_type(holder(annotation)).decode((encoded,), NO_REFS).x  # type: ignore[attr-defined]


def named(part: object) -> str | None:
    """Return the same name of a parameter in each process: the order of a set differs."""
    return None if isinstance(part, frozenset) else f"{part!r:.40}"


NAIVE = dt.datetime(2026, 11, 30)  # noqa: DTZ001 (users have them)
PLUS_2 = dt.timezone(dt.timedelta(hours=2, seconds=7, microseconds=3))
VALUES: list[tuple[Any, Any]] = [
    *((dt.datetime, NAIVE + gap) for gap in (dt.timedelta(0), dt.timedelta(hours=13), dt.timedelta(microseconds=1))),
    *((dt.datetime, dt.datetime(1, 1, 1, tzinfo=zone)) for zone in (dt.UTC, PLUS_2, dt.timezone.min)),
    (dt.datetime, dt.datetime.max.replace(tzinfo=dt.UTC)),
    *((dt.date, day) for day in (dt.date.min, dt.date(2026, 2, 28), dt.date.max)),
    *((dt.timedelta, gap) for gap in (dt.timedelta.min, dt.timedelta(0), dt.timedelta(0, -1), dt.timedelta.max)),
    *((Decimal, Decimal(text)) for text in ("0", "-0", "0E-19", "1.50", "1E+2", "-1.5E-400", "Infinity", "-Infinity")),
    (Decimal, Decimal("9" * DECIMAL_CHARS_MAX)),
    *((uuid.UUID, uuid.UUID(int=number)) for number in (0, 1, 2**128 - 1)),
    *((frozenset[int], frozenset(items)) for items in ((), (3, -1, 2**64 - 1), range(INT_KEYS_MAX))),
    (frozenset[int | str | bytes | bool | None], frozenset((None, False, 2, -2, "b", "a", b"", b"b"))),
    (frozenset[Level], frozenset(Level)),
    (frozenset[Decimal], frozenset(map(Decimal, ("10", "9", "1E+2")))),
    (frozenset[str], frozenset(str(number) for number in range(2 * INT_KEYS_MAX))),
    (frozenset[dt.date], frozenset(dt.date.fromordinal(number) for number in range(1, 2 * INT_KEYS_MAX))),
    (Mapping[uuid.UUID, frozenset[str] | None], {uuid.UUID(int=7): frozenset("ab"), uuid.UUID(int=1): None}),
    (tuple[dt.datetime | None, ...], (None, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))),
    (Money, Money(Decimal("2.50"), "EUR")),
    (tuple[Money | None, ...], (None, Money(Decimal(0), ""))),
]


@pytest.mark.parametrize(("annotation", "value"), VALUES, ids=named)
def test_a_value_arrives_as_it_was_sent(annotation: Any, value: Any) -> None:
    arrived = crossed(annotation, value)
    assert arrived == value
    assert repr(arrived)[:40] == repr(value)[:40] or isinstance(value, frozenset | Money)


def test_a_value_has_one_encoding_whatever_its_history() -> None:
    rng = random.Random(1)
    items = [rng.choice((rng.randrange(10**6), str(rng.random()))) for _ in range(500)]
    rows = set()
    cls = holder(frozenset[int | str])
    for _ in range(5):
        rng.shuffle(items)
        rows.add(message_type(cls).encode(cls(frozenset(items))))
    assert len(rows) == 1


def test_the_offset_of_a_time_zone_crosses_and_its_rules_do_not() -> None:
    summer = dt.datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    arrived = crossed(dt.datetime, summer)
    assert arrived == summer
    assert arrived.utcoffset() == dt.timedelta(hours=2)
    assert type(arrived.tzinfo) is dt.timezone


class Stamp(dt.datetime): ...


REFUSED_AT_ENCODING: list[tuple[Any, Any, str]] = [
    (dt.datetime, dt.date(2026, 1, 1), "expected datetime, got date"),
    (dt.date, NAIVE, "expected date, got datetime"),
    (dt.datetime, Stamp(2026, 1, 1, tzinfo=dt.UTC), "expected datetime, got Stamp"),
    (dt.datetime, "2026-01-01", "expected datetime, got str"),
    (dt.datetime, NAIVE.replace(fold=1), "give it a time zone"),
    (Decimal, 1, "expected Decimal, got int"),
    (Decimal, Decimal("NaN"), "NaN is no number"),
    (Decimal, Decimal("sNaN12"), "NaN is no number"),
    (Decimal, Decimal("9" * (DECIMAL_CHARS_MAX + 1)), "a Decimal of 1,001 characters: at most 1,000"),
    (uuid.UUID, "0" * 32, "expected UUID, got str"),
    (frozenset[int], {1}, "expected a frozenset, got set"),
    (frozenset[int], frozenset("a"), "an item of a frozenset is of another type"),
    (Money, Money(Decimal(1), None), "makes tuple .*: expected tuple.Decimal, str. .expected str, got NoneType"),  # type: ignore[arg-type]
    (frozenset[int], frozenset(range(INT_KEYS_MAX + 1)), "1025 keys, more than 1024 of them ints"),
    (frozenset[Decimal], frozenset(map(Decimal, range(INT_KEYS_MAX + 1))), "of a type with a codec"),
    (Mapping[uuid.UUID, int], {uuid.UUID(int=n): n for n in range(INT_KEYS_MAX + 1)}, "of a type with a codec"),
    (dt.datetime | None, dt.date(2026, 1, 1), "expected datetime or NoneType, got date"),
    (Money, (Decimal(1), "EUR"), "expected Money, got tuple"),
    (Money, Money("1", "EUR"), "cannot cross the wire: BadMessage: expected Decimal, got str"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("annotation", "value", "why"), REFUSED_AT_ENCODING, ids=named)
def test_a_wrong_value_is_refused_where_it_is_sent_and_the_field_is_named(
    annotation: Any, value: Any, why: str
) -> None:
    cls = holder(annotation)
    described = message_type(cls)
    with pytest.raises(BadMessage, match=why):
        described.encode(cls(value))
    assert "field 'x'" in str(described.encoding_error(cls(value)))


REFUSED_AT_DECODING: list[tuple[Any, Any]] = [
    *((dt.datetime, text) for text in ("", "now", "2026-11-30", "2026-11-30 13:05:00", "20261130T130500")),
    *((dt.datetime, text) for text in ("2026-11-30T13:05:00Z", "2026-11-30T24:00:00", "2026-11-30T13:05:00.000000")),
    *((dt.datetime, text) for text in ("２026-11-30T13:05:00", "2026-W49-1T00:00:00", "10000-01-01T00:00:00", 5, None)),
    *((dt.date, text) for text in ("20261130", "2026-W49-1", "2026-02-29", "2026-11-30T00:00:00", b"2026-11-30")),
    *(
        (dt.timedelta, row)
        for row in ((), (0, 0), (0, 86_400, 0), (0, -1, 0), (0, 0, 10**6), (10**9, 0, 0), (0.0, 0, 0))
    ),
    *((dt.timedelta, row) for row in ((2**64 - 1, 0, 0), (True, 0, 0), (0.0, 0, 0), "1 day")),
    *(
        (Decimal, text)
        for text in ("", " 1", "1_0", "+1", "1e2", "01", "NaN", "sNaN", "inf", "１", "1E+99999999999999999999")
    ),
    *((Decimal, text) for text in ("9" * (DECIMAL_CHARS_MAX + 1), 1, 1.5)),
    *((uuid.UUID, octets) for octets in (b"", b"1" * 15, b"1" * 17, "1" * 32)),
    *((frozenset[int], row) for row in ((2, 1), (1, 1), (1, 2, 2), ("a",), "ab", {1: 2})),
    (frozenset[int], tuple(range(INT_KEYS_MAX + 1))),
    (frozenset[int | bool], (True, 1)),
    (frozenset[Decimal], ("1", "1.0")),
    (frozenset[int | str], ("a", 1)),
    (Mapping[uuid.UUID, int], {n.to_bytes(16, "big"): 0 for n in range(INT_KEYS_MAX + 1)}),
    (Money, ("1", "EUR", "more")),
    (Money, ("one", "EUR")),
    (Money, ("5000", "EUR")),
]


@pytest.mark.parametrize(("annotation", "encoded"), REFUSED_AT_DECODING, ids=named)
def test_nothing_but_the_one_encoding_of_a_value_is_decoded(annotation: Any, encoded: Any) -> None:
    with pytest.raises(BadMessage, match="field 'x'"):
        decoded(annotation, encoded)


def test_the_decimal_context_of_the_program_changes_nothing() -> None:
    with decimal.localcontext() as context:
        context.prec, context.capitals, context.traps[decimal.InvalidOperation] = 2, 0, False
        assert crossed(Decimal, Decimal("123456E+7")) == Decimal("123456E+7")
        assert message_type(holder(Decimal)).encode(holder(Decimal)(Decimal("1E+2"))) == ("1E+2",)
        with pytest.raises(BadMessage):
            decoded(Decimal, "x")


def test_a_subclass_has_the_codec_of_its_class() -> None:
    arrived = crossed(Money, Refund(Decimal(1), "EUR"))
    assert type(arrived) is Money


# --- codecs of users


class Fails:
    """Its codec raises what the test says."""

    error: BaseException = ValueError()


def encode_fails(_: Fails) -> str:
    raise Fails.error


def decode_fails(_: str) -> Fails:
    raise Fails.error


codec(Fails, encode_fails, decode_fails)


@pytest.mark.parametrize("make", THROWN.values(), ids=THROWN)
def test_whatever_a_codec_raises_refuses_the_message_unless_it_ends_the_program(make: Any) -> None:
    Fails.error = make()
    ends = issubclass(type(Fails.error), SystemExit | KeyboardInterrupt | RecursionError)  # the caller's, as in fields
    cls = holder(Fails)
    with pytest.raises(type(Fails.error) if ends else BadMessage):
        message_type(cls).encode(cls(Fails()))
    with pytest.raises(type(Fails.error) if ends else BadMessage):
        decoded(Fails, "text")


class Odd:
    """Its codec makes values of wrong types."""

    def __hash__(self) -> int:
        raise RuntimeError("no hash")


def odd_of(text: Any) -> Any:
    return text if text == "itself" else Odd()


codec(Odd, lambda _: 5, odd_of)


def test_what_a_codec_makes_is_checked() -> None:
    cls = holder(Odd)
    with pytest.raises(BadMessage, match=r"the codec '.*Odd' makes int 5: expected str"):
        message_type(cls).encode(cls(Odd()))
    with pytest.raises(BadMessage, match=r"the codec '.*Odd' makes str 'itself' of str"):
        decoded(Odd, "itself")
    for annotation, encoded in ((frozenset[Odd], ("a",)), (Mapping[Odd, int], {"a": 1})):
        with pytest.raises(BadMessage, match="a key cannot be used: RuntimeError: no hash"):
            decoded(annotation, encoded)


def test_two_items_that_a_codec_encodes_alike_are_refused_where_they_are_sent() -> None:
    class Folded(str):
        __slots__ = ()

    codec(Folded, lambda text: text.lower(), Folded, name="coded.Folded")
    cls = holder(frozenset[Folded])
    with pytest.raises(BadMessage, match="encoded alike"):
        message_type(cls).encode(cls(frozenset((Folded("A"), Folded("a")))))


@pytest.mark.parametrize(
    ("cls", "wire", "name", "why"),
    [
        (int, str, None, "int crosses the wire already"),
        (Level, str, None, "Level crosses the wire already"),
        (object, str, None, "register each class"),
        (dt.datetime, str, None, "datetime.datetime has a codec with the name 'datetime' already"),
        (Money, str, None, "has a codec with the name 'shop.Money' already"),
        (Refund, str, "shop.Money", "has a codec with the name 'shop.Money' already"),
        (Refund, list[int], None, r"the wire= of the codec of Refund: list"),
        (Refund, Address, None, "names a message or a Ref"),
        (Refund, tuple[Address | None, ...], None, "names a message or a Ref"),
        ("Refund", str, None, "is no class"),
        (list, str, None, "list is mutable"),
        (Refund, str, "", "must be a text that is not empty"),
    ],
)
def test_a_codec_that_cannot_be_is_refused(cls: Any, wire: Any, name: str | None, why: str) -> None:
    with pytest.raises(MessageTypeError, match=why):
        codec(cls, str, cls, wire=wire, name=name)


class Cents:
    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cents) and self.number == other.number

    def __hash__(self) -> int:
        return hash(self.number)


codec(Cents, lambda cents: cents.number, Cents, wire=int, name="shop.Cents")


def test_a_second_codec_of_a_class_is_refused_also_if_both_are_lambdas() -> None:
    with pytest.raises(MessageTypeError, match=r"has a codec with the name 'shop\.Cents' already"):
        codec(Cents, lambda cents: cents.number * 100, Cents, wire=int, name="shop.Cents")
    assert message_type(holder(Cents)).encode(holder(Cents)(Cents(5))) == (5,)


ZONES = ("Europe/Berlin", "Europe/Paris")


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Mapping[bool | Cents, str], {True: "true", Cents(1): "one cent"}),
        (
            Mapping[dt.datetime, str],
            {dt.datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo(zone)): zone for zone in ZONES},
        ),
    ],
)
def test_no_entry_of_a_mapping_is_lost_on_the_way(annotation: Any, value: Any) -> None:
    assert len(value) == 2
    with pytest.raises(BadMessage, match="encoded alike"):
        crossed(annotation, value)


@pytest.mark.parametrize(
    "encoded",
    [
        {"1.0": 1, "1.00": 2},
    ],
)
def test_keys_that_are_equal_once_they_are_decoded_are_refused(encoded: Any) -> None:
    with pytest.raises(BadMessage, match="two keys of a mapping are equal"):
        decoded(Mapping[Decimal, int], encoded)


def test_keys_that_all_have_one_hash_are_refused_on_both_sides() -> None:
    step = 2**61 - 1
    alike = frozenset(uuid.UUID(int=number * step) for number in range(1, 100))
    assert len(set(map(hash, alike))) == 1
    cls = holder(frozenset[uuid.UUID])
    with pytest.raises(BadMessage, match="that have the hash of another one"):
        message_type(cls).encode(cls(alike))
    with pytest.raises(BadMessage, match="that have the hash of another one"):
        decoded(frozenset[uuid.UUID], tuple(sorted(one.bytes for one in alike)))
    with pytest.raises(BadMessage, match="that have the hash of another one"):
        decoded(Mapping[uuid.UUID, int], {one.bytes: 1 for one in alike})


class Base:
    pass


class Sub(Base):
    pass


codec(Base, lambda _: 1, lambda _: Base(), wire=int, name="coded.Base")
codec(Sub, lambda _: "1", lambda _: Sub(), wire=str, name="coded.Sub")


def test_a_union_of_a_class_and_its_subclass_is_ambiguous() -> None:
    """The bytes would depend on the order in which they are named."""
    for annotation in (Base | Sub, Sub | Base):
        with pytest.raises(MessageTypeError, match="a class and a subclass of it"):
            holder(annotation)


def test_a_codec_may_be_registered_again_when_its_module_is_loaded_again() -> None:
    source = """
class Token:
    pass
codec(Token, lambda token: "t", lambda text: Token(), name="coded.Token")
"""
    for _ in range(2):
        scope: dict[str, Any] = {"codec": codec, "__name__": "reloaded"}
        exec(source, scope)
        token = scope["Token"]
        assert type(crossed(token, token())) is token
