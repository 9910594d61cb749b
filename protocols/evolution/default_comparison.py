"""Default comparison: decides whether two recorded defaults mean the same value.

Their texts may differ although they do: the default of a field may be a message, whose row leaves out what has its own
default; and which fields of that message have one, and how many fields there are, is for its own part of the schema to
compare.
"""

from __future__ import annotations

from coterie.protocols.evolution.schema import Schema
from coterie.protocols.evolution.schema_types import (
    ListType,
    MapType,
    NamedType,
    OneOfType,
    RowType,
    SchemaType,
    UniqueType,
)
from coterie.protocols.evolution.schema_values import text_of_value, value_of_text
from coterie.protocols.evolution.type_comparison import alternative_of

__all__ = ["means_the_same"]


def means_the_same(
    old: Schema, old_type: SchemaType, old_default: str, new: Schema, new_type: SchemaType, new_default: str
) -> bool:
    """Return True if a default of a field means in the old schema what the other one means in the new schema."""
    return _Comparison(old, new).is_same(old_type, value_of_text(old_default), new_type, value_of_text(new_default))


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self._old = old
        self._new = new

    def is_same(self, old_type: SchemaType, old: object, new_type: SchemaType, new: object) -> bool:
        if isinstance(old_type, OneOfType) or isinstance(new_type, OneOfType):
            (old_type, old), (new_type, new) = alternative_of(old_type, old), alternative_of(new_type, new)
        if isinstance(old, tuple) and isinstance(new, tuple):
            return self._is_same_row(old_type, old, new_type, new)
        if isinstance(old, dict) and isinstance(new, dict):
            return self._is_same_mapping(old_type, old, new_type, new)
        return text_of_value(old) == text_of_value(new)

    def _is_same_row(
        self, old_type: SchemaType, old: tuple[object, ...], new_type: SchemaType, new: tuple[object, ...]
    ) -> bool:
        match old_type, new_type:
            case NamedType(name), NamedType(other):
                return name == other and self._is_same_message(name, old, new)
            case (ListType(item), ListType(other_item)) | (UniqueType(item), UniqueType(other_item)):
                old_types, new_types = (item,) * len(old), (other_item,) * len(new)
            case RowType(old_types), RowType(new_types):
                pass
            case _:
                return old_type == new_type and text_of_value(old) == text_of_value(new)
        pairs = zip(old_types, old, new_types, new, strict=False)
        return len(old) == len(new) and all(self.is_same(*pair) for pair in pairs)

    def _is_same_message(self, name: str, old: tuple[object, ...], new: tuple[object, ...]) -> bool:
        before, after = self._old.messages[name].fields, self._new.messages[name].fields
        whole, other_whole = _filled(self._old, name, old), _filled(self._new, name, new)
        filled = zip(before, whole, after, other_whole, strict=False)
        if not all(self.is_same(one.type, value, other.type, its) for one, value, other, its in filled):
            return False
        added = zip(after[len(before) :], new[len(before) :], strict=False)
        return all(one.default is not None and text_of_value(value) == one.default for one, value in added)

    def _is_same_mapping(
        self, old_type: SchemaType, old: dict[object, object], new_type: SchemaType, new: dict[object, object]
    ) -> bool:
        if not (isinstance(old_type, MapType) and isinstance(new_type, MapType)) or len(old) != len(new):
            return False
        old_types, new_types = RowType((old_type.key, old_type.value)), RowType((new_type.key, new_type.value))
        pairs = zip(old.items(), new.items(), strict=True)
        return all(self.is_same(old_types, one, new_types, other) for one, other in pairs)


def _filled(schema: Schema, name: str, row: tuple[object, ...]) -> tuple[object, ...]:
    missing = schema.messages[name].fields[len(row) :]
    return (*row, *(value_of_text(one.default) for one in missing if one.default is not None))
