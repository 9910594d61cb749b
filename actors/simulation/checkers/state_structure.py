"""State structure: turns the state of any object into plain tuples that can be compared, and finds a first difference.

Two replicas that have applied the same commands must have equal structures: the same values in the same order, because
a machine may depend on the order of a dict. Only sets are sorted: their order is not part of their value.
"""

from __future__ import annotations

import enum
import random
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from coterie.actors.groups.snapshots.state_encoding import transient_names

__all__ = ["first_difference", "structure_of"]

_PLAIN: Final = frozenset({type(None), int, str, bytes})
_LEAVES: Final = frozenset({"bool", "float"})
"""Values of these types are kept with their type, because True == 1 == 1.0; NaN is kept as text, to equal itself."""

_MAX_SHOWN: Final = 80


def structure_of(value: object) -> object:
    """Return nested tuples that describe `value` with everything that it holds; functions and modules by their name.

    An object is described by its class and its attributes. A second occurrence of an object within itself is described
    by its depth.
    """
    return _structure(value, {})


def first_difference(one: object, other: object, path: str = "state") -> tuple[str, str, str] | None:
    """Return (path, value in `one`, value in `other`) of the first difference of two structures; None: none."""
    if one == other:
        return None
    if isinstance(one, tuple) and isinstance(other, tuple) and _have_same_parts(one, other):
        for place, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            found = first_difference(mine, theirs, _step(path, one, place))
            if found is not None:
                return found
    return path, _show(one), _show(other)


def _have_same_parts(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """Return whether the difference is in one part of two structures, and not in their kind or size."""
    return len(one) == len(other) and one[:1] == other[:1] and one[0] not in _LEAVES


def _structure(value: Any, depth_by_id: dict[int, int]) -> object:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, (bool, float)):
        return (type(value).__name__, repr(value))
    if id(value) in depth_by_id:
        return ("again", depth_by_id[id(value)])
    depth_by_id[id(value)] = len(depth_by_id)
    try:
        return _inner(value, depth_by_id)
    finally:
        del depth_by_id[id(value)]


def _inner(value: Any, depths: dict[int, int]) -> object:
    name = type(value).__qualname__
    if isinstance(value, enum.Enum):
        return ("enum", name, value.name)
    if isinstance(value, Mapping):
        return (name, *((_structure(key, depths), _structure(item, depths)) for key, item in value.items()))
    if isinstance(value, (set, frozenset)):
        return (name, *sorted((_structure(item, depths) for item in value), key=repr))
    if isinstance(value, (list, tuple, deque, bytearray)):
        return (name, *(_structure(item, depths) for item in value))
    if isinstance(value, random.Random):
        return (name, value.getstate())
    attributes = _attributes(value)
    if callable(value) and not attributes:
        return ("callable", getattr(value, "__qualname__", name))
    return ("object", name, *((key, _structure(item, depths)) for key, item in attributes.items()))


def _attributes(value: Any) -> dict[str, Any]:
    """Return the attributes of an object that are no transient ones, those in slots first.

    Or what its class says is to be compared.
    """
    compared: Callable[[Any], dict[str, Any]] | None = getattr(type(value), "_compared_attributes", None)
    if compared is not None:
        return compared(value)
    slots = [slot for cls in type(value).__mro__ for slot in _slots_of(cls)]
    found = {slot: getattr(value, slot) for slot in slots if hasattr(value, slot)}
    found |= getattr(value, "__dict__", {})
    cls: Any = type(value)
    left_out = transient_names(cls)
    return {name: part for name, part in found.items() if name not in left_out} if left_out else found


def _slots_of(cls: type) -> tuple[str, ...]:
    slots = cls.__dict__.get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return tuple(name for name in names if name not in {"__dict__", "__weakref__"})


def _step(path: str, structure: tuple[object, ...], place: int) -> str:
    """Return the path of the part at `place` of a structure."""
    part = structure[place]
    if structure[0] == "object" and place >= 2 and isinstance(part, tuple):
        return f"{path}.{part[0]}"
    if isinstance(part, tuple) and structure[0] in {"dict", "OrderedDict", "defaultdict"}:
        return f"{path}[{_show(part[0])}]"
    return path if place == 0 or structure[0] not in {"list", "tuple", "deque"} else f"{path}[{place - 1}]"


def _show(structure: object) -> str:
    if isinstance(structure, tuple) and structure and structure[0] in _LEAVES:
        return str(structure[1])
    return f"{structure!r:.{_MAX_SHOWN}}"
