"""Where a run keeps its numbers in the store: under a prefix of its own, so that runs share a cluster.

<run>/n/<shelf>/<identifier>    how often it occurs
<run>/f/<file>                  the marker of a file: how often its counts were added
<run>/s/<file>                  present if the file was skipped
<run>/p                         the probe, which measures how long the cluster is unavailable

A scan fixes all it will give when it begins, in one step of the state machine. The identifiers stand on sixteen
shelves, each with a scan of its own, so that no step is long enough to look like a dead leader.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from coterie.actors.groups.key_value import Batch
from coterie.demo.identifier_counts import Skipped, Tally

__all__ = ["Found", "batch_of", "probe_key", "read_found", "scan_prefixes"]

SHELVES: Final = b"0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Found:
    """What a store says of a run: totals by identifier, marker by file, and the files that were skipped."""

    totals: dict[str, int] = field(default_factory=dict)
    markers: dict[str, int] = field(default_factory=dict)
    skipped: frozenset[str] = frozenset()


def scan_prefixes(run: str) -> list[bytes]:
    """Return the prefixes that together hold all of a run but its probe."""
    prefix = _prefix(run)
    return [prefix + b"f/", prefix + b"s/", *(prefix + b"n/%c/" % shelf for shelf in SHELVES)]


def probe_key(run: str) -> bytes:
    """Return the key that the probe increments."""
    return _prefix(run) + b"p"


def batch_of(run: str, file: bytes, tallied: Tally | Skipped) -> Batch:
    """Return the one command that adds a file's counts and its marker."""
    prefix = _prefix(run)
    increment = {prefix + b"f/" + file: 1}
    if isinstance(tallied, Skipped):
        increment[prefix + b"s/" + file] = 1
    else:
        increment |= {prefix + b"n/" + _shelved(name): count for name, count in tallied.counts.items()}
    return Batch(increment=increment)


def read_found(run: str, items: Iterable[tuple[bytes, bytes]]) -> Found:
    """Read what the scans gave."""
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
    return Found(totals, markers, frozenset(skipped))


def _prefix(run: str) -> bytes:
    return f"{run}/".encode()


def _shelved(identifier: str) -> bytes:
    name = identifier.encode()
    return b"%c/%b" % (SHELVES[zlib.crc32(name) % len(SHELVES)], name)
