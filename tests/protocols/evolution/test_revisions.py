"""Revisions: schemas as entries of a log, and which one is active at an index."""

from __future__ import annotations

import pytest

from coterie.protocols.evolution.revisions import Revision, Revisions
from coterie.protocols.evolution.schema import CommandSchema, MessageSchema, Schema
from coterie.protocols.evolution.schema_text import schema_hash
from coterie.protocols.evolution.schema_types import ScalarType
from coterie.protocols.replicated_log import LogIndex


def schema(version: int) -> Schema:
    return Schema({"a.Get": CommandSchema(True, ScalarType("int"))}, {"a.Get": MessageSchema(())}, version=version)


def log(*indexes: int) -> Revisions:
    revisions = Revisions()
    for number, index in enumerate(indexes, 1):
        assert revisions.append(LogIndex(index), Revision(number, schema(number)))
    return revisions


def test_a_revision_survives_its_payload() -> None:
    revision = Revision(7, schema(3))
    assert Revision.decode(revision.encode()) == revision
    assert revision.encode() == (
        b'{"format":1,"level":1,"revision":7,"schema":{"commands":{"a.Get":{"query":true,"reply":"int"}},'
        b'"messages":{"a.Get":[]},"state":null},"version":3}'
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"format":1', b'"format":2'),
        (b'"revision":7', b'"revision":0'),
        (b'"revision":7', b'"revision":"7"'),
        (b'"revision":7', b'"revision":7,"revision":7'),
        (b'"revision":7,', b""),
        (b'"state":null', b'"state": null'),
        (b'{"format":1', b'{"extra":1,"format":1'),
        (b'"version":3}', b'"version":3'),
        (b'"int"', b'"\xff"'),
    ],
)
def test_a_payload_that_is_not_exactly_one_is_refused(old: bytes, new: bytes) -> None:
    payload = Revision(7, schema(3)).encode()
    assert old in payload
    with pytest.raises(ValueError):  # noqa: PT011 (each has a text of its own)
        Revision.decode(payload.replace(old, new))


@pytest.mark.parametrize("depth", [1000, 100_000])
def test_a_payload_that_is_nested_too_deeply_is_refused(depth: int) -> None:
    nested = b'{"sequence":' * depth + b'"int"' + b"}" * depth
    with pytest.raises(ValueError, match="nested too deeply"):
        Revision.decode(Revision(7, schema(3)).encode().replace(b'"reply":"int"', b'"reply":' + nested))


def test_another_format_is_named() -> None:
    with pytest.raises(ValueError, match="format 2: this release of coterie reads format 1"):
        Revision.decode(b'{"format":2}')


def test_the_active_revision_is_the_last_one_up_to_an_index() -> None:
    revisions = log(2, 91)
    numbers = [one and one.number for one in (revisions.active_at(LogIndex(index)) for index in (1, 2, 90, 91, 99))]
    assert numbers == [None, 1, 1, 2, 2]


def test_a_truncation_drops_revisions() -> None:
    revisions = log(2, 91)
    revisions.drop_from(LogIndex(91))
    assert revisions.latest == Revision(1, schema(1))
    revisions.drop_from(LogIndex(1))
    assert revisions.active_at(LogIndex(99)) is None
    assert revisions.latest_hash is None


def test_the_latest_and_the_earlier_ones_are_known() -> None:
    revisions = log(2, 91, 95)
    assert revisions.latest_hash == schema_hash(schema(3))
    assert revisions.earlier == (schema(1), schema(2))


@pytest.mark.parametrize("number", [1, 3, 4])
def test_a_revision_out_of_turn_changes_nothing(number: int) -> None:
    revisions = log(2)
    assert not revisions.append(LogIndex(5), Revision(number, schema(9)))
    assert revisions.latest == Revision(1, schema(1))


def test_indexes_rise() -> None:
    with pytest.raises(ValueError, match="index 2 after one at 2"):
        log(2).append(LogIndex(2), Revision(2, schema(2)))


def test_the_first_revision_has_number_1() -> None:
    with pytest.raises(ValueError, match="the first is 1"):
        Revision(0, schema(1))
    assert not Revisions().append(LogIndex(1), Revision(2, schema(1)))
