"""`HighWaterFile`: remembers beside the log how far it was durable, so that the next open finds a log that was cut.

    slot 0 │ coterie high water, format 1        each slot has 4096 bytes, padded with zeros; they are written in turn,
    slot 1 │ {"bytes": …, "generation": …, …}    so that a write which a crash tears spares the other one
           │ <CRC-32 of the lines above>

The file never claims what is not durable. It is written when the log is opened, behind a sync marker (once after each
pause in writing, and at the close), and once in `mark_after_s` while writes go on. What was acknowledged since then is
not covered: a log that lost only that looks like one with a torn tail.

A store that has lost promises keeps that here for as long as it exists.
"""

from __future__ import annotations

import json
import os.path
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from coterie.runtime.hosts.host import Disk, File
from coterie.runtime.storage.history.generation import NEVER_OPENED, Generation
from coterie.runtime.storage.segment_files import Segment

__all__ = ["HIGH_WATER_NAME", "HighWater", "HighWaterFile", "loss_evidence"]

HIGH_WATER_NAME: Final = "high-water"

_TITLE: Final = b"coterie high water, format 1\n"
_SLOT_BYTES: Final = 4096
_SLOTS: Final = 2
_TEXT_CHARS_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class HighWater:
    """How far a log was durable.

    `sequence`: numbers the writes of the file. `generation`: the latest opening. `segment`, `size_bytes`: the last
    segment and its size. `lost_promises`: why the store must not be believed any more; None: it may be.
    """

    sequence: int = 0
    generation: Generation = NEVER_OPENED
    segment: int = 0
    size_bytes: int = 0
    lost_promises: str | None = None


class HighWaterFile:
    """The file `high-water` of a store. All calls block, but `latest`.

    `latest`: the content when it was opened, later what was written last. `is_readable`: whether it had any.
    """

    def __init__(self, file: File, salt: int) -> None:
        self._file = file
        self._salt = salt
        found = [slot for at in range(_SLOTS) if (slot := self._read(at)) is not None]
        self.is_readable = bool(found)
        self.latest = max(found, key=lambda each: each.sequence, default=HighWater())

    @classmethod
    def open(cls, disk: Disk, directory: str, salt: int) -> HighWaterFile:
        """Open the file, or create it durably. A file that is missing or does not decode is not readable."""
        path = os.path.join(directory, HIGH_WATER_NAME)
        if disk.exists(path):
            return cls(disk.open(path), salt)
        file = disk.open(path, create=True)
        file.write_at(0, bytes(_SLOTS * _SLOT_BYTES))
        file.sync()
        disk.sync_directory(directory)
        return cls(file, salt)

    def advance(self, segment: int, size_bytes: int) -> None:
        """Note that the log is durable up to `size_bytes` of `segment`, its last one."""
        self.write(replace(self.latest, segment=segment, size_bytes=size_bytes))

    def mark_lost(self, evidence: str) -> None:
        """Note that the store has lost promises; the first evidence stays."""
        if self.latest.lost_promises is None:
            self.write(replace(self.latest, lost_promises=evidence[:_TEXT_CHARS_MAX]))

    def write(self, high_water: HighWater) -> None:
        """Write it durably, over the older of the two slots."""
        written = replace(high_water, sequence=self.latest.sequence + 1)
        slot = _encode(written, self._salt).ljust(_SLOT_BYTES, b"\0")
        self._file.write_at(written.sequence % _SLOTS * _SLOT_BYTES, slot)
        self._file.sync()
        self.latest = written

    def is_removed(self) -> bool:
        """Return whether the file has no name in the file system any more."""
        return self._file.is_removed()

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()

    def _read(self, at: int) -> HighWater | None:
        return _decode(self._file.read_at(at * _SLOT_BYTES, _SLOT_BYTES), self._salt)


def loss_evidence(found: HighWater, generation: Generation, segments: Sequence[Segment]) -> str | None:
    """Return which durable bytes a recovered log lacks, `found` being its high-water file; None if it lacks none.

    `generation`: the latest one in the log. `segments`: those that were recovered, without a torn tail.
    """
    last = segments[-1]
    return found.lost_promises or _missing_bytes(found, last) or _older_generation(found.generation, generation, last)


def _missing_bytes(found: HighWater, last: Segment) -> str | None:
    if found.segment > last.number:
        count = found.segment - last.number
        return f"{count} segment(s) that followed {last.path!r} are missing (the last was number {found.segment})"
    if found.segment == last.number and found.size_bytes > last.size_bytes:
        lost_bytes = found.size_bytes - last.size_bytes
        return f"{last.path!r} had {found.size_bytes} durable bytes, of which the last {lost_bytes} do not read back"
    return None


def _older_generation(known: Generation, found: Generation, last: Segment) -> str | None:
    is_newer = found.counter > known.counter
    if is_newer or found == known:
        return None
    return f"the log that ends in {last.path!r} is of generation {found}, but the store had been opened as {known}"


def _encode(high_water: HighWater, salt: int) -> bytes:
    fields: dict[str, Any] = {
        "bytes": high_water.size_bytes,
        "generation": high_water.generation.encode().hex(),
        "lost": high_water.lost_promises,
        "segment": high_water.segment,
        "sequence": high_water.sequence,
    }
    text = _TITLE + json.dumps(fields, sort_keys=True).encode() + b"\n"
    return text + f"{zlib.crc32(text, salt):08x}\n".encode()


def _decode(data: bytes, salt: int) -> HighWater | None:
    text, newline, checksum = data.rstrip(b"\0").removesuffix(b"\n").rpartition(b"\n")
    if not text.startswith(_TITLE) or checksum != f"{zlib.crc32(text + newline, salt):08x}".encode():
        return None
    fields = json.loads(text.removeprefix(_TITLE))
    generation = Generation.decode(bytes.fromhex(fields["generation"]))
    return HighWater(fields["sequence"], generation, fields["segment"], fields["bytes"], fields["lost"])
