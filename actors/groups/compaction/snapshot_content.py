"""Snapshot content: encodes and decodes what is in the file of a snapshot.

    magic     b"coterie snapshot", and the version of the format (1 byte)
    frames    section (1 byte), length of the body (4 bytes), checksum of both and the body (4 bytes), body
      MANIFEST   JSON: the group, its facts as of the position of the snapshot, and that position
      others     the pieces of the replica, as `Replica.snapshot` gives them
      END        how many frames came before (8 bytes)

The pieces come back one by one, as they were given. The whole is covered by the digest in the `SnapshotId`, too.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from coterie.errors import UnsupportedFormat
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.membership.membership import Membership
from coterie.protocols.replicated_log import LogIndex, LogPosition, Term

__all__ = ["MANIFEST", "FrameReader", "Manifest", "decode_manifest", "encode_frame", "encode_head", "encode_tail"]

MAGIC: Final = b"coterie snapshot"
FORMAT: Final = 1
"""The version of the format. Raise it when it changes."""

MANIFEST: Final = 0
END: Final = 255

_FRAME: Final = struct.Struct(">BII")
_COUNT: Final = struct.Struct(">Q")
_HEAD_BYTES: Final = len(MAGIC) + 1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a snapshot says of itself: `facts` are those of `group` as of their base, the position of the snapshot."""

    group: str
    facts: GroupFacts


def encode_head(manifest: Manifest) -> bytes:
    """Return the beginning of a file: the magic, the format and the manifest."""
    facts = manifest.facts
    record = {
        "group": manifest.group,
        "position": list(facts.base),
        "incarnation": facts.incarnation.hex(),
        "founders": None if facts.founders is None else json.loads(facts.founders.encode()),
        "memberships": [[index, json.loads(membership.encode())] for index, membership in facts.memberships],
        "schemas": [[index, content.hex()] for index, content in facts.schemas],
        "committed_schema": facts.committed_schema,
    }
    body = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
    return MAGIC + bytes((FORMAT,)) + encode_frame(MANIFEST, body)


def encode_frame(section: int, body: bytes) -> bytes:
    """Return one frame."""
    return _FRAME.pack(section, len(body), _checksum(section, body)) + body


def encode_tail(frames: int) -> bytes:
    """Return the end of a file with so many frames, the manifest included."""
    return encode_frame(END, _COUNT.pack(frames))


def decode_manifest(body: bytes) -> Manifest:
    """Return the manifest in the body of the first frame. ValueError if it is none."""
    try:
        record = _exact(dict, json.loads(body))
        index, term = record["position"]
        founders = record["founders"]
        facts = GroupFacts(
            bytes.fromhex(_exact(str, record["incarnation"])),
            None if founders is None else _membership(founders),
            LogPosition(LogIndex(_exact(int, index)), Term(_exact(int, term))),
            tuple((LogIndex(_exact(int, at)), _membership(found)) for at, found in record["memberships"]),
            tuple((LogIndex(_exact(int, at)), bytes.fromhex(_exact(str, text))) for at, text in record["schemas"]),
            LogIndex(_exact(int, record["committed_schema"])),
        )
        return Manifest(_exact(str, record["group"]), facts)
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{body[:80]!r} is no manifest of a snapshot: {error!r}") from error


class FrameReader:
    """Takes the bytes of a file bit by bit, and gives its frames."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._has_head = False
        self._frames = 0
        self.is_complete = False
        """Whether the end has been read, and nothing is missing."""
        self.taken_bytes = 0
        """How many bytes the frames took that were whole and right, with what comes before them."""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Take the next bytes; yield each frame that is whole now as (section, body), except the last one.

        Raises:
            ValueError: a frame is damaged, or what follows the end.
            UnsupportedFormat: the file has another format.
        """
        self._pending += data
        if not self._has_head and not self._take_head():
            return
        at = 0
        try:
            while (end := self._end_of_frame(at)) is not None:
                section, body = self._frame(at, end)
                self.taken_bytes += end - at
                at = end
                if section == END:
                    self._check_end(body, at)
                else:
                    self._frames += 1
                    yield section, body
        finally:
            del self._pending[:at]

    def _take_head(self) -> bool:
        if len(self._pending) < _HEAD_BYTES:
            return False
        if not self._pending.startswith(MAGIC):
            raise ValueError(f"it begins with {bytes(self._pending[:20])!r}: this is no snapshot")
        if (found := self._pending[len(MAGIC)]) != FORMAT:
            raise UnsupportedFormat("the snapshot", found=found, supported=FORMAT, part="snapshot format")
        del self._pending[:_HEAD_BYTES]
        self.taken_bytes = _HEAD_BYTES
        self._has_head = True
        return True

    def _end_of_frame(self, at: int) -> int | None:
        if self.is_complete and at < len(self._pending):
            raise ValueError("bytes follow the end of the snapshot")
        if len(self._pending) < at + _FRAME.size:
            return None
        end = at + _FRAME.size + int(_FRAME.unpack_from(self._pending, at)[1])
        return end if end <= len(self._pending) else None

    def _frame(self, at: int, end: int) -> tuple[int, bytes]:
        section, _, checksum = _FRAME.unpack_from(self._pending, at)
        body = bytes(memoryview(self._pending)[at + _FRAME.size : end])
        if _checksum(section, body) != checksum:
            raise ValueError(f"the checksum of frame {self._frames} does not match")
        return int(section), body

    def _check_end(self, body: bytes, at: int) -> None:
        if len(body) != _COUNT.size or _COUNT.unpack(body)[0] != self._frames or at != len(self._pending):
            raise ValueError(f"it ends after {self._frames} frames, and should not")
        self.is_complete = True


def _checksum(section: int, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(struct.pack(">BI", section, len(body))))


def _membership(record: object) -> Membership:
    return Membership.decode(json.dumps(record, sort_keys=True, separators=(",", ":")).encode())


def _exact(kind: type[T], value: Any) -> T:
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, got {value!r:.60}")
    return value
