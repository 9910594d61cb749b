"""Where a run keeps its numbers in the store: under a prefix of its own, so that runs share a cluster.

<run>/n/<identifier>    how often it occurs
<run>/f/<file>          the marker of a file: how often its counts were added
<run>/s/<file>          present if the file was skipped
<run>/p                 the probe, which measures how long the cluster is unavailable
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from coterie.actors.key_value import Batch
from coterie.demo.identifiers import Skipped, Tally

__all__ = ["Found", "batch_of", "probe_key", "read_found", "run_prefix"]


@dataclass(frozen=True, slots=True)
class Found:
    """What a store says of a run: totals by identifier, marker by file, and the files that were skipped."""

    totals: dict[str, int] = field(default_factory=dict)
    markers: dict[str, int] = field(default_factory=dict)
    skipped: frozenset[str] = frozenset()


def run_prefix(run: str) -> bytes:
    """Return what all keys of a run begin with."""
    return f"{run}/".encode()


def probe_key(run: str) -> bytes:
    """Return the key that the probe increments."""
    return run_prefix(run) + b"p"


def batch_of(run: str, file: bytes, tallied: Tally | Skipped) -> Batch:
    """Return the one command that adds a file's counts and its marker."""
    prefix = run_prefix(run)
    increment = {prefix + b"f/" + file: 1}
    if isinstance(tallied, Skipped):
        increment[prefix + b"s/" + file] = 1
    else:
        increment |= {prefix + b"n/" + name.encode(): count for name, count in tallied.counts.items()}
    return Batch(increment=increment)


def read_found(run: str, items: Iterable[tuple[bytes, bytes]]) -> Found:
    """Read what a scan of the run's prefix gave."""
    start = len(run_prefix(run))
    totals: dict[str, int] = {}
    markers: dict[str, int] = {}
    skipped: set[str] = set()
    for key, value in items:
        kind, name = key[start : start + 2], key[start + 2 :]
        if kind == b"n/":
            totals[name.decode()] = int(value)
        elif kind == b"f/":
            markers[os.fsdecode(name)] = int(value)
        elif kind == b"s/":
            skipped.add(os.fsdecode(name))
    return Found(totals, markers, frozenset(skipped))
