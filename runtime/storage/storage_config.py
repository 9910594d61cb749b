"""`StorageConfig`: sets the sizes of a log's files, batches and writes, and when a log reclaims disk space."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["StorageConfig"]

_MIB = 1024 * 1024
_LARGEST = 1024 * _MIB  # a place in a segment has 32 bits


@dataclass(frozen=True, slots=True)
class StorageConfig:
    """Settings of a `SegmentedLog`. ValueError for a value out of range.

    Attributes:
        segment_bytes: A segment of this size is followed by a new one, at the latest; 4 KiB … 1 GiB. Default 64 MiB: a
            segment is read in one piece at start, and space is reclaimed by segment. Too low: many files, and the
            metadata of the groups is repeated often; too high: memory at start, and space is reclaimed late.
        segment_bytes_min: … or at the earliest; 4 KiB … 1 GiB, more than `segment_bytes` counts as that. In between, a
            segment takes an eighth of the live part of the log when it begins, so that what is dropped leaves the disk
            soon. Default 1 MiB. Too low: a new file all the time; too high: a small log keeps much that is dropped.
        batch_bytes: Writes that wait together share a batch until it reaches this size; 1 KiB … 1 GiB. Default 4 MiB.
            Too low: more fdatasyncs under load; too high: the first write of a batch waits long for the last.
        max_write_bytes: The largest single `Write`, headers included; 1 KiB … 1 GiB. Default 64 MiB. A write is never
            split; several copies of it are in memory.
        reclaim_below: The oldest segment is emptied (its live records are written again at the end) while the live
            part of the whole log is at most this; 0 … 0.9. Default 0.5: at worst each byte is written twice more.
            Too low: an idle group pins disk space; too high: the same records are copied again and again.
        mark_after_s: After this time (s) without a batch an empty one (a sync marker) is written. It proves that the
            last batch was synced: damage to that batch is then distinguished from a torn tail. Default 1.0. Too low:
            needless fdatasyncs; too high: for longer, damage to the last batch can be mistaken for a torn tail. While
            writes go on, the high-water file is written this often.
        extend_bytes: So many zeros are written behind a batch that reaches the end of the file, if it has at most a
            sixteenth of that; 0 … 1 GiB, 0: none. Default 256 KiB. A batch within the file changes neither its size nor
            its blocks, so its fdatasync writes the data alone. Too low: more of them write the inode, too, and the
            file's map; too high: the batch with the zeros takes long. All bytes are written twice, those of large
            batches excepted.
        free_bytes_min: While fewer bytes are free on the disk, the node hands the groups that it leads over, or they
            refuse commands; 0 … 1 TiB, 0 never. At most 5 % of the file system counts. Default 256 MiB: room for what
            is written until that is noticed, and for the entries of other leaders; what the next snapshot may take, and
            a quarter of this, stay free of the log (see `FreeSpace`), not with 0.
            Too low: the disk is full first, and writes wait; too high: commands are refused although there is space.
    """

    segment_bytes: int = 64 * _MIB
    segment_bytes_min: int = 1 * _MIB
    batch_bytes: int = 4 * _MIB
    max_write_bytes: int = 64 * _MIB
    reclaim_below: float = 0.5
    mark_after_s: float = 1.0
    extend_bytes: int = 256 * 1024
    free_bytes_min: int = 256 * _MIB

    def __post_init__(self) -> None:
        _require("segment_bytes", self.segment_bytes, 4096, _LARGEST)
        _require("segment_bytes_min", self.segment_bytes_min, 4096, _LARGEST)
        _require("batch_bytes", self.batch_bytes, 1024, _LARGEST)
        _require("max_write_bytes", self.max_write_bytes, 1024, _LARGEST)
        _require("reclaim_below", self.reclaim_below, 0.0, 0.9)
        _require("mark_after_s", self.mark_after_s, 0.001, 86_400.0)
        _require("extend_bytes", self.extend_bytes, 0, _LARGEST)
        _require("free_bytes_min", self.free_bytes_min, 0, 1024 * _LARGEST)


def _require(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be within {low} … {high}, not {value}")
