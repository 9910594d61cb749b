"""`differences`: finds where a machine differs from what another one was when its state was frozen.

Two states are the same if all that was remembered is there again, of the same classes: a list in its order, a dict as
`==` compares it (an OrderedDict in its order), a set with the same items, a NaN as any other; and what may be changed
is one object in both where it is reached in two ways. What the other machine has besides does not count, if no
collection shows it by its size.
"""

from __future__ import annotations

import decimal
import functools
import inspect
import math
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from coterie.actors.groups.snapshots.frozen_state import (
    Frozen,
    FrozenKind,
    FrozenState,
    copy_of,
    is_changeable,
    is_value,
    never_changes,
)
from coterie.actors.groups.snapshots.state_encoding import attributes_of
from coterie.actors.groups.snapshots.state_paths import StatePath, path_text
from coterie.runtime.observing.error_texts import type_name, value_text

__all__ = ["Difference", "differences"]

VALUES_PER_STEP: Final = 64
"""After so many values a caller may let others run."""

SHOWN_CHARS: Final = 60

_MISSING: Final = object()
_BASES: Final[tuple[Any, ...]] = (dict, list, tuple, deque, set, frozenset)
_Pair = tuple[StatePath | None, Any, Any]


class Difference(NamedTuple):
    """Where two states differ: the path from the machine, and what is there in both.

    `is_loss`: something that a collection held is gone, or a collection is.
    """

    path: str
    frozen: str
    other: str
    is_loss: bool = False


_Unlike = tuple[str, str, bool]
"""The last three of a `Difference`."""


def differences(state: FrozenState, other: object) -> Iterator[Difference | None]:
    """Yield None now and then, and the first difference once it is found.

    If `other` is the frozen object itself it is looked whether it has changed; what two machines share is the same.
    """
    stack: list[tuple[Iterator[_Pair], bool]] = [(iter([(None, state.root, other)]), False)]
    seen: set[tuple[int, int]] = set()
    twins = _Twins()
    is_itself = other is state.machine
    looked_at = 0
    while stack:
        pairs, is_fixed = stack[-1]
        pair = next(pairs, None)
        if pair is None:
            stack.pop()
            continue
        looked_at += 1
        if looked_at % VALUES_PER_STEP == 0:
            yield None
        path, frozen, value = pair
        if type(frozen) is Frozen:
            if (id(frozen), id(value)) in seen or (frozen.value is value and not is_itself):
                continue
            seen.add((id(frozen), id(value)))
        found = _unlike(state, frozen, value) or (None if is_fixed else twins.unlike(frozen, value, path))
        if found is not None:
            yield Difference(path_text(path), *found)
            return
        if type(frozen) is Frozen:
            stack.append((_inside(state, frozen, value, path), is_fixed or never_changes(value)))


class _Twins:
    """Says which changeable objects of two machines belong together: those that are in the same places."""

    def __init__(self) -> None:
        self._by_frozen: dict[int, tuple[Any, StatePath | None]] = {}
        self._by_value: dict[int, tuple[Any, StatePath | None]] = {}

    def unlike(self, frozen: Any, value: Any, path: StatePath | None) -> _Unlike | None:
        """Return what both are if they are not the objects that belong together."""
        if type(frozen) is not Frozen or not is_changeable(frozen):
            return None
        value_then, path_then = self._by_frozen.setdefault(id(frozen), (value, path))
        kind = type_name(value)
        if value_then is not value:
            return f"the {kind} that is also at {_place(path_then)}", f"another {kind}", False
        frozen_then, path_then = self._by_value.setdefault(id(value), (frozen, path))
        if frozen_then is not frozen:
            return f"another {kind} than at {_place(path_then)}", "the same one", False
        return None


def _place(path: StatePath | None) -> str:
    return path_text(path) or "the machine itself"


def _is_same_atom(frozen: Any, value: Any) -> bool:
    if type(frozen) is not type(value):
        return False
    if type(frozen) is float and frozen == 0.0 == value:
        return math.copysign(1, frozen) == math.copysign(1, value)
    return bool(frozen == value or (frozen != frozen and value != value))


def _unlike(state: FrozenState, frozen: Any, value: Any) -> _Unlike | None:
    """Return what both are if that differs although nothing in them is looked at."""
    if type(frozen) is not Frozen:
        return None if _is_same_atom(frozen, value) else (_shown(frozen), _shown(value), value is _MISSING)
    if frozen.kind is FrozenKind.OPAQUE:
        return None
    if type(value) is not type(frozen.value):
        return f"a {type_name(frozen.value)}", _shown(value), frozen.size > 0 or value is _MISSING
    if frozen.kind is FrozenKind.EQUAL:
        return None if _are_same_value(frozen.value, value) else (_shown(frozen.value), _shown(value), False)
    if frozen.kind is FrozenKind.COPY:
        return None if frozen.copy == copy_of(value) else (f"a {type_name(value)}", "another one", False)
    if frozen.kind is FrozenKind.OBJECT:
        return None
    return _unlike_collection(state, frozen, value)


def _unlike_collection(state: FrozenState, frozen: Frozen, value: Any) -> _Unlike | None:
    size = next(base.__len__(value) for base in _BASES if isinstance(value, base))
    if size != frozen.size:
        return _count(frozen.size), _count(size), size < frozen.size
    if isinstance(value, deque) and value.maxlen != frozen.value.maxlen:
        return f"a deque of maxlen {frozen.value.maxlen}", f"one of {value.maxlen}", False
    if isinstance(value, defaultdict) and not _is_same_factory(frozen.copy, value.default_factory):
        return f"a defaultdict of {_shown(frozen.copy)}", f"one of {_shown(value.default_factory)}", False
    if isinstance(value, OrderedDict) and frozen.copy is not None:
        return _unlike_order(state, frozen.copy, value)
    if frozen.kind is not FrozenKind.SET:
        return None
    has = (set if isinstance(value, set) else frozenset).__contains__
    missing = (item for item in frozen.parts if not _holds(has, value, item) and not state.has_changed(item))
    return next(((f"with {_shown(item)}", "without", True) for item in missing), None)


def _unlike_order(state: FrozenState, frozen: list[Any], value: OrderedDict[Any, Any]) -> _Unlike | None:
    for place, (mine, other) in enumerate(zip(frozen, OrderedDict.__iter__(value), strict=True)):
        if is_value(mine) and not _are_equal(mine, other) and not state.has_changed(mine):
            return _unlike_keys(place, mine, other)
    return None


def _is_same_factory(mine: Any, other: Any) -> bool:
    """Return whether two factories are the same: functions if they have the same code, whatever they hold."""
    if type(mine) is not type(other):
        return False
    if isinstance(mine, types.FunctionType):
        return bool(mine.__code__ is other.__code__)
    if isinstance(mine, types.MethodType):
        return bool(mine.__func__ is other.__func__)
    if isinstance(mine, functools.partial):
        return _is_same_factory(mine.func, other.func) and _are_equal(mine.args, other.args)
    cls: Any = type(mine)
    return _are_equal(mine, other) or (not isinstance(mine, type) and cls.__eq__ is object.__eq__)


def _unlike_keys(place: int, mine: object, other: object) -> _Unlike:
    return f"with {_shown(mine)} as key {place}", f"with {_shown(other)} there", False


def _inside(state: FrozenState, frozen: Frozen, value: Any, path: StatePath | None) -> Iterator[_Pair]:
    """Yield what both hold, to be compared next."""
    pairs = zip(frozen.steps, frozen.parts, strict=True)
    match frozen.kind:
        case FrozenKind.OBJECT:
            attributes = attributes_of(value)
            for name, part in pairs:
                yield (path, f".{name}"), part, _attribute(value, attributes, name)
        case FrozenKind.SEQUENCE:
            at = next(base.__getitem__ for base in _BASES if isinstance(value, base))
            for place, part in pairs:
                yield (path, (place,)), part, at(value, place)
        case FrozenKind.MAPPING:
            for key, part in pairs:
                found = _item(value, key, part)
                if found is not _MISSING or not state.has_changed(key):
                    yield (path, (key,)), part, found


def _attribute(value: object, attributes: dict[str, Any], name: str) -> object:
    """Return an attribute of an object, or of its class, without calling any code of it."""
    if name in attributes:
        return attributes[name]
    found = inspect.getattr_static(type(value), name, _MISSING)
    return _MISSING if isinstance(found, types.MemberDescriptorType) else found


def _are_same_value(one: Any, other: Any) -> bool:
    """Return whether two values that never change are the same, also in the zeros that they are written with."""
    if isinstance(one, decimal.Decimal):
        return bool(one.as_tuple() == other.as_tuple())
    return repr(one) == repr(other) if type(one) is complex else _are_equal(one, other)


def _are_equal(one: Any, other: Any) -> bool:
    """Return whether two values are equal; True if their own code does not say."""
    if one is other:
        return True
    try:
        return (one == other) is not False
    except Exception:  # noqa: BLE001 (as above)
        return True


def _item(value: dict[Any, Any], key: object, unknown: Any) -> Any:
    """Return what a dict has under a key; `unknown` if the key's own code does not say."""
    try:
        return dict.get(value, key, _MISSING)
    except Exception:  # noqa: BLE001 (as above)
        return unknown.value if type(unknown) is Frozen else unknown


def _holds(has: Any, value: Any, item: object) -> bool:
    try:
        return bool(has(value, item))
    except Exception:  # noqa: BLE001 (as above)
        return True


def _count(size: int) -> str:
    return "1 item" if size == 1 else f"{size} items"


def _shown(value: object) -> str:
    if value is _MISSING:
        return "missing"
    return _shown(value.value) if type(value) is Frozen else value_text(value, SHOWN_CHARS)
