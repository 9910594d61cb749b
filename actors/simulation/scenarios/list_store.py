"""`ListStore`: implements the state machine of scenario `raft-kv`: a key-value store with append-only lists."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Final

from coterie.actors.groups.key_value import CompareAndSwap, Delete, Get, KeyValue, Put
from coterie.actors.groups.state_machine import Query, StateMachine
from coterie.runtime.messages.message import Ask, message

__all__ = ["STORE", "Append", "ListStore", "ReadList"]

STORE: Final = "store"
"""The name of the group that replicates it."""

_LISTS: Final = b"l"
_VALUES: Final = b"v"
"""Of what a piece of a snapshot is."""


@message(name="simulation.Append")
class Append(Ask[None]):
    """Append `item` to the list at `key`."""

    key: bytes
    item: int


@message(name="simulation.ReadList")
class ReadList(Query[tuple[int, ...]]):
    """Read the list at `key`."""

    key: bytes


class ListStore(StateMachine[Get | Put | Delete | CompareAndSwap | Append | ReadList]):
    """A key-value store and separate append-only lists: saved and restored together, because one holds the other."""

    def __init__(self) -> None:
        self._values = KeyValue()
        self._lists: dict[bytes, tuple[int, ...]] = {}

    def apply(self, command: Get | Put | Delete | CompareAndSwap | Append | ReadList, /) -> object:
        """Execute one command."""
        match command:
            case Append(key, item):
                self._lists[key] = (*self._lists.get(key, ()), item)
                return None
            case Get() | ReadList():
                return self.read(command)
            case _:
                return self._values.apply(command)

    def read(self, query: Get | ReadList, /) -> object:
        """Answer a query, which is no entry of the log."""
        return self._lists.get(query.key, ()) if isinstance(query, ReadList) else self._values.read(query)

    def snapshot(self) -> Iterator[bytes]:
        """Return the lists as one piece, then the pieces of the store, both as they are now."""
        lists = json.dumps([(key.decode("latin-1"), items) for key, items in self._lists.items()]).encode()
        return chain([_LISTS + lists], (_VALUES + piece for piece in self._values.snapshot()))

    def restore(self, piece: bytes) -> None:
        """Take the next piece of a snapshot. ValueError if it is malformed."""
        if piece.startswith(_VALUES):
            self._values.restore(piece.removeprefix(_VALUES))
        elif piece.startswith(_LISTS):
            lists = json.loads(piece.removeprefix(_LISTS))
            self._lists = {key.encode("latin-1"): tuple(items) for key, items in lists}
        else:
            raise ValueError(f"no piece of a list store begins with {piece[:1]!r}")
