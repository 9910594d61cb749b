"""`LetterAdmission`: decides which Raft letters count: those of the same group incarnation, from its members' stores.

    sender's seat in the log        the letter counts if
    bound to a store                it comes from that store: nothing else that is remembered matters
    not bound (yet)                 it comes from the first store from which this node has heard it (`PeerStores`)

So a voter that comes back with another store is refused by every node whose log has the entry that binds its seat.

A store that is known says with each letter how often it was opened. If this node has heard a later opening, the store
has gone back in time: its letters do not count, and it is told so (`StoreAccused`), which it checks itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coterie.actors.groups.letters.letter_identity import LetterIdentity
from coterie.actors.peer_stores import PeerStores
from coterie.actors.wire_names import RaftChunk, RaftPeerMessage
from coterie.protocols.algorithm import NodeId
from coterie.protocols.evolution.schema_text import SchemaHash
from coterie.protocols.raft.membership.membership import Membership, StoreId
from coterie.runtime.storage.history.generation import Generation, contradiction

__all__ = ["LetterAdmission"]


class LetterAdmission:
    """The judgement of one node about its peers' letters, for one life of its actor.

    Args:
        incarnation: of the group.
        peer_stores: the stores that this node remembers.
        log: the actor's log; each sender that is refused is told there once for each identity.
        accuse: tells a node that its store has gone back from the given generation.
        on_schema: called with an admitted sender and the hash of what its code is.
    """

    def __init__(
        self,
        incarnation: bytes,
        peer_stores: PeerStores,
        log: Any,
        *,
        accuse: Callable[[str, Generation], None],
        on_schema: Callable[[str, SchemaHash], None],
    ) -> None:
        self._incarnation = incarnation
        self._peer_stores = peer_stores
        self._accuse = accuse
        self._log = log
        self._on_schema = on_schema
        self._admitted: dict[str, tuple[bytes, NodeId]] = {}
        self._refused: dict[str, bytes] = {}
        self.refusals = 0
        """How many letters were refused."""

    def key_of(self, letter: RaftPeerMessage | RaftChunk) -> NodeId | None:
        """Return the sender's key if letters of this identity were admitted before; else call `examine`."""
        admitted = self._admitted.get(letter.sender)
        return admitted[1] if admitted is not None and admitted[0] == letter.identity else None

    def examine(
        self, letter: RaftPeerMessage | RaftChunk, membership: Membership, admit: Callable[[StoreId], None]
    ) -> None:
        """Call `admit` with the sender's store, at once or when that is durable; or refuse the letter."""
        identity = self._identity_of(letter)
        if identity is None:
            return
        store, bound = identity.store_id, membership.store_of(letter.sender)
        if bound == store or (bound is None and self._peer_stores.has_heard(letter.sender, store)):
            self._examine_generation(letter, identity, admit)
        elif bound is not None or not self._peer_stores.hear(letter.sender, store, lambda: admit(store)):
            remembered = bound or self._peer_stores.store_of(letter.sender)
            self._refuse(letter, "store.refused", store=store, remembered=remembered)

    def remember(self, letter: RaftPeerMessage | RaftChunk, store: StoreId) -> None:
        """Admit later letters of the same identity without examining them."""
        self._admitted[letter.sender] = (letter.identity, NodeId(store))
        self._on_schema(letter.sender, LetterIdentity.decode(letter.identity).schema)
        self._refused.pop(letter.sender, None)

    def forget(self) -> None:
        """Examine every sender again: the members, or what this node may do, have changed."""
        self._admitted.clear()

    def _examine_generation(
        self, letter: RaftPeerMessage | RaftChunk, identity: LetterIdentity, admit: Callable[[StoreId], None]
    ) -> None:
        known = self._peer_stores.generation_of(letter.sender)
        heard, store = Generation(identity.life_counter, identity.life_nonce), identity.store_id
        evidence = contradiction(known, heard)
        if evidence is None:
            self._peer_stores.hear_generation(letter.sender, heard, lambda: admit(store))
        else:
            advice = "it may have lost what it promised: put the real data directory back, and never a copy of it"
            self._refuse(letter, "store.went_back", store=store, evidence=evidence, advice=advice)
            self._accuse(letter.sender, known)

    def _identity_of(self, letter: RaftPeerMessage | RaftChunk) -> LetterIdentity | None:
        try:
            identity = LetterIdentity.decode(letter.identity)
        except ValueError as error:
            self._refuse(letter, "letter.refused", reason=str(error))
            return None
        if identity.incarnation != self._incarnation:
            facts = {"incarnation": self._incarnation.hex(), "senders_incarnation": identity.incarnation.hex()}
            self._refuse(letter, "letter.refused", reason="it is of another group of this name", **facts)
            return None
        return identity

    def _refuse(self, letter: RaftPeerMessage | RaftChunk, event: str, **facts: object) -> None:
        self.refusals += 1
        if self._refused.get(letter.sender) != letter.identity:
            self._refused[letter.sender] = letter.identity
            self._log.error(event, peer=letter.sender, **facts)
