"""Unsavable state: says where in the state of a machine a value is that cannot be saved, why, and what to do."""

from __future__ import annotations

import dataclasses
import enum
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from coterie.actors.groups.snapshots.known_types import KnownTypes
from coterie.actors.groups.snapshots.state_encoding import ATOMS, CONTAINERS, Unsavable, attributes_of
from coterie.actors.groups.snapshots.state_paths import StatePath, key_step, path_text
from coterie.actors.groups.snapshots.state_tokens import DEPTH_MAX, ShapeKind
from coterie.runtime.messages.codings import coding_of

__all__ = ["why_unsavable"]

_OPAQUE: Final = (ShapeKind.CODED, ShapeKind.STANDARD, ShapeKind.ENUM, ShapeKind.FLAG)


def why_unsavable(cls: type, attributes: Mapping[str, object], error: Unsavable, types: KnownTypes) -> str:
    """Return why a machine of class `cls` with these attributes cannot be saved, with the path of what prevents it."""
    paths = _paths_to(error.value, attributes, types, 2 if error.is_shared else 1)
    here = [f"{cls.__name__}{path_text(path)}" for path in paths] or [f"a value in {cls.__name__}"]
    kind = type(error.value)
    own = f"write `snapshot` and `restore` of {cls.__name__}"
    if error.is_shared:
        places = " and ".join(here) if len(here) > 1 else f"{here[0]}, reached twice,"
        return (
            f"{places} are one {kind.__name__}: restored, they would be two, and this replica would differ from the "
            f"others. Keep it in one place, or {own}"
        )
    if error.why:
        return f"{here[0]}, a {kind.__name__}, cannot be saved: {error.why}. Else {own}"
    if _can_be_named(kind):
        return (
            f"{here[0]} is a {kind.__qualname__}, which neither the commands nor the annotations of {cls.__name__} "
            f"name: annotate the attribute in the class (such as `name: dict[str, {kind.__name__}]`), or {own}"
        )
    return f"{here[0]} is a {kind.__qualname__}, which cannot be saved by itself: {own}"


def _can_be_named(kind: type) -> bool:
    is_plain = dataclasses.is_dataclass(kind) or issubclass(kind, enum.Enum) or hasattr(kind, "_fields")
    return kind not in CONTAINERS and (is_plain or coding_of(kind) is not None)


def _paths_to(value: object, attributes: Mapping[str, object], types: KnownTypes, count: int) -> list[StatePath]:
    """Return the first paths to an object, at most `count`."""
    found: list[StatePath] = []
    stack: list[Iterator[tuple[StatePath, object]]] = [
        iter([((None, f".{name}"), one) for name, one in attributes.items()])
    ]
    while stack and len(found) < count:
        for path, one in stack[-1]:
            if one is value:
                found.append(path)
                if len(found) == count:
                    break
            if type(one) not in ATOMS and len(stack) <= DEPTH_MAX:
                stack.append(_steps(path, one, types))
                break
        else:
            stack.pop()
    return found


def _steps(path: StatePath, value: Any, types: KnownTypes) -> Iterator[tuple[StatePath, object]]:
    """Yield what a value holds, with paths, in the order in which it is saved."""
    cls = type(value)
    if isinstance(value, dict) and cls in CONTAINERS:
        for key, item in value.items():
            step = key_step(key)
            yield (path, f", key {step[1:-1]}"), key
            yield (path, step), item
    elif cls in (list, tuple, deque):
        for place, item in enumerate(value):
            yield (path, f"[{place}]"), item
    elif cls in (set, frozenset):
        for item in value:
            yield (path, ", an item"), item
    elif (known := types.by_class.get(cls)) is not None and known.kind not in _OPAQUE:
        parts = attributes_of(value) if known.kind is ShapeKind.DATACLASS else {}
        for name in parts or known.fields:
            yield (path, f".{name}"), getattr(value, name, None)
