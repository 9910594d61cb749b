"""`Checkpoint`: states the digest that a quorum of replicas has at an index; encodes and decodes its log entry."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from coterie.protocols.checkpoints.digest_history import DIGEST_BYTES, Digest
from coterie.protocols.replicated_log import LogIndex

__all__ = ["Checkpoint", "decode_checkpoint", "encode_checkpoint"]

# The format of the entry is durable: a byte for the version, the index, the digest.
_VERSION: Final = 1
_LAYOUT: Final = struct.Struct(f">BQ{DIGEST_BYTES}s")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A quorum of replicas had the digest `digest` when it had applied entry `index`."""

    index: LogIndex
    digest: Digest


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """Return the bytes of the log entry."""
    return _LAYOUT.pack(_VERSION, checkpoint.index, checkpoint.digest)


def decode_checkpoint(data: bytes) -> Checkpoint:
    """Read the bytes of the log entry. ValueError if they are malformed, or of a later version."""
    if len(data) != _LAYOUT.size or data[0] != _VERSION:
        raise ValueError(f"{len(data)} bytes that begin with {data[:1]!r} are no checkpoint of version {_VERSION}")
    _, index, digest = _LAYOUT.unpack(data)
    return Checkpoint(LogIndex(index), Digest(digest))
