"""Machine snapshots: save the attributes of a state machine as pieces, and restore those of a new one from them.

    pieces:  [names of all attributes, in order] [names of those that are saved] [value] [value] …

All values are encoded at the call, since they may change afterwards, except large flat collections: of those whose
items are immutable by their class a copy is made at the call, and encoded while the pieces are taken.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Final

from coterie.actors.groups.snapshots.known_types import KnownTypes, known_types, slot_names
from coterie.actors.groups.snapshots.state_decoding import StateReader
from coterie.actors.groups.snapshots.state_encoding import ATOMS, StateWriter, Unsavable, attributes_of, transient_names
from coterie.actors.groups.snapshots.state_tokens import ShapeKind
from coterie.actors.groups.snapshots.unsavable_state import why_unsavable
from coterie.errors import SnapshotFailed
from coterie.runtime.messages.message_codecs import MessageType

__all__ = ["NOT_STATE", "RESERVED", "is_partly_restored", "pieces_of_unused", "restore_piece", "saved_pieces"]

RESERVED: Final = ("index", "version")
"""The runtime sets these attributes, and nobody else may."""

_RESTORING: Final = "_coterie_restoring"
"""The attribute of a machine that is being restored: the `_Restoring`."""

NOT_STATE: Final = frozenset({*RESERVED, _RESTORING})
"""The attributes of a machine that are not its own."""

_FLAT_ITEMS_MIN: Final = 1000
"""A collection of fewer items is encoded at the call."""

_FLAT_KINDS: Final = (ShapeKind.MESSAGE, ShapeKind.ENUM, ShapeKind.CODED, ShapeKind.STANDARD)
"""Objects of such classes never change, nor what they hold."""

_FLAT_MAPPINGS: Final = (dict, Counter, OrderedDict, defaultdict)
_FLAT_SEQUENCES: Final = (list, set, frozenset, tuple, deque)


def saved_pieces(machine: Any, commands: Sequence[MessageType]) -> Iterator[bytes]:
    """Return the attributes of a machine as they are now, in pieces.

    Raises:
        SnapshotFailed: one of them cannot be saved: the text names it. Rarely this is found only while the pieces are
            taken.
    """
    cls: Any = type(machine)
    types = known_types(cls, tuple(commands))
    attributes, values = _saved_attributes(machine)
    flat = {name: value for name, value in values.items() if _is_flat(value, types)}
    now = {name: value for name, value in values.items() if name not in flat}
    writer = StateWriter(types)
    try:
        pieces = list(writer.pieces([tuple(attributes), (*now, *flat), *now.values()]))
        for value in flat.values():
            writer.note(value)
    except Unsavable as error:
        raise SnapshotFailed(why_unsavable(cls, values, error, types)) from error
    copies = {name: value.copy() if hasattr(value, "copy") else value for name, value in flat.items()}
    return chain(pieces, _later(cls, writer, copies, types)) if copies else iter(pieces)


def pieces_of_unused(machine: Any, commands: Sequence[MessageType]) -> Iterator[bytes]:
    """Yield the attributes of a machine that stays as it is: all are encoded only while the pieces are taken.

    Raises:
        SnapshotFailed: for a piece: as `saved_pieces`.
    """
    cls: Any = type(machine)
    types = known_types(cls, tuple(commands))
    attributes, values = _saved_attributes(machine)
    yield from _later(cls, StateWriter(types), values, types, head=(tuple(attributes), tuple(values)))


def _saved_attributes(machine: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the attributes of a machine whose order is saved, and those of them that are saved."""
    cls: Any = type(machine)
    left_out = {_RESTORING, *transient_names(cls)}
    attributes = {name: value for name, value in attributes_of(machine).items() if name not in left_out}
    return attributes, {name: value for name, value in attributes.items() if name not in RESERVED}


def _later(
    cls: type, writer: StateWriter, copies: dict[str, Any], types: KnownTypes, *, head: tuple[object, ...] = ()
) -> Iterator[bytes]:
    try:
        yield from writer.pieces([*head, *copies.values()])
    except Unsavable as error:
        raise SnapshotFailed(why_unsavable(cls, copies, error, types)) from error


def _is_flat(value: Any, types: KnownTypes) -> bool:
    """Return whether a value is a large collection whose items, and keys, never change."""
    is_mapping = type(value) in _FLAT_MAPPINGS
    if not (is_mapping or type(value) in _FLAT_SEQUENCES) or len(value) < _FLAT_ITEMS_MIN:
        return False
    found = set(map(type, value))
    if is_mapping:
        found.update(map(type, value.values()))
    return all(_is_immutable(cls, types) for cls in found)


def _is_immutable(cls: type, types: KnownTypes) -> bool:
    known = types.by_class.get(cls)
    return cls in ATOMS or (known is not None and known.kind in _FLAT_KINDS)


def restore_piece(machine: Any, commands: Sequence[MessageType], piece: bytes) -> None:
    """Restore what the next piece holds. The attributes are set with the last piece, all at once.

    Raises:
        ValueError: it is no piece, or not the next one, or does not fit the class of this machine.
    """
    restoring: _Restoring | None = vars(machine).get(_RESTORING)
    if restoring is None:
        cls: Any = type(machine)
        restoring = vars(machine)[_RESTORING] = _Restoring(machine, known_types(cls, tuple(commands)))
    try:
        restoring.add(piece)
    except BaseException:
        del vars(machine)[_RESTORING]
        raise
    if restoring.is_whole:
        del vars(machine)[_RESTORING]
        restoring.finish()


def is_partly_restored(machine: Any) -> bool:
    """Return whether pieces are missing to restore a machine."""
    return _RESTORING in vars(machine)


class _Restoring:
    """The attributes of a machine that is being restored, as far as they have come."""

    def __init__(self, machine: Any, types: KnownTypes) -> None:
        self._machine = machine
        self._heads: list[tuple[str, ...]] = []
        self._values: list[Any] = []
        self._reader = StateReader(types, self._take, self._factory)

    @property
    def is_whole(self) -> bool:
        """Whether no value is missing."""
        return len(self._heads) == 2 and len(self._values) == len(self._heads[1])

    def add(self, piece: bytes) -> None:
        """Read a piece."""
        self._reader.add(piece)

    def finish(self) -> None:
        """Set the attributes, in the order that they had."""
        order, names = self._heads
        slots = slot_names(type(self._machine))
        attributes = vars(self._machine)
        for name, value in zip(names, self._values, strict=True):
            if name in slots:
                object.__setattr__(self._machine, name, value)
            else:
                attributes[name] = value
        for name in order:
            if name in attributes:
                attributes[name] = attributes.pop(name)
        del self._reader  # which holds this object, and so the machine

    def _take(self, value: Any) -> None:
        if len(self._heads) < 2:
            if type(value) is not tuple or any(type(name) is not str for name in value):
                raise ValueError("a saved state begins with the names of its attributes")
            self._heads.append(value)
        elif self.is_whole:
            raise ValueError("a saved state has more values than names of attributes")
        else:
            self._values.append(value)

    def _factory(self) -> Callable[[], Any] | None:
        """Return the `default_factory` of the attribute that comes next: that which `__init__` has given it."""
        name = self._heads[1][len(self._values)] if len(self._heads) == 2 and not self.is_whole else ""
        made = attributes_of(self._machine).get(name)
        if type(made) is not defaultdict:
            cls = type(self._machine).__name__
            raise ValueError(
                f"{cls}.{name} was a defaultdict: `__init__` of {cls} makes none, so its factory is unknown"
            )
        return made.default_factory
