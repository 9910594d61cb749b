"""What is in the file of a snapshot: it reads back as it was written, and damage is found wherever it is."""

from __future__ import annotations

import random

import pytest

from coterie.actors.groups.compaction.snapshot_content import (
    MANIFEST,
    FrameReader,
    Manifest,
    decode_manifest,
    encode_frame,
    encode_head,
    encode_tail,
)
from coterie.errors import UnsupportedFormat
from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.membership.membership import Membership, StoreId
from coterie.protocols.replicated_log import LogIndex, LogPosition, Term

FOUNDERS = Membership.founding((NodeId("n1"), NodeId("n2"), NodeId("n3")))
MEMBERS = FOUNDERS.with_stores({NodeId("n1"): StoreId("1" * 32)})
FACTS = GroupFacts(
    bytes(range(16)),
    FOUNDERS,
    LogPosition(LogIndex(77), Term(3)),
    ((LogIndex(5), MEMBERS),),
    ((LogIndex(2), b'{"a":1}'), (LogIndex(9), b"\xff\x00")),
    LogIndex(9),
)
PIECES = [(1, b"facts"), (2, b""), (3, b"x" * 1000), (3, bytes(300))]


def content() -> bytes:
    """Return a whole file."""
    frames = [encode_frame(section, body) for section, body in PIECES]
    return encode_head(Manifest("totals", FACTS)) + b"".join(frames) + encode_tail(len(frames) + 1)


def read(data: bytes, *, step: int = 1 << 20) -> tuple[list[tuple[int, bytes]], bool]:
    """Return the frames of `data`, given in parts of `step` bytes, and whether its end was there."""
    reader = FrameReader()
    found = [frame for at in range(0, len(data), step) for frame in reader.feed(data[at : at + step])]
    return found, reader.is_complete


@pytest.mark.parametrize("step", [1, 2, 7, 100, 5000])
def test_pieces_come_back_as_they_were_however_the_file_is_read(step: int) -> None:
    (section, head), *pieces = read(content(), step=step)[0]

    assert section == MANIFEST
    assert decode_manifest(head) == Manifest("totals", FACTS)
    assert pieces == PIECES
    assert read(content(), step=step)[1]


def test_every_flipped_bit_is_found() -> None:
    data = content()
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 1 << random.Random(at).randrange(8)
        try:
            frames, is_complete = read(bytes(damaged))
        except (ValueError, UnsupportedFormat):
            continue
        assert not is_complete, f"byte {at} of {len(data)}"
        assert [frame for frame in frames if frame[0] != MANIFEST] == PIECES[: max(0, len(frames) - 1)], f"byte {at}"


def test_every_missing_end_is_found() -> None:
    data = content()
    for length in range(len(data)):
        assert not read(data[:length])[1]


def test_a_frame_that_is_missing_or_repeated_is_found() -> None:
    frames = [encode_frame(section, body) for section, body in PIECES]
    head, tail = encode_head(Manifest("totals", FACTS)), encode_tail(len(frames) + 1)

    for wrong in (frames[1:], [*frames, frames[0]]):
        with pytest.raises(ValueError, match="it ends after"):
            read(head + b"".join(wrong) + tail)


def test_bytes_after_the_end_are_found() -> None:
    with pytest.raises(ValueError, match=r"it ends after|follow the end"):
        read(content() + b"x")
    with pytest.raises(ValueError, match="follow the end"):
        read(content() + b"x", step=len(content()))


def test_a_file_of_something_else_and_one_of_another_format_are_told_apart() -> None:
    with pytest.raises(ValueError, match="this is no snapshot"):
        read(b"something else altogether")
    with pytest.raises(UnsupportedFormat, match="snapshot format 9"):
        read(b"coterie snapshot\x09" + content()[17:])


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"nonsense", b'{"group":1}'])
def test_what_is_no_manifest_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (JSON has its own text)
        decode_manifest(body)
