"""Count comparison: compares the identifier counts of the cluster with those of one process without coterie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coterie.demo.store_keys import StoredCounts

__all__ = ["Comparison", "Difference", "PlainCount", "compare"]


@dataclass(frozen=True, slots=True)
class PlainCount:
    """Result of the plain count: all files, those of them that count nothing, and the totals of the others."""

    files: frozenset[str]
    skipped: frozenset[str]
    totals: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Difference:
    """An identifier whose totals differ (absent: 0)."""

    identifier: str
    plain: int
    cluster: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences.

    `lost`: files whose counts were acknowledged or sent but are not in the store. `duplicated`: files whose counts
    were added more than once. `foreign`: files that only one side saw. `skipped_apart`: files that only one side
    skipped. `wrong`: identifiers whose totals differ.
    """

    lost: tuple[str, ...]
    duplicated: tuple[str, ...]
    foreign: tuple[str, ...]
    skipped_apart: tuple[str, ...]
    wrong: tuple[Difference, ...]

    @property
    def is_identical(self) -> bool:
        """Whether both sides saw the same files, skipped the same, and have the same totals, each file once."""
        return not (self.lost or self.duplicated or self.foreign or self.skipped_apart or self.wrong)


def compare(plain: PlainCount, files: Sequence[str], found: StoredCounts) -> Comparison:
    """Compare: `files` is what the coordinator sent, `found` what the store holds at the end."""
    sent = frozenset(files)
    return Comparison(
        lost=tuple(sorted(file for file in sent if found.markers.get(file, 0) < 1)),
        duplicated=tuple(sorted(file for file, times in found.markers.items() if times > 1)),
        foreign=tuple(sorted((plain.files ^ sent) | (found.markers.keys() - sent))),
        skipped_apart=tuple(sorted(plain.skipped ^ found.skipped)),
        wrong=tuple(_differences(plain.totals, found.totals)),
    )


def _differences(plain: Mapping[str, int], cluster: Mapping[str, int]) -> list[Difference]:
    return [
        Difference(name, plain.get(name, 0), cluster.get(name, 0))
        for name in sorted(plain.keys() | cluster.keys())
        if plain.get(name, 0) != cluster.get(name, 0)
    ]
