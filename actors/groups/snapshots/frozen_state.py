"""`FrozenState`: remembers the state of a machine as it is now, to compare another one with it, at a bounded cost.

What it costs is counted in values that are looked at. Up to the limit all of the state is remembered. Of more each
attribute gets a share, and of a collection that takes more than its share: its class, its size and a sample of its
items, spread over it. What it is compared with, and how, is in `frozen_difference.py`.

    known                                            remembered
    None, bool, int, float, str, bytes               the value
    bytearray, array, memoryview                     a copy
    list, tuple, deque; dict and its kinds           the items, in order (of a dict without it); the `default_factory`
    set, frozenset                                   the items that are equal to others by their value
    dataclass, other object                          its attributes: not `transient`, cached, or uncompared ones
    enum, and of the standard library what has a     the object: it never changes
    `==` and a hash: datetime, Decimal, UUID, Path
    itertools.count, random.Random                   its text or state
    anything else: a function, a lock, a connection  only that it is there

It is compared later, when commands have changed the machine: so nothing that may change is remembered by itself alone,
but for keys of a class with a `==` of its own, which count only for as long as they are what they were.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import functools
import itertools
import math
import random
import sys
import types
import weakref
from array import array
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from coterie.actors.groups.snapshots.machine_snapshot import NOT_STATE
from coterie.actors.groups.snapshots.state_encoding import ATOMS, attributes_of, transient_names
from coterie.actors.groups.state_machine import StateMachine
from coterie.runtime.messages.codings import coding_of

__all__ = [
    "Frozen",
    "FrozenKind",
    "FrozenState",
    "compared_attributes",
    "copy_of",
    "is_changeable",
    "is_value",
    "never_changes",
]

DEPTH_MAX: Final = 40
"""What is nested more deeply is not looked into: that takes nested calls, and those have a limit."""

ATOMS_PER_VALUE: Final = 8
"""So many values that hold no others, in one collection, cost as much as one other value."""

ITEM_SHARE: Final = 50
"""An item of a large collection may cost so much: of fewer items all is seen, rather than a little of each."""

KEYED_MAX: Final = 16
"""The values of a dict with so many texts as keys at most are told apart by them, as attributes are."""

GOLDEN_RATIO: Final = 0.6180339887
"""Steps of this part of a circle fall far from all places that were reached before."""

_LOCKS_AND_LOGS: Final = ("_thread", "threading", "logging", "asyncio")

_STATE_MODULES: Final = ("collections", "types", "dataclasses")
"""Objects of other modules of the standard library are no state: locks, loggers, connections."""


class FrozenKind(enum.Enum):
    """How a value is remembered."""

    SEQUENCE = "sequence"
    MAPPING = "mapping"
    SET = "set"
    OBJECT = "object"
    COPY = "copy"
    EQUAL = "equal"
    OPAQUE = "opaque"


class Frozen:
    """A value that holds others, or may change. What is not in `ATOMS` is remembered so.

    `value` is the object itself, which may have changed since. `steps` and `parts`: the places of what it holds, or the
    keys or names, and what is there, as far as that was looked at. `copy`: of COPY what was copied; of an OrderedDict
    all its keys, in order, if they are not too many; of a defaultdict its `default_factory`.
    """

    __slots__ = ("copy", "kind", "parts", "size", "steps", "value")

    def __init__(self, kind: FrozenKind, value: Any, size: int = 0) -> None:
        self.kind = kind
        self.value = value
        self.size = size
        self.steps: Sequence[Any] = ()
        self.parts: Sequence[Any] = ()
        self.copy: Any = None


class FrozenState:
    """The state of a machine, or of any object, as it is at the call.

    Args:
        machine: the user's machine.
        values_max: so much is looked at: 1,000 values take about a millisecond.
        with_transient: also what its class calls transient.
    """

    def __init__(self, machine: object, values_max: int, *, with_transient: bool = False) -> None:
        self.machine = machine
        self.filled: set[tuple[type, str]] = set()
        """The classes and attributes of which a value was seen that is not empty."""
        self.has_opaque = False
        """Whether there is a value whose state cannot be seen, which is no function."""
        self.unseen: dict[str, str] = {}
        """The attributes of the machine that hold, somewhere, what may be state and cannot be seen, with its class."""
        self._used = 0
        self._attribute = ""
        self._parts_by_key: dict[int, dict[str, Any]] = {}
        self._by_id: dict[int, Frozen] = {}
        self._with_transient = with_transient
        self.root = Frozen(FrozenKind.OBJECT, machine)
        self._by_id[id(machine)] = self.root
        self._freeze_attributes(self.root, values_max, 1)

    def has_changed(self, key: object) -> bool:
        """Return whether an object that was a key, or an item of a set, is another one since."""
        parts = self._parts_by_key.get(id(key))
        if parts is None:
            return False
        now = attributes_of(key)
        return now.keys() != parts.keys() or any(now[name] is not part for name, part in parts.items())

    def _freeze(self, value: Any, share: int, depth: int) -> Any:
        """Return what is remembered of a value, which may cost about `share`."""
        self._used += 1
        if type(value) in ATOMS:
            return value
        known = self._by_id.get(id(value))
        if known is not None:
            return known
        kind, size = _kind_of(value)
        node = self._by_id[id(value)] = Frozen(kind, value, size)
        if kind is FrozenKind.COPY:
            node.copy = copy_of(value)
            self._used += size // 4096
        elif kind is FrozenKind.OPAQUE:
            self.has_opaque = self.has_opaque or not callable(value)
            if self._may_hide_state(value):
                self.unseen.setdefault(self._attribute, type(value).__name__)
        elif depth < DEPTH_MAX and kind is not FrozenKind.EQUAL and share > 0:
            if kind is FrozenKind.OBJECT:
                self._freeze_attributes(node, share, depth)
            elif size:
                self._freeze_collection(node, share, depth)
        if isinstance(value, defaultdict):
            node.copy = value.default_factory
        return node

    def _may_hide_state(self, value: Any) -> bool:
        """Return whether what is no plain object may be state: a closure, an iterator; but no lock, and no logger."""
        if isinstance(value, types.FunctionType):
            return any(map(self._may_be_state, _contents(value)))
        if isinstance(value, functools.partial):
            bound = [*value.args, *value.keywords.values()]
            return any(type(part) not in ATOMS and self._may_be_state(part) for part in bound)
        if isinstance(value, (type, *_NO_STATE)):
            return False
        if hasattr(type(value), "__next__"):
            return True
        return not callable(value) and _module_of(type(value)) not in _LOCKS_AND_LOGS

    def _may_be_state(self, part: object) -> bool:
        return not callable(part) and not isinstance(part, types.ModuleType) and part is not self.machine

    def _freeze_attributes(self, node: Frozen, share: int, depth: int) -> None:
        cls = type(node.value)
        attributes = compared_attributes(node.value, with_transient=self._with_transient)
        for name, value in attributes.items():
            if _is_filled(value):
                self.filled.add((cls, name))
                if depth == 1:
                    self.filled.update((cls, f"{name}[{key}]") for key in _filled_keys(value))
        steps = sorted(attributes, key=lambda name: _size_of(attributes[name])) if depth < 4 else list(attributes)
        self._freeze_parts(node, steps, attributes.__getitem__, share, depth)

    def _freeze_collection(self, node: Frozen, share: int, depth: int) -> None:
        value, size = node.value, node.size
        if node.kind is FrozenKind.SET:
            found = list(islice(_iterate(set, value), share * ATOMS_PER_VALUE))
            if ATOMS.keys() >= set(map(type, found)):
                self._used += len(found) // ATOMS_PER_VALUE
            else:
                found = found[:share]
                self._used += len(found)
            node.parts = self._keys(found)
        elif node.kind is FrozenKind.MAPPING:
            self._freeze_mapping(node, share, depth)
        elif size > share * ATOMS_PER_VALUE or not self._take_flat(node, range(size), list(_iterate(list, value))):
            places = _ends(size, share) if isinstance(value, deque) else _spread(size, share)
            self._freeze_parts(node, places, functools.partial(_at, value), share, depth)

    def _freeze_mapping(self, node: Frozen, share: int, depth: int) -> None:
        value, size = node.value, node.size
        keys = _keys_of(value, size, share)
        if len(keys) == size <= share * ATOMS_PER_VALUE and self._take_flat(node, keys, _values_of(value, keys)):
            return
        if isinstance(value, OrderedDict) and len(keys) == size:
            node.copy = keys
        sample = keys if len(keys) <= share else [keys[at] for at in _spread(len(keys), share)]
        steps = self._keys(sample)
        self._freeze_parts(node, steps, functools.partial(_at, value), share, depth)

    def _keys(self, found: list[Any]) -> list[Any]:
        """Return those keys, or items of a set, that are equal to others by their value, and note what they are."""
        keys = [key for key in found if is_value(key)]
        for key in keys:
            if type(key) not in ATOMS and not isinstance(key, enum.Enum) and _is_plain_object(type(key), key):
                self._parts_by_key[id(key)] = attributes_of(key)
        return keys

    def _take_flat(self, node: Frozen, steps: Sequence[Any], parts: list[Any]) -> bool:
        """Take all items at once if they, and their keys, hold no others."""
        if not ATOMS.keys() >= set(map(type, parts)):
            return False
        if type(steps) is list and not ATOMS.keys() >= set(map(type, steps)):
            return False
        self._used += node.size // ATOMS_PER_VALUE
        node.steps, node.parts = steps, parts
        if isinstance(node.value, OrderedDict):
            node.copy = steps
        return True

    def _freeze_parts(
        self, node: Frozen, steps: Sequence[Any], at: Callable[[Any], Any], share: int, depth: int
    ) -> None:
        """Freeze what is at these steps, until the share is spent: each may take what is left for it, or a little."""
        begun, parts = self._used, []
        for done, step in enumerate(steps):
            left = share - (self._used - begun)
            if left <= 0 and depth > 1:  # of each attribute of the machine at least the size is seen
                break
            item_share = max(left // (len(steps) - done), min(left, ITEM_SHARE))
            self._attribute = step if depth == 1 else self._attribute
            parts.append(self._freeze(at(step), item_share, depth + 1))
        node.steps, node.parts = steps[: len(parts)], parts


def compared_attributes(value: object, *, with_transient: bool = False) -> dict[str, Any]:
    """Return the attributes of an object that are its state."""
    cls: Any = type(value)
    left_out = _not_compared(cls, with_transient)
    return {name: part for name, part in attributes_of(value).items() if name not in left_out}


@functools.lru_cache(maxsize=256)
def _not_compared(cls: type, with_transient: bool) -> frozenset[str]:
    """Return the names of attributes that are no state: transient ones, and what is cached or not compared by `==`."""
    cached = {
        name for base in cls.__mro__ for name, one in vars(base).items() if isinstance(one, functools.cached_property)
    }
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    uncompared = {field.name for field in fields if not field.compare}
    own = NOT_STATE if issubclass(cls, StateMachine) else frozenset()
    return frozenset({*own, *cached, *uncompared, *(() if with_transient else transient_names(cls))})


def copy_of(value: Any) -> object:
    """Return an immutable copy of a value of kind COPY."""
    if isinstance(value, itertools.count):
        return repr(value)
    if isinstance(value, memoryview):
        return (value.format, value.shape, value.tobytes())
    return random.Random.getstate(value) if isinstance(value, random.Random) else bytes(value)


_SEQUENCES: Final[tuple[Any, ...]] = (list, tuple, deque)
_NO_STATE: Final = (types.ModuleType, types.MethodType, types.BuiltinMethodType, types.MethodWrapperType, weakref.ref)
"""They have a `==` of their own, by which those of two machines are never equal."""


def _kind_of(value: Any) -> tuple[FrozenKind, int]:
    """Return how a value is remembered, and its size."""
    cls: Any = type(value)
    if isinstance(value, _SEQUENCES):
        return FrozenKind.SEQUENCE, _size_of(value)
    if isinstance(value, dict):
        return FrozenKind.MAPPING, _size_of(value)
    if isinstance(value, (set, frozenset)):
        return FrozenKind.SET, _size_of(value)
    if isinstance(value, (bytearray, array)):
        return FrozenKind.COPY, len(value)
    if isinstance(value, (itertools.count, random.Random, memoryview)):
        return FrozenKind.COPY, 0
    if isinstance(value, (type, *_NO_STATE)):
        return FrozenKind.OPAQUE, 0
    if isinstance(value, enum.Enum):
        return FrozenKind.EQUAL, 0
    if _is_plain_object(cls, value):
        return FrozenKind.OBJECT, 0
    is_fixed = cls.__eq__ is not object.__eq__ and _has_hash(value)
    return (FrozenKind.EQUAL if is_fixed else FrozenKind.OPAQUE), 0


def _has_hash(value: object) -> bool:
    """Return whether a value can be hashed: of the standard library such ones never change; a view of a dict cannot."""
    try:
        hash(value)
    except Exception:  # noqa: BLE001 (then it can change)
        return False
    return True


def _contents(function: types.FunctionType) -> list[object]:
    """Return what a closure holds."""
    found = []
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # it is empty
            found.append(cell.cell_contents)
    return found


def _is_plain_object(cls: type, value: object) -> bool:
    """Return whether the attributes of an object are its state, as far as that can be known."""
    module = _module_of(cls)
    if module in sys.stdlib_module_names and module not in _STATE_MODULES:
        return False
    return bool(cls.__dictoffset__) or bool(attributes_of(value))


def _module_of(cls: type) -> str:
    return str(getattr(cls, "__module__", "")).partition(".")[0]


_BASES: Final[tuple[Any, ...]] = (list, tuple, deque, dict, set, frozenset)


def _size_of(value: Any) -> int:
    """Return how many items a collection has, whatever its class makes of `len`; 0: it is none."""
    for base in _BASES:
        if isinstance(value, base):
            return int(base.__len__(value))
    return len(value) // 4096 if isinstance(value, (bytearray, array)) else 0


def _iterate(like: type, value: Any) -> Iterator[Any]:
    """Yield what a collection holds, whatever its class makes of iteration."""
    bases = (set, frozenset) if like is set else _SEQUENCES
    return next(base.__iter__(value) for base in bases if isinstance(value, base))


def _at(value: Any, step: Any) -> Any:
    """Return the item of a collection at a place, or under a key."""
    if isinstance(value, dict):
        return dict.get(value, step)
    return next(base.__getitem__(value, step) for base in _SEQUENCES if isinstance(value, base))


def _keys_of(value: dict[Any, Any], size: int, share: int) -> list[Any]:
    """Return the keys of a dict; of many only the first and the last."""
    like: Any = OrderedDict if isinstance(value, OrderedDict) else dict  # `move_to_end` does not move a key of the dict
    if size <= share * ATOMS_PER_VALUE:
        return list(like.__iter__(value))
    half = share // 2 + 1
    return [*islice(like.__iter__(value), half), *islice(like.__reversed__(value), half)]


def _values_of(value: dict[Any, Any], keys: list[Any]) -> list[Any]:
    """Return what a dict has under all its keys, in their order."""
    if not isinstance(value, OrderedDict):
        return list(dict.values(value))
    return [dict.get(value, key) for key in keys] if ATOMS.keys() >= set(map(type, keys)) else [value]


def _spread(size: int, count: int) -> Sequence[int]:
    """Return places spread over a collection, those that come first as well as all; all if they are not more."""
    if size <= count:
        return range(size)
    stride = int(size * GOLDEN_RATIO) or 1
    while math.gcd(stride, size) > 1:
        stride += 1
    return [size - 1, *(at * stride % size for at in range(count - 1))]


def _ends(size: int, count: int) -> Sequence[int]:
    """Return the first and the last places of a collection, in whose middle a place is found only by counting."""
    if size <= count:
        return range(size)
    half = max(1, count // 2)
    return [place for at in range(half) for place in (at, size - 1 - at)]


def _is_filled(value: object) -> bool:
    """Return whether a value is not empty, zero or absent; an object never is."""
    return bool(value) if type(value) in ATOMS else not isinstance(value, _BASES) or _size_of(value) > 0


def _filled_keys(value: object) -> list[str]:
    if not isinstance(value, dict) or _size_of(value) > KEYED_MAX:
        return []
    return [key for key, item in dict.items(value) if type(key) is str and type(item) not in ATOMS and _is_filled(item)]


def is_changeable(frozen: Frozen) -> bool:
    """Return whether it makes a difference if a value is reached in two ways: it may be changed in one of them."""
    value = frozen.value
    if frozen.kind is FrozenKind.OBJECT:
        parameters = getattr(type(value), "__dataclass_params__", None)
        return not (never_changes(value) or (parameters is not None and parameters.frozen))
    return frozen.kind not in (FrozenKind.EQUAL, FrozenKind.OPAQUE) and not isinstance(value, (tuple, frozenset))


def never_changes(value: object) -> bool:
    """Return whether an object never changes, nor what it holds: a message, or what has a codec."""
    cls: Any = type(value)
    return _is_fixed_class(cls)


@functools.lru_cache(maxsize=256)
def _is_fixed_class(cls: type) -> bool:
    return "__coterie__" in vars(cls) or coding_of(cls) is not None


def is_value(key: object) -> bool:
    """Return whether an equal key can be made anew: it is not equal to itself alone."""
    cls = type(key)
    if cls in (int, str, bytes):
        return True
    if isinstance(key, (tuple, frozenset)):
        return all(is_value(part) for part in _iterate(set if isinstance(key, frozenset) else list, key))
    return cls.__hash__ is not object.__hash__ and not (isinstance(key, float) and key != key)
