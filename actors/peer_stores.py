"""`PeerStores`: saves which disk store each voter first used, and refuses the voter if it comes back with another.

The id is made durable at the voter's first message. A node that comes back under its old name with another store has
lost its votes and entries; counting it again would break every quorum. So a wiped acceptor or voter can never come
back under its old name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

from coterie.actors.driver import Driver
from coterie.actors.pending_voter import PendingVoter
from coterie.actors.wire_names import RaftPeerMessage, SynodPeerMessage
from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId, Received
from coterie.runtime.storage.log_store import LogStore, Write

__all__ = ["PeerStores"]


class PeerStores:
    """The store ids of one group's voters, in metadata of their own (`<group>#stores` in the log store)."""

    def __init__(self, group: str, store: LogStore) -> None:
        self._metadata_group = f"{group}#stores"
        self._store = store
        self._durable: dict[str, str] = {}
        self._waiting: dict[str, tuple[str, list[Callable[[], None]]]] = {}

    async def restore(self) -> None:
        """Read the store ids that earlier lives saved. InvariantViolated if they cannot be decoded."""
        state = await self._store.state(self._metadata_group)
        if state.metadata is None:
            return
        try:
            found = json.loads(state.metadata)
        except ValueError as error:
            raise InvariantViolated(f"the store ids in {self._metadata_group!r} cannot be decoded: {error}") from error
        if not isinstance(found, dict) or not all(isinstance(store, str) for store in found.values()):
            raise InvariantViolated(f"the store ids in {self._metadata_group!r} cannot be decoded: found {found!r:.80}")
        self._durable = found

    def admit(
        self,
        message: RaftPeerMessage | SynodPeerMessage,
        peers: Collection[str],
        driver: Driver[Any, Any] | PendingVoter[Any],
    ) -> bool:
        """Hand a message to the driver once its sender's store id is durable. False: it has another store.

        A message from a node that is not a peer is dropped: only the other voters' promises count, so no other store is
        remembered; and a message under this node's own name must not mark this node as registered.
        """
        if message.sender not in peers:
            return True
        received: Received[Any] = Received(NodeId(message.sender), message.body)
        if self.is_known(message.sender, message.store):
            driver.feed(received)
            return True
        return self.remember(message.sender, message.store, lambda: driver.wake_with(received))

    def store_of(self, sender: str) -> str | None:
        """Return the store id that is durable for `sender`; None: none yet."""
        return self._durable.get(sender)

    def is_known(self, sender: str, store: str) -> bool:
        """Return whether `store` is the store id that is durable for `sender`."""
        return self._durable.get(sender) == store

    def remember(self, sender: str, store: str, on_durable: Callable[[], None]) -> bool:
        """Make `store` durable as the store id of `sender`, then call `on_durable`. False: it has another one."""
        if sender in self._durable:
            return False
        waiting = self._waiting.get(sender)
        if waiting is None:
            self._waiting[sender] = (store, [on_durable])
            everything = {**self._durable, **{node: stored for node, (stored, _) in self._waiting.items()}}
            metadata = json.dumps(everything, sort_keys=True).encode()
            self._store.write(Write(self._metadata_group, metadata=metadata), lambda: self._became_durable(sender))
            return True
        if waiting[0] != store:
            return False
        waiting[1].append(on_durable)
        return True

    def _became_durable(self, sender: str) -> None:
        store, callbacks = self._waiting.pop(sender)
        self._durable[sender] = store
        for on_durable in callbacks:
            on_durable()
