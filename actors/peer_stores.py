"""Which store each peer's promises are in: remembered durably at the first letter, and no other is believed later.

A node that comes back under its old name with another store has forgotten its votes and entries; counting it twice
would break every quorum (a wiped acceptor or voter never comes back under its old name).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

from coterie.actors.driver import Driver
from coterie.actors.pending_voter import Outsider
from coterie.actors.wire_names import RaftLetter, SynodLetter
from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId, Received
from coterie.runtime.storage.log_store import LogStore, Write

__all__ = ["KnownStores"]


class KnownStores:
    """The store ids of one group's peers, in a register of its own."""

    def __init__(self, group: str, store: LogStore) -> None:
        self._register = f"{group}#stores"
        self._store = store
        self._durable: dict[str, str] = {}
        self._waiting: dict[str, tuple[str, list[Callable[[], None]]]] = {}

    async def restore(self) -> None:
        """Read what earlier lives remembered. InvariantViolated if it does not read."""
        state = await self._store.state(self._register)
        if state.register is None:
            return
        try:
            found = json.loads(state.register)
        except ValueError as error:
            raise InvariantViolated(f"the register {self._register!r} does not read: {error}") from error
        if not isinstance(found, dict) or not all(isinstance(store, str) for store in found.values()):
            raise InvariantViolated(f"the register {self._register!r} does not read: it holds {found!r:.80}")
        self._durable = found

    def admit(
        self, letter: RaftLetter | SynodLetter, peers: Collection[str], driver: Driver[Any, Any] | Outsider[Any]
    ) -> bool:
        """Hand a letter to the driver once its sender is known durably to have its store. False, for ever: another one.

        A stranger's letter is dropped: nobody's promises count but the other voters', so nobody else's store is worth
        remembering; and a letter in our own name must not mark us as registered.
        """
        if letter.sender not in peers:
            return True
        received: Received[Any] = Received(NodeId(letter.sender), letter.body)
        if self.knows(letter.sender, letter.store):
            driver.feed(received)
            return True
        return self.learn(letter.sender, letter.store, lambda: driver.wake_with(received))

    def store_of(self, sender: str) -> str | None:
        """Return the store that `sender` is known durably to have; None: not known yet."""
        return self._durable.get(sender)

    def knows(self, sender: str, store: str) -> bool:
        """Return whether `sender` is known durably to have `store`."""
        return self._durable.get(sender) == store

    def learn(self, sender: str, store: str, then: Callable[[], None]) -> bool:
        """Remember durably that `sender` has `store`, then call `then`. False, for ever: it has another."""
        if sender in self._durable:
            return False
        waiting = self._waiting.get(sender)
        if waiting is None:
            self._waiting[sender] = (store, [then])
            everything = {**self._durable, **{node: stored for node, (stored, _) in self._waiting.items()}}
            register = json.dumps(everything, sort_keys=True).encode()
            self._store.write(Write(self._register, register=register), lambda: self._remembered(sender))
            return True
        if waiting[0] != store:
            return False
        waiting[1].append(then)
        return True

    def _remembered(self, sender: str) -> None:
        store, followers = self._waiting.pop(sender)
        self._durable[sender] = store
        for then in followers:
            then()
