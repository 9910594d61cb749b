"""Schema file: writes the schemas of several groups as text, to be kept in a repository, and compares code with it.

    {"format": 1, "groups": {"orders": {"level": 1, "version": 1, "schema": {…}}}}

The file is what is deployed; a comparison tells before the next deployment what it would meet at its start.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from coterie.protocols.evolution.revisions import Revision
from coterie.protocols.evolution.schema import Schema
from coterie.protocols.evolution.schema_comparison import Comparison, Verdict, compare
from coterie.protocols.evolution.schema_text import FORMAT, schema_from_json, schema_to_json
from coterie.protocols.evolution.schema_values import read_json

__all__ = ["GroupComparison", "compare_groups", "read_schema_file", "schema_file_text"]


def schema_file_text(schemas: Mapping[str, Schema]) -> str:
    """Return the text of a file with these schemas, by group. Equal schemas make equal texts."""
    groups = {group: schema_to_json(schema) for group, schema in schemas.items()}
    return json.dumps({"format": FORMAT, "groups": groups}, indent=2, sort_keys=True, allow_nan=False) + "\n"


def read_schema_file(text: str) -> dict[str, Schema]:
    """Return the schemas in the text of a file, by group; blanks and the order of keys do not matter.

    Raises:
        ValueError: it is no such text, or of another format; it names the group.
    """
    value = read_json(text)
    if not isinstance(value, dict) or sorted(value) != ["format", "groups"] or not isinstance(value["groups"], dict):
        raise ValueError("this is no file of schemas: `coterie schema dump` makes one")
    if value["format"] != FORMAT:
        raise ValueError(f"this file of schemas has format {value['format']!r:.60}; this release reads format {FORMAT}")
    found = {}
    for group, schema in value["groups"].items():
        try:
            found[group] = schema_from_json(schema)
        except ValueError as error:
            raise ValueError(f"group {group!r} of the file of schemas: {error}") from error
    return found


@dataclass(frozen=True, slots=True)
class GroupComparison:
    """The comparison of one group. `comparison`: None if only one side has the group."""

    group: str
    comparison: Comparison | None
    is_in_code: bool

    @property
    def may_start(self) -> bool:
        """True if this code could run on a log that recorded the other schema."""
        if self.comparison is None:
            return self.is_in_code
        return self.comparison.verdict in (Verdict.SAME, Verdict.NEWER)


def compare_groups(recorded: Mapping[str, Sequence[Revision]], code: Mapping[str, Schema]) -> Iterator[GroupComparison]:
    """Yield a comparison for each group of either side, by name. Of what is recorded the last revision counts."""
    for group in sorted({**recorded, **code}):
        comparison = None
        if group in recorded and group in code:
            *earlier, last = recorded[group]
            comparison = compare(last.schema, code[group], earlier=earlier)
        yield GroupComparison(group, comparison, group in code)
