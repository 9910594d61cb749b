"""`ListStore`: implements the state machine of scenario `raft-kv`: a key-value store with append-only lists."""

from __future__ import annotations

from typing import Final

from coterie.actors.groups.key_value import CompareAndSwap, Delete, Get, KeyValue, Put
from coterie.actors.groups.state_machine import Query, StateMachine
from coterie.runtime.messages.message import Ask, message

__all__ = ["STORE", "Append", "ListStore", "ReadList"]

STORE: Final = "store"
"""The name of the group that replicates it."""


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
    """A key-value store and separate append-only lists."""

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
