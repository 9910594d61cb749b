"""`LetterAdmission`: decides which Raft letters count: those of the same group incarnation, from its members' stores.

    sender in this node's list of members    its letter is handed over
    bound to this store                      as that of a member
    not bound to a store (yet)               if it comes from the first store from which it was heard (`PeerStores`)
    bound to another store, or no member     as that of a stranger: see `coterie.protocols.raft.membership.strangers`

Strangers count for nothing, but this node's list may be older than theirs: the leader may be one. A node that comes
back with another store than the one to which the log binds it is told of, unless it leads: leaders were elected.

A member's store says with each letter how often it was opened. If this node has heard a later opening, the store has
gone back in time: its letters do not count, and it is told so (`StoreAccused`), which it checks itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from coterie.actors.groups.letters.letter_identity import LetterIdentity
from coterie.actors.groups.members.store_watch import replacement_advice
from coterie.actors.peer_stores import PeerStores
from coterie.actors.wire_names import RaftChunk, RaftPeerMessage
from coterie.protocols.algorithm import NodeId
from coterie.protocols.evolution.schema_text import SchemaHash
from coterie.protocols.raft.membership.membership import Membership, StoreId
from coterie.protocols.raft.raft_messages import AppendEntries, NotAMember
from coterie.protocols.raft.snapshots.snapshot_messages import Chunk, InstallSnapshot
from coterie.runtime.storage.history.generation import Generation, contradiction

__all__ = ["LetterAdmission"]


_OF_LATER_MEMBERS: Final = (AppendEntries, InstallSnapshot, Chunk, NotAMember)
"""They come from members that know more: also if this node knows another store, or none, on their node."""


class LetterAdmission:
    """The judgement of one node about its peers' letters, for one life of its actor.

    Args:
        group: its name.
        incarnation: of the group.
        peer_stores: the stores that this node remembers.
        log: the actor's log; each sender that is refused is told there once for each identity.
        node_of: returns the node on which a store is, as far as this node knows; None: it does not.
        accuse: tells a node that its store has gone back from the given generation.
        on_schema: called with an admitted sender and the hash of what its code is.
    """

    def __init__(
        self,
        group: str,
        incarnation: bytes,
        peer_stores: PeerStores,
        log: Any,
        *,
        node_of: Callable[[NodeId], NodeId | None],
        accuse: Callable[[str, StoreId, Generation], None],
        on_schema: Callable[[str, SchemaHash], None],
    ) -> None:
        self._group = group
        self._incarnation = incarnation
        self._peer_stores = peer_stores
        self._node_of = node_of
        self._accuse = accuse
        self._log = log
        self._on_schema = on_schema
        self._admitted: dict[str, tuple[bytes, NodeId]] = {}
        self._told: dict[str, bytes] = {}
        self.refusals = 0
        """How many letters were refused."""

    def key_of(self, letter: RaftPeerMessage | RaftChunk) -> NodeId | None:
        """Return the sender's key if letters of this identity were admitted before; else call `examine`."""
        admitted = self._admitted.get(letter.sender)
        return admitted[1] if admitted is not None and admitted[0] == letter.identity else None

    def examine(
        self, letter: RaftPeerMessage | RaftChunk, membership: Membership | None, admit: Callable[[StoreId], None]
    ) -> None:
        """Call `admit` with the sender's store, at once or when that is durable; or refuse the letter."""
        identity = self._identity_of(letter)
        if identity is None:
            return
        sender, store = NodeId(letter.sender), identity.store_id
        seats = () if membership is None else membership.members_on(sender)
        bound = [seat.store_id for seat in seats if seat.store_id is not None]
        has_open_seat = len(seats) > len(bound)
        holder = self._node_of(NodeId(store))
        if holder not in (None, sender):
            self._refuse(letter, "store.refused", store=store, remembered=f"the store of {holder}")
        elif store in bound or (has_open_seat and self._peer_stores.has_heard(sender, store)):
            self._examine_generation(letter, identity, admit)
        elif not has_open_seat:
            if bound and not isinstance(letter.body, _OF_LATER_MEMBERS):
                advice = replacement_advice(self._group, sender, bound[0])
                advice = f"if this store was replaced, stop its process, and remove its data; else {advice}"
                self._tell(letter, "store.refused", store=store, remembered=", ".join(bound), advice=advice)
            admit(store)
        elif not self._peer_stores.hear(sender, store, lambda: admit(store)):
            self._refuse(letter, "store.refused", store=store, remembered=self._peer_stores.store_of(sender))

    def remember(self, letter: RaftPeerMessage | RaftChunk, store: StoreId) -> None:
        """Admit later letters of the same identity without examining them."""
        self._admitted[letter.sender] = (letter.identity, NodeId(store))
        self._on_schema(letter.sender, LetterIdentity.decode(letter.identity).schema)

    def forget(self) -> None:
        """Examine every sender again: the members, or what this node may do, have changed."""
        self._admitted.clear()

    def _examine_generation(
        self, letter: RaftPeerMessage | RaftChunk, identity: LetterIdentity, admit: Callable[[StoreId], None]
    ) -> None:
        heard, store = Generation(identity.life_counter, identity.life_nonce), identity.store_id
        known = self._peer_stores.generation_of(store)
        evidence = contradiction(known, heard)
        if evidence is None:
            self._peer_stores.hear_generation(store, heard, lambda: admit(store))
        else:
            advice = "it may have lost what it promised: put the real data directory back, and never a copy of it"
            self._refuse(letter, "store.went_back", store=store, evidence=evidence, advice=advice)
            self._accuse(letter.sender, store, known)

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
        self._tell(letter, event, **facts)

    def _tell(self, letter: RaftPeerMessage | RaftChunk, event: str, **facts: object) -> None:
        if self._told.get(letter.sender) != letter.identity:
            self._told[letter.sender] = letter.identity
            self._log.error(event, peer=letter.sender, **facts)
