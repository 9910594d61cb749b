"""Live share: says how much of each segment of a log is still needed, and how large the next segment should be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from coterie.runtime.storage.record_index import GroupIndex
from coterie.runtime.storage.segment_files import Segment
from coterie.runtime.storage.storage_config import StorageConfig

__all__ = ["live_by_segment", "live_bytes", "next_segment_bytes"]

SEGMENTS: Final = 8
"""The live part of a log should be in so many segments: the oldest one, which is partly dead, wastes an eighth."""

CHECKPOINTS: Final = 16
"""A segment takes so many times as much as its checkpoint at least: else what is written is mostly checkpoints."""


def live_by_segment(groups: Iterable[GroupIndex]) -> Counter[int]:
    """Return the number of live records by segment number."""
    live: Counter[int] = Counter()
    for group in groups:
        live.update(dict(group.live_by_segment()))
    return live


def live_bytes(segments: Sequence[Segment], live: Counter[int]) -> float:
    """Return about how many bytes the live records take; `live`: from `live_by_segment`."""
    return sum(each.size_bytes * live[each.number] / max(each.records, 1) for each in segments)


def next_segment_bytes(segments: Sequence[Segment], groups: Iterable[GroupIndex], config: StorageConfig) -> int:
    """Return how large the segment that begins now may become, beside its checkpoint."""
    wanted = max(
        int(live_bytes(segments, live_by_segment(groups))) // SEGMENTS,
        segments[-1].created_bytes * CHECKPOINTS,
        config.segment_bytes_min,
    )
    return min(wanted, config.segment_bytes)
