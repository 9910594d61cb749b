"""`SynodActor`: one node of a synod (single-decree Paxos: proposer, acceptor and learner) as an actor."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any, assert_never

from coterie.actors.driver import Driver, Tick
from coterie.actors.paxos.synod_records import decode_state, encode_state
from coterie.actors.peer_stores import KnownStores
from coterie.actors.pending_voter import Outsider
from coterie.actors.voter_registration import Registration, Remind
from coterie.actors.wire_names import Register, Registered, SynodLetter
from coterie.protocols.algorithm import NodeId
from coterie.protocols.paxos.synod import Synod, SynodEffect, SynodEvent
from coterie.protocols.paxos.synod_config import SynodConfig
from coterie.protocols.paxos.synod_messages import Chosen, Propose, ReadRound, SynodMessage, SynodState
from coterie.runtime.actor import Actor, Later
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address, Ref
from coterie.runtime.storage.log_store import LogStore, Write

__all__ = ["ProposeValue", "ReadValue", "SynodActor"]


@message(name="synod.ProposeValue")
class ProposeValue(Ask[bytes]):
    """Get a value chosen, this one if none is yet; the reply is the chosen value. Asking again is harmless."""

    value: bytes


@message(name="synod.ReadValue")
class ReadValue(Ask[bytes | None]):
    """Return the chosen value; None only if no acceptor of a quorum has accepted anything."""


class SynodActor(Actor[ProposeValue | ReadValue | SynodLetter | Tick | Register | Registered | Remind]):
    """One node of a synod.

    Args:
        name: the synod's name: its actors' path on every node and its name in the store.
        config: the same on every node.
        store: where its promise, accepted proposal and round are durable.
    """

    def __init__(self, name: str, config: SynodConfig, store: LogStore) -> None:
        self._name = name
        self._config = config
        self._store = store
        self._known_stores = KnownStores(name, store)
        self._refs = itertools.count(1)
        self._later_by_ref: dict[int, Later[Any]] = {}
        self._driver: Driver[SynodEvent, SynodEffect] | Outsider[SynodEvent] | None = None

    async def on_start(self) -> None:
        """Wait for the writes of an earlier life, read what is durable, begin once registered."""
        system = self.context.system
        self._node = NodeId(system.node)
        state = await self._store.state(self._name)
        await self._known_stores.restore()
        restored = SynodState() if state.register is None else decode_state(state.register)
        rng = random.Random(self.context.random.getrandbits(64))
        self._synod = Synod(self._node, self._config, restored=restored, rng=rng)
        self._peers: dict[str, Ref[Any]] = {
            node: system.at(Address(node, self._name)) for node in self._config.members if node != self._node
        }
        self._driver = Outsider(self._turn_away)
        self._registration = Registration(
            self._node, self._peers, self._store, self._known_stores, self.context, self._take_part
        )
        self._registration.begin(state)

    def _take_part(self) -> None:
        self._driver = Driver(self._synod, self.context, self)

    def on_stop(self) -> None:
        """End this life; who waits for an answer may ask again."""
        if self._driver is not None:
            self._driver.close()
            self._registration.close()
        for later in self._later_by_ref.values():
            later.fail(RuntimeError(f"synod {self._name!r} stopped on {self._node!r}: ask again"))
        self._later_by_ref.clear()

    def receive(self, msg: ProposeValue | ReadValue | SynodLetter | Tick | Register | Registered | Remind, /) -> None:
        """Turn each message into an event of the batch."""
        match msg:
            case SynodLetter():
                self._letter(msg)
            case ProposeValue():
                ref = next(self._refs)
                self._later_by_ref[ref] = self.context.reply_later(msg)
                self._running.feed(Propose(ref, msg.value))
            case ReadValue():
                ref = next(self._refs)
                self._later_by_ref[ref] = self.context.reply_later(msg)
                self._running.feed(ReadRound(ref))
            case Tick():
                self._running.ticked()
            case Register():
                self._registration.asked(msg)
            case Registered():
                self._registration.answered(msg)
            case Remind():
                self._registration.reminded()
            case _:
                assert_never(msg)

    def on_visit_end(self) -> None:
        """Hand what this visit brought to the protocol, at once."""
        self._running.flush()

    @property
    def _running(self) -> Driver[SynodEvent, SynodEffect] | Outsider[SynodEvent]:
        if self._driver is None:
            raise RuntimeError(f"synod {self._name!r} has not started")
        return self._driver

    def _turn_away(self, event: SynodEvent) -> None:
        if isinstance(event, Propose | ReadRound):
            trouble = RuntimeError(f"{self._node!r} takes no part in synod {self._name!r}: its store is not registered")
            self._later_by_ref.pop(event.ref).fail(trouble)

    def _letter(self, letter: SynodLetter) -> None:
        if not self._known_stores.admit(letter, self._peers, self._running):
            self.context.log.error("store.refused", peer=letter.sender, store=letter.store)

    def persist(self, write: SynodState, done: Callable[[], None]) -> None:
        """Submit the register to the store."""
        self._store.write(Write(self._name, register=encode_state(write)), done)

    def send(self, to: str, message: SynodMessage) -> None:
        """Send a letter to a peer."""
        self._peers[to].tell(SynodLetter(self._node, self._store.store_id, message))

    def perform(self, effect: Chosen) -> None:
        """Answer who waits."""
        self._later_by_ref.pop(effect.ref).reply(effect.value)

    def observed(self, event: str, facts: Any) -> None:
        """Log what the protocol tells."""
        self.context.log.info(event, **facts)
