"""`PeerStores`: saves which disk store each voter has, and refuses a voter that comes back with another.

Three things are remembered durably for each voter, with different weight:

* *registered*: this node has confirmed the store to a voter that registered it (`voter_registration.py`). It is a
  promise to confirm no other one. Whether that voter ever became active is unknown.
* *heard*: this node has heard a message of the protocol from the store, so the voter is active with it. No other store
  can become active under that name any more (the proof is in `voter_registration.py`); so it counts even if this node
  has confirmed another one, as it may have when a wrong disk was mounted once.
* *generation*: how often a store had been opened when this node last heard it. A store that says less has gone back in
  time: a copy of it was restored, which does not have what it promised since.

What is remembered is of one incarnation of the group: once that begins anew, restored or recovered, with this store as
its only member, nothing of it counts.

A node that comes back under its name with another store has lost its votes and entries; counting it again would break
every quorum. So a wiped acceptor or voter can never come back under its old name.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Collection
from typing import Any, Final

from coterie.actors.driver import Driver
from coterie.actors.pending_voter import PendingVoter
from coterie.actors.wire_names import SynodPeerMessage
from coterie.errors import InvariantViolated, UnsupportedFormat
from coterie.protocols.algorithm import NodeId, Received
from coterie.runtime.storage.history.generation import NEVER_OPENED, Generation
from coterie.runtime.storage.log_store import LogStore, Write

__all__ = ["PeerStores"]

FORMAT: Final = 1

UNSAVED_MAX: Final = 64
"""How many messages of one sender wait for its generation to be durable; of more, the oldest are lost."""


class PeerStores:
    """The store ids of one group's voters, in metadata of their own (`<group>#stores` in the log store)."""

    def __init__(self, group: str, store: LogStore) -> None:
        self._metadata_group = f"{group}#stores"
        self._store = store
        self._incarnation = b""
        self._registered = _Memory(self._save)
        self._heard = _Memory(self._save)
        self._generation_by_store: dict[str, Generation] = {}  # durable, unless it is among the unsaved ones
        self._unsaved: dict[str, deque[Callable[[], None]]] = {}  # by store, what waits until its generation is durable

    async def restore(self) -> None:
        """Read what earlier lives saved.

        Raises:
            UnsupportedFormat: it has another format.
            InvariantViolated: it cannot be decoded.
        """
        state = await self._store.state(self._metadata_group)
        if state.metadata is not None:
            decoded = _decode(self._metadata_group, state.metadata)
            self._incarnation, self._registered.durable, self._heard.durable, self._generation_by_store = decoded

    def follow(self, incarnation: bytes) -> None:
        """Remember for this incarnation of the group from now on (a synod has none); forget what was of another one."""
        if incarnation == self._incarnation:
            return
        self._incarnation = incarnation
        self._registered, self._heard = _Memory(self._save), _Memory(self._save)
        self._generation_by_store = {}
        self._unsaved = {}

    def admit(
        self, message: SynodPeerMessage, peers: Collection[str], driver: Driver[Any, Any] | PendingVoter[Any]
    ) -> bool:
        """Hand a message to the driver once its sender's store id is durable. False: it has another store.

        A message from a node that is not a peer is dropped: only the other voters' promises count, so no other store is
        remembered; and a message under this node's own name must not mark this node as registered.
        """
        if message.sender not in peers:
            return True
        received: Received[Any] = Received(NodeId(message.sender), message.body)
        if self.has_heard(message.sender, message.store):
            driver.feed(received)
            return True
        return self.hear(message.sender, message.store, lambda: driver.wake_with(received))

    def store_of(self, node: str) -> str | None:
        """Return the store id that is durable for `node`, the one heard before the one registered; None: none yet."""
        return self._heard.durable.get(node) or self._registered.durable.get(node)

    def has_registered(self, node: str, store: str) -> bool:
        """Return whether `store` is durably registered for `node`."""
        return self._registered.durable.get(node) == store

    def has_heard(self, node: str, store: str) -> bool:
        """Return whether `store` is durable as the one from which `node` was heard."""
        return self._heard.durable.get(node) == store

    def register(self, node: str, store: str, on_durable: Callable[[], None]) -> bool:
        """Make `store` durable as registered for `node`, then call `on_durable`. False: another one is remembered."""
        if self._heard.other_than(node, store) or self._registered.other_than(node, store):
            return False
        self._registered.keep(node, store, on_durable)
        return True

    def hear(self, node: str, store: str, on_durable: Callable[[], None]) -> bool:
        """Make `store` durable as heard from `node`, then call `on_durable`. False: another one was heard."""
        if self._heard.other_than(node, store):
            return False
        self._heard.keep(node, store, on_durable)
        return True

    def generation_of(self, store: str) -> Generation:
        """Return the latest generation that was heard of `store`, durable or not; `NEVER_OPENED`: none."""
        return self._generation_by_store.get(store, NEVER_OPENED)

    def hear_generation(self, store: str, generation: Generation, on_durable: Callable[[], None]) -> None:
        """Call `on_durable` once `generation`, the latest of `store`, is durable: perhaps at once."""
        if generation != self.generation_of(store):
            self._generation_by_store[store] = generation
            self._unsaved[store] = deque([on_durable], maxlen=UNSAVED_MAX)
            self._save(lambda: self._generation_became_durable(store, generation))
        elif store in self._unsaved:
            self._unsaved[store].append(on_durable)
        else:
            on_durable()

    def _generation_became_durable(self, store: str, generation: Generation) -> None:
        if generation == self.generation_of(store):
            for on_durable in self._unsaved.pop(store, ()):
                on_durable()

    def _save(self, on_durable: Callable[[], None]) -> None:
        record = {
            "format": FORMAT,
            "incarnation": self._incarnation.hex(),
            "registered": self._registered.all(),
            "heard": self._heard.all(),
            "generations": {store: each.encode().hex() for store, each in self._generation_by_store.items()},
        }
        metadata = json.dumps(record, sort_keys=True).encode()
        self._store.write(Write(self._metadata_group, metadata=metadata), on_durable)


class _Memory:
    """Store ids by node: those that are durable, and those whose write is under way."""

    def __init__(self, save: Callable[[Callable[[], None]], None]) -> None:
        self._save = save
        self.durable: dict[str, str] = {}
        self._waiting: dict[str, tuple[str, list[Callable[[], None]]]] = {}

    def all(self) -> dict[str, str]:
        return {**self.durable, **{node: store for node, (store, _) in self._waiting.items()}}

    def other_than(self, node: str, store: str) -> bool:
        return self.all().get(node, store) != store

    def keep(self, node: str, store: str, on_durable: Callable[[], None]) -> None:
        if node in self.durable:
            on_durable()
        elif node in self._waiting:
            self._waiting[node][1].append(on_durable)
        else:
            self._waiting[node] = (store, [on_durable])
            self._save(lambda: self._became_durable(node))

    def _became_durable(self, node: str) -> None:
        self.durable[node], callbacks = self._waiting.pop(node)
        for on_durable in callbacks:
            on_durable()


def _decode(metadata_group: str, data: bytes) -> tuple[bytes, dict[str, str], dict[str, str], dict[str, Generation]]:
    try:
        record = json.loads(data)
        if (found := record["format"]) != FORMAT:
            raise UnsupportedFormat(metadata_group, found=found, supported=FORMAT, part="format")
        generations = _stores(record["generations"])
        return (
            bytes.fromhex(record["incarnation"]),
            _stores(record["registered"]),
            _stores(record["heard"]),
            {store: Generation.decode(bytes.fromhex(each)) for store, each in generations.items()},
        )
    except (ValueError, TypeError, KeyError) as error:
        text = f"the store ids in {metadata_group!r} cannot be decoded: {error!r}, found {data[:80]!r}"
        raise InvariantViolated(text) from error


def _stores(found: Any) -> dict[str, str]:
    if type(found) is not dict or not all(type(store) is str for store in found.values()):
        raise TypeError(f"{found!r:.80} maps no nodes to stores")
    return found
