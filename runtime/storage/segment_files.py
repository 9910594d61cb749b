"""Segment files: creates, lists and removes the files of a log. All calls block."""

from __future__ import annotations

import contextlib
import os.path
from dataclasses import dataclass

from coterie.runtime.hosts.disk_with_spares import is_out_of_descriptors
from coterie.runtime.hosts.host import Disk, File
from coterie.runtime.storage.segment_format import (
    BATCH_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    SegmentHeader,
    encode_segment_header,
)

__all__ = [
    "Segment",
    "create_segment",
    "is_pristine",
    "remove_segment",
    "segment_names",
    "segment_number",
    "segment_path",
]

_PREFIX = "segment-"
_SUFFIX = ".log"
_NEW = "segment.new"


@dataclass(slots=True)
class Segment:
    """One open segment.

    `created_bytes`: size of header and checkpoint. `size_bytes`: offset of the next batch. `records`: number of records
    ever written to it. `file_bytes`: size of the file with the zeros behind the last batch; for the disk thread.
    `limit_bytes`: once it has so many beside its checkpoint, the next batch begins another segment.
    """

    number: int
    path: str
    file: File
    created_bytes: int
    size_bytes: int
    records: int = 0
    file_bytes: int = 0
    limit_bytes: int = 0

    def write(self, data: bytes, extend_bytes: int) -> None:
        """Write a batch behind the last one, without a sync, and zeros if it is small and extends the file. Blocks.

        A write within a file that has its blocks leaves the inode as it is: to sync it the system writes data alone.
        """
        end = self.size_bytes + len(data)
        if end > self.file_bytes:
            if len(data) <= extend_bytes // 16:
                data += bytes(extend_bytes)
                end += extend_bytes
            self.file_bytes = end
        self.file.write_at(self.size_bytes, data)

    def trim(self) -> None:
        """Cut off the zeros behind the last batch, without a sync. Blocks."""
        if self.file_bytes > self.size_bytes:
            self.file.truncate(self.size_bytes)
            self.file_bytes = self.size_bytes


def segment_path(directory: str, number: int) -> str:
    """Return the path of a segment's file."""
    return os.path.join(directory, f"{_PREFIX}{number:010d}{_SUFFIX}")


def segment_number(name: str) -> int:
    """Return the number in a segment's file name."""
    return int(name.removeprefix(_PREFIX).removesuffix(_SUFFIX))


def segment_names(disk: Disk, directory: str) -> list[str]:
    """Return the file names of the segments, oldest first."""
    names = (name for name in disk.names(directory) if name.startswith(_PREFIX) and name.endswith(_SUFFIX))
    return sorted(names, key=segment_number)


def is_pristine(disk: Disk, directory: str) -> bool:
    """Return whether no batch was ever written here: there is at most the first segment, without batches."""
    names = segment_names(disk, directory)
    if not names:
        return True
    with contextlib.closing(disk.open(os.path.join(directory, names[-1]))) as file:
        return segment_number(names[-1]) == 1 and file.size() <= SEGMENT_HEADER_BYTES + BATCH_HEADER_BYTES


def create_segment(disk: Disk, directory: str, number: int, salt: int, *, zeros_bytes: int = 0) -> Segment:
    """Create a segment that has not begun: its header, and zeros behind it. It is durable on return.

    If the process has no descriptor left, the call may be repeated.
    """
    temporary, final = os.path.join(directory, _NEW), segment_path(directory, number)
    if disk.exists(temporary):  # left by a crash
        disk.remove(temporary)
    file = disk.open(temporary, create=True)
    try:
        file.write_at(0, encode_segment_header(SegmentHeader(number), salt) + bytes(zeros_bytes))
        file.sync()
        disk.rename(temporary, final)
        disk.sync_directory(directory)
    except OSError:
        file.close()  # the caller may try again, with a new file
        raise
    return Segment(number, final, file, 0, SEGMENT_HEADER_BYTES, file_bytes=SEGMENT_HEADER_BYTES + zeros_bytes)


def remove_segment(disk: Disk, segment: Segment) -> None:
    """Remove a segment durably, before any later one: so the numbers have no gap."""
    segment.file.close()
    disk.remove(segment.path)
    try:
        disk.sync_directory(os.path.dirname(segment.path))
    except OSError as error:
        # Without a descriptor the removal is not durable yet: the next removal, or new segment, syncs this one too.
        if not is_out_of_descriptors(error):
            raise
