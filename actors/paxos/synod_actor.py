"""`SynodActor`: runs one node of a synod (single-decree Paxos: proposer, acceptor and learner) as an actor."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any, assert_never

from coterie.actors.driver import Driver, Tick
from coterie.actors.paxos.synod_records import decode_state, encode_state
from coterie.actors.peer_stores import PeerStores
from coterie.actors.pending_voter import PendingVoter
from coterie.actors.voter_registration import RegistrationMessage, RetryRegistration, VoterRegistration
from coterie.actors.wire_names import FoundersDiffer, RegisterStore, StoreRegistered, SynodPeerMessage
from coterie.errors import ActorFailed, StoreWentBack
from coterie.protocols.algorithm import NodeId
from coterie.protocols.paxos.synod import Synod, SynodEffect, SynodEvent
from coterie.protocols.paxos.synod_config import SynodConfig
from coterie.protocols.paxos.synod_messages import Chosen, Propose, ReadRound, SynodMessage, SynodState
from coterie.protocols.paxos.synod_observations import BALLOT_IMPLAUSIBLE
from coterie.protocols.raft.membership.membership import Membership
from coterie.runtime.actor import Actor, Later
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.messages.speakers import Speaker
from coterie.runtime.refs import Address, Ref
from coterie.runtime.storage.log_store import LogStore, Write

__all__ = ["ProposeValue", "ReadValue", "SynodActor"]


@message(name="synod.ProposeValue", speaker=Speaker.CLIENT)
class ProposeValue(Ask[bytes]):
    """Have a value chosen, this one unless another already is; the reply is the chosen value. Idempotent."""

    value: bytes


@message(name="synod.ReadValue", speaker=Speaker.CLIENT)
class ReadValue(Ask[bytes | None]):
    """Return the chosen value; None only if no acceptor of a quorum has accepted anything."""


class SynodActor(
    Actor[
        ProposeValue
        | ReadValue
        | SynodPeerMessage
        | Tick
        | RegisterStore
        | StoreRegistered
        | FoundersDiffer
        | RetryRegistration
    ]
):
    """One node of a synod.

    Args:
        name: the synod's name: its actors' path on every node and its name in the store.
        config: the same on every node.
        store: the log store for its promise, accepted proposal and round.
    """

    def __init__(self, name: str, config: SynodConfig, store: LogStore) -> None:
        self._name = name
        self._config = config
        self._store = store
        self._peer_stores = PeerStores(name, store)
        self._refs = itertools.count(1)
        self._later_by_ref: dict[int, Later[Any]] = {}
        self._driver: Driver[SynodEvent, SynodEffect] | PendingVoter[SynodEvent] | None = None
        self._registration: VoterRegistration | None = None

    async def on_start(self) -> None:
        """Wait for the writes of an earlier life, restore the durable state, and start once registered.

        A store that has lost promises takes no part: it neither answers peers nor confirms their stores.
        """
        system = self.context.system
        self._node = NodeId(system.node)
        if self._store.lost_promises is not None:
            self._driver = PendingVoter(self._reject_lost)
            self.context.log.error("group.takes_no_part", group=self._name, evidence=self._store.lost_promises)
            return
        state = await self._store.state(self._name)
        await self._peer_stores.restore()
        restored = SynodState() if state.metadata is None else decode_state(state.metadata)
        rng = random.Random(self.context.random.getrandbits(64))
        self._synod = Synod(self._node, self._config, restored=restored, rng=rng)
        self._peers: dict[str, Ref[Any]] = {
            node: system.at(Address(node, self._name)) for node in self._config.members if node != self._node
        }
        for node in self._peers:
            if (known := self._peer_stores.store_of(node)) is not None:
                system.remoting.trust_store(node, known)
        self._driver = PendingVoter(self._reject_unregistered)
        self._registration = VoterRegistration(
            self._node,
            self._peers,
            self._store,
            self._peer_stores,
            Membership.founding(self._config.members, self._config.quorum),
            lambda _: None,
            self.context,
            self._take_part,
        )
        self._registration.begin()

    def _take_part(self) -> None:
        self._driver = Driver(self._synod, self.context, self)

    def on_stop(self) -> None:
        """End this life; pending requests fail, and their callers may ask again."""
        if self._driver is not None:
            self._driver.close()
        if self._registration is not None:
            self._registration.close()
        for later in self._later_by_ref.values():
            text = f"synod {self._name!r} stopped on {self._node!r}: ask again"
            later.fail(ActorFailed(text, for_clients=text))
        self._later_by_ref.clear()

    def receive(
        self,
        msg: ProposeValue
        | ReadValue
        | SynodPeerMessage
        | Tick
        | RegisterStore
        | StoreRegistered
        | FoundersDiffer
        | RetryRegistration,
        /,
    ) -> None:
        """Turn each message into an event of the batch."""
        match msg:
            case SynodPeerMessage():
                self._receive_peer_message(msg)
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
            case RegisterStore() | StoreRegistered() | FoundersDiffer() | RetryRegistration():
                self._register(msg)
            case _:
                assert_never(msg)

    def _register(self, msg: RegistrationMessage) -> None:
        registration = self._registration
        if registration is None:  # this node's promises are lost: it must not confirm a store a second time
            return
        registration.receive(msg)

    def on_visit_end(self) -> None:
        """Hand the messages of this visit to the protocol as one batch."""
        self._running.flush()

    @property
    def _running(self) -> Driver[SynodEvent, SynodEffect] | PendingVoter[SynodEvent]:
        if self._driver is None:
            raise RuntimeError(f"synod {self._name!r} has not started")
        return self._driver

    def _reject_unregistered(self, event: SynodEvent) -> None:
        if isinstance(event, Propose | ReadRound):
            text = f"{self._node!r} takes no part in synod {self._name!r}: its store is not registered"
            error = ActorFailed(text, for_clients=text)
            self._later_by_ref.pop(event.ref).fail(error)

    def _reject_lost(self, event: SynodEvent) -> None:
        if isinstance(event, Propose | ReadRound):
            error = StoreWentBack(self._node, self._store.lost_promises or "")
            self._later_by_ref.pop(event.ref).fail(error)

    def _receive_peer_message(self, message: SynodPeerMessage) -> None:
        if self._registration is None:
            return
        if not self._peer_stores.admit(message, self._peers, self._running):
            self.context.log.error("store.refused", peer=message.sender, store=message.store)

    def persist(self, write: SynodState, done: Callable[[], None]) -> None:
        """Submit the state to the store."""
        self._store.write(Write(self._name, metadata=encode_state(write)), done)

    def send(self, to: str, message: SynodMessage) -> None:
        """Send a message to a peer."""
        self._peers[to].tell(SynodPeerMessage(self._node, self._store.store_id, message))

    def perform(self, effect: Chosen) -> None:
        """Reply to the request `effect.ref`."""
        self._later_by_ref.pop(effect.ref).reply(effect.value)

    def observed(self, event: str, facts: Any) -> None:
        """Log an event of the protocol."""
        log = self.context.log
        (log.error if event == BALLOT_IMPLAUSIBLE else log.info)(event, **facts)
