"""Unsavable state: says where in the state of a machine a value is that cannot be saved, why, and what to do."""

from __future__ import annotations

import dataclasses
import enum
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from coterie.actors.groups.snapshots.known_types import KnownTypes
from coterie.actors.groups.snapshots.state_encoding import ATOMS, CONTAINERS, Unsavable, attributes_of
from coterie.actors.groups.snapshots.state_tokens import DEPTH_MAX, ShapeKind
from coterie.runtime.messages.codings import coding_of
from coterie.runtime.observing.error_texts import value_text

__all__ = ["why_unsavable"]

_KEY_CHARS_MAX: Final = 40
_PATH_CHARS_MAX: Final = 300
_OPAQUE: Final = (ShapeKind.CODED, ShapeKind.STANDARD, ShapeKind.ENUM, ShapeKind.FLAG)

_Path = tuple["_Path | None", str]
"""The path of the value around this one, and the step from it to this one."""


def why_unsavable(cls: type, attributes: Mapping[str, object], error: Unsavable, types: KnownTypes) -> str:
    """Return why a machine of class `cls` with these attributes cannot be saved, with the path of what prevents it."""
    paths = _paths_to(error.value, attributes, types, 2 if error.is_shared else 1)
    here = [f"{cls.__name__}{_text(path)}" for path in paths] or [f"a value in {cls.__name__}"]
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


def _paths_to(value: object, attributes: Mapping[str, object], types: KnownTypes, count: int) -> list[_Path]:
    """Return the first paths to an object, at most `count`."""
    found: list[_Path] = []
    stack: list[Iterator[tuple[_Path, object]]] = [
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


def _steps(path: _Path, value: Any, types: KnownTypes) -> Iterator[tuple[_Path, object]]:
    """Yield what a value holds, with paths, in the order in which it is saved."""
    cls = type(value)
    if isinstance(value, dict) and cls in CONTAINERS:
        for key, item in value.items():
            shown = value_text(key, _KEY_CHARS_MAX)
            yield (path, f", key {shown}"), key
            yield (path, f"[{shown}]"), item
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


def _text(path: _Path | None) -> str:
    steps = []
    while path is not None:
        path, step = path
        steps.append(step)
    text = "".join(reversed(steps))
    return text if len(text) <= _PATH_CHARS_MAX else f"{text[:_PATH_CHARS_MAX]}…"
