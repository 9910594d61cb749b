"""`PeerLetters`: sends what one node says to the other members of its group, and receives what they say to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from coterie.actors.driver import Driver
from coterie.actors.groups.evolution.schema_keeper import SchemaKeeper
from coterie.actors.groups.letters.letter_admission import LetterAdmission
from coterie.actors.groups.letters.letter_identity import LetterIdentity
from coterie.actors.groups.members.joining import NOWHERE
from coterie.actors.groups.members.peer_refs import PeerRefs
from coterie.actors.peer_stores import PeerStores
from coterie.actors.pending_voter import PendingVoter
from coterie.actors.wire_names import RaftChunk, RaftPeerMessage, StoreAccused
from coterie.protocols.algorithm import NodeId, Received
from coterie.protocols.checkpoints import DigestReport, DigestRequest
from coterie.protocols.raft.membership.membership import StoreId
from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.raft_effects import RaftEffect, RaftEvent, StoreKnown
from coterie.protocols.raft.raft_messages import RaftMessage
from coterie.protocols.raft.snapshots.snapshot_messages import Chunk
from coterie.runtime.actor import Context
from coterie.runtime.storage.history.generation import Generation, contradiction
from coterie.runtime.storage.log_store import LogStore

__all__ = ["Body", "PeerLetters"]

Body: TypeAlias = RaftMessage | DigestRequest | DigestReport
"""What one letter carries."""

Running: TypeAlias = Driver[RaftEvent, RaftEffect] | PendingVoter[RaftEvent]


class PeerLetters:
    """The letters of one life of a replica.

    Args:
        node: the node of this replica.
        raft: says who the members are.
        store: whose id and life its letters carry.
        peer_stores: the stores that this node remembers.
        peers: the actors of this group on the other nodes.
        schemas: says what the code of this node is, and is told what that of others is.
        context: of the actor.
        running: returns what takes the events.
        on_digest: called with the key of an admitted sender, and what it says of digests.
        on_loss: called with the evidence that this store has lost promises, and how that is told.
    """

    def __init__(
        self,
        node: str,
        raft: Raft,
        store: LogStore,
        peer_stores: PeerStores,
        peers: PeerRefs,
        schemas: SchemaKeeper,
        context: Context,
        *,
        running: Callable[[], Running],
        on_digest: Callable[[NodeId, DigestRequest | DigestReport], None],
        on_loss: Callable[[str, str], None],
    ) -> None:
        incarnation, life = raft.facts.incarnation, store.generation
        identity = LetterIdentity(incarnation, StoreId(store.store_id), life.counter, life.nonce, schema=schemas.hash)
        self._node = node
        self._raft = raft
        self._store = store
        self._peer_stores = peer_stores
        self._peers = peers
        self._running = running
        self._on_digest = on_digest
        self._on_loss = on_loss
        self.identity = identity.encode()
        """What its letters say of where they come from."""
        self.admission = LetterAdmission(
            context.self_ref.path,
            incarnation,
            peer_stores,
            context.log,
            node_of=raft.node_of,
            accuse=self._accuse,
            on_schema=schemas.heard,
        )

    def send(self, to: str, body: Body) -> None:
        """Send to the member with the key `to`, if it still is one. Chunks of snapshots must not delay heartbeats."""
        node = self._raft.node_of(NodeId(to))
        if node is None:
            return
        if isinstance(body, Chunk):
            self._peers[node].tell(RaftChunk(self._node, self.identity, body))
        else:
            self._peers[node].tell(RaftPeerMessage(self._node, self.identity, body))

    def receive(self, letter: RaftPeerMessage | RaftChunk) -> None:
        """Hand over what a member says, if this is the member that the group knows."""
        key = self.admission.key_of(letter)
        if key is not None:
            self._hear(key, letter.body)
        elif (
            self._raft.facts.incarnation != NOWHERE
        ):  # else it is a member of nothing yet, and nobody's letter is wrong
            membership = self._raft.facts.known_membership
            self.admission.examine(letter, membership, lambda store: self._admit(letter, store))

    def check_own_store(self, message: StoreAccused) -> None:
        """Compare what a peer has heard of this store with what it is: only a later life shows that it went back."""
        if message.sender not in [member.node for member in self._raft.facts.known_members]:
            return
        if message.store != self._store.store_id:
            return
        heard = Generation(message.life_counter, message.life_nonce)
        evidence = contradiction(heard, self._store.generation)
        if evidence is not None and self._store.lost_promises is None:
            self._on_loss(evidence, f"{message.sender} heard: {evidence}")

    def _hear(self, key: NodeId, body: Body) -> None:
        """Hand over what an admitted peer says, while a visit takes place."""
        if isinstance(body, DigestRequest | DigestReport):
            self._on_digest(key, body)
        else:
            self._running().feed(Received(key, body))

    def _admit(self, letter: RaftPeerMessage | RaftChunk, store: StoreId) -> None:
        running = self._running()
        running.wake_with(StoreKnown(NodeId(letter.sender), store))
        if not isinstance(letter.body, DigestRequest | DigestReport):
            running.wake_with(Received(NodeId(store), letter.body))
        if isinstance(running, Driver):  # it has taken note of the store
            self.admission.remember(letter, store)
            # Senders are examined after each change of the facts, a snapshot included, and snapshots wait for these.
            if isinstance(letter.body, DigestRequest | DigestReport):
                self._on_digest(NodeId(store), letter.body)

    def _accuse(self, node: str, store: StoreId, heard: Generation) -> None:
        self._peers[node].tell(StoreAccused(self._node, store, heard.counter, heard.nonce))
