"""`Revision`: a schema as an entry of a group's log; `Revisions`: those of one log, and which is active at an index.

    index     1       2          3 … 90     91         92 …
    entry     no-op   SCHEMA 1   commands   SCHEMA 2   commands
    active            1          1          2          2

The payload of an entry is text: {"format": 1, "revision": 2, "level": 1, "version": 3, "schema": {…}}.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import Self

from coterie.protocols.evolution.schema import Schema
from coterie.protocols.evolution.schema_text import FORMAT, SchemaHash, schema_from_json, schema_hash, schema_to_json
from coterie.protocols.evolution.schema_values import json_text, read_json
from coterie.protocols.replicated_log import LogIndex

__all__ = ["Revision", "Revisions"]


@dataclass(frozen=True, slots=True)
class Revision:
    """The `number`-th schema of a group: 1, 2, …

    Raises:
        ValueError: the number is below 1.
    """

    number: int
    schema: Schema

    def __post_init__(self) -> None:
        """Check the number."""
        if self.number < 1:
            raise ValueError(f"revision {self.number} of a schema: the first is 1")

    def encode(self) -> bytes:
        """Return the payload of the entry."""
        return json_text({"format": FORMAT, "revision": self.number, **schema_to_json(self.schema)}).encode()

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Return the revision of an entry.

        Raises:
            ValueError: the payload is not exactly what `encode` makes, or is of another format.
        """
        try:
            return cls._decoded(payload)
        except RecursionError as error:
            raise ValueError(f"a schema of {len(payload)} bytes is nested too deeply") from error

    @classmethod
    def _decoded(cls, payload: bytes) -> Self:
        value = read_json(payload.decode())
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            found = value.get("format") if isinstance(value, dict) else value
            raise ValueError(f"a schema of format {found!r:.60}: this release of coterie reads format {FORMAT}")
        number = value.pop("revision", None)
        del value["format"]
        if type(number) is not int:
            raise ValueError(f"a schema has the revision {number!r:.60}: it must be a number")
        revision = cls(number, schema_from_json(value))
        if revision.encode() != payload:
            raise ValueError(f"revision {number} of a schema is not in its canonical form")
        return revision


class Revisions:
    """The revisions of one log, in order. An entry that its leader did not write in turn changes nothing."""

    def __init__(self) -> None:
        self._indexes: list[LogIndex] = []
        self._revisions: list[Revision] = []

    def append(self, index: LogIndex, revision: Revision) -> bool:
        """Add the revision of the entry at `index`; return False, and leave it out, if it is not the next one.

        A leader that did not know of the latest one may have numbered its own the same: then the first counts, on every
        replica.

        Raises:
            ValueError: `index` is not above that of the latest one.
        """
        if self._indexes and index <= self._indexes[-1]:
            raise ValueError(f"a schema at index {index} after one at {self._indexes[-1]}: indexes must rise")
        if revision.number != len(self._revisions) + self._first_number():
            return False
        self._indexes.append(index)
        self._revisions.append(revision)
        return True

    def _first_number(self) -> int:
        return self._revisions[0].number if self._revisions else 1

    def drop_from(self, index: LogIndex) -> None:
        """Forget the revisions of entries at `index` and above: the log was truncated there."""
        keep = bisect.bisect_left(self._indexes, index)
        del self._indexes[keep:], self._revisions[keep:]

    def active_at(self, index: LogIndex) -> Revision | None:
        """Return the revision under which the entry at `index` is decoded; None if there is none yet."""
        at = bisect.bisect_right(self._indexes, index)
        return self._revisions[at - 1] if at else None

    @property
    def latest(self) -> Revision | None:
        """The latest revision."""
        return self._revisions[-1] if self._revisions else None

    @property
    def latest_hash(self) -> SchemaHash | None:
        """The hash of the latest revision's schema."""
        return None if self.latest is None else schema_hash(self.latest.schema)

    @property
    def earlier(self) -> tuple[Schema, ...]:
        """The schemas before the latest one."""
        return tuple(one.schema for one in self._revisions[:-1])
