"""`SnapshotId`: tells one snapshot from all others, and what a log must know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coterie.protocols.replicated_log import LogPosition

__all__ = ["SNAPSHOT_DIGEST_BYTES", "SnapshotId"]

SNAPSHOT_DIGEST_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class SnapshotId:
    """One snapshot of one replica: those of two replicas at the same position may have other bytes.

    Attributes:
        position: the last entry that is in it.
        stamp_ms: the stamp of that entry.
        size_bytes: the length of its content.
        digest: the SHA-256 of its content.
    """

    position: LogPosition
    stamp_ms: int
    size_bytes: int
    digest: bytes
