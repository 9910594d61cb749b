"""Store keys: defines the keys of the store under which a run of the demo keeps its identifier counts.

<run>/n/<shard>/<identifier>    how often it occurs
<run>/f/<file>                  the marker of a file: how often its counts were added
<run>/s/<file>                  present if the file was skipped
<run>/p                         the probe, which measures how long the cluster is unavailable

A scan collects all its results when it begins, in one step of the state machine. The identifiers are split into
sixteen shards, each with a scan of its own, so that no step is so long that the leader seems to have failed.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from coterie.actors.groups.key_value import AtomicBatch
from coterie.demo.identifier_counts import IdentifierCounts, SkippedFile

__all__ = ["StoredCounts", "batch_of", "probe_key", "read_counts", "scan_prefixes"]

SHARDS: Final = b"0123456789abcdef"


@dataclass(frozen=True, slots=True)
class StoredCounts:
    """Contents of the store for one run: totals by identifier, marker by file, and the files that were skipped."""

    totals: dict[str, int] = field(default_factory=dict)
    markers: dict[str, int] = field(default_factory=dict)
    skipped: frozenset[str] = frozenset()


def scan_prefixes(run: str) -> list[bytes]:
    """Return the prefixes that together hold all of a run but its probe."""
    prefix = _prefix(run)
    return [prefix + b"f/", prefix + b"s/", *(prefix + b"n/%c/" % shard for shard in SHARDS)]


def probe_key(run: str) -> bytes:
    """Return the key that the probe increments."""
    return _prefix(run) + b"p"


def batch_of(run: str, file: bytes, counted: IdentifierCounts | SkippedFile) -> AtomicBatch:
    """Return the one command that adds a file's counts and its marker."""
    prefix = _prefix(run)
    increment = {prefix + b"f/" + file: 1}
    if isinstance(counted, SkippedFile):
        increment[prefix + b"s/" + file] = 1
    else:
        increment |= {prefix + b"n/" + _sharded(name): count for name, count in counted.counts.items()}
    return AtomicBatch(increment=increment)


def read_counts(run: str, items: Iterable[tuple[bytes, bytes]]) -> StoredCounts:
    """Return the contents that the scanned `items` hold."""
    start = len(_prefix(run))
    totals: dict[str, int] = {}
    markers: dict[str, int] = {}
    skipped: set[str] = set()
    for key, value in items:
        kind, name = key[start : start + 2], key[start + 2 :]
        if kind == b"n/":
            totals[name[2:].decode()] = int(value)
        elif kind == b"f/":
            markers[os.fsdecode(name)] = int(value)
        elif kind == b"s/":
            skipped.add(os.fsdecode(name))
    return StoredCounts(totals, markers, frozenset(skipped))


def _prefix(run: str) -> bytes:
    return f"{run}/".encode()


def _sharded(identifier: str) -> bytes:
    name = identifier.encode()
    return b"%c/%b" % (SHARDS[zlib.crc32(name) % len(SHARDS)], name)
