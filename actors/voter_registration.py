"""`VoterRegistration`: lets a voter with a new disk store vote only after enough other voters saved that store's id.

    new store ──RegisterStore──▶ every other voter: remembers (name, store) durably, unless it remembers another store
        ▲                           │
        └───── StoreRegistered ─────┘   enough confirmed ──▶ durable mark ──▶ active, in this life and all later ones

Why: a node that comes back under its name with another store has lost its votes and entries. If it were counted
again, it would break every quorum. If each voter remembered only the stores of voters whose messages it received, a
follower that never received one from the first store would accept the second.

Of n voters at most f = (n - 1) // 2 may ever be wiped, and q = ceil((n - 1 + f) / 2) of the n - 1 others must confirm.
So any two registrations of one name have at least 2q - (n - 1) >= f confirming voters in common, none of which has that
name. If the two are of different stores, the name itself is one of the f that were wiped, so at most f - 1 of those in
common were: at least one of them still remembers the first store when the second asks, and refuses it. For
n = 1 to 7 that is q = 0, 1, 2, 2, 3, 4, 5. (More than half of the others would be too few from six voters on.)

A confirmation names the store that it confirms: one for the store of an earlier life does not count in a later one.
Before the mark is durable the voter sends only `RegisterStore`, so it makes no promise that could be lost with a store.

A store whose group has entries or metadata took part under an older release: it stays active, and registers meanwhile.

A voter that lost its disk is detected here (`StoreRegistered` with another store id) and, for each later message, in
`peer_stores.py` (`PeerStores.admit`). Until a voter is active, `pending_voter.py` takes the place of its driver;
`groups/raft_actor.py` and `paxos/synod_actor.py` exchange the two in `_take_part`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from coterie.actors.peer_stores import PeerStores
from coterie.actors.wire_names import RegisterStore, StoreRegistered
from coterie.errors import InvariantViolated
from coterie.runtime.actor import Context, Timer
from coterie.runtime.messages.message import message
from coterie.runtime.refs import Ref
from coterie.runtime.remote.link_events import LinkEvent
from coterie.runtime.storage.log_store import GroupState, LogStore

__all__ = ["RetryRegistration", "VoterRegistration", "confirmations_needed"]

RETRY_MIN_S: Final = 0.05
"""Time until voters that have not answered are asked again; doubled after each retry."""

RETRY_MAX_S: Final = 2.0
"""Upper bound of that time. When a link comes up, its peer is asked at once."""


@message(name="coterie.Remind")
class RetryRegistration:
    """The retry timer fired: ask the voters that have not answered. It never crosses the wire."""


def confirmations_needed(voters: int) -> int:
    """Return how many other voters must remember a voter's store before it is active; the module gives the proof."""
    tolerated = (voters - 1) // 2
    return (voters - 1 + tolerated + 1) // 2


class VoterRegistration:
    """The registration of one voter of one group, for one life of its actor. It also confirms the stores of others.

    Args:
        node: the voter's name.
        peers: the same actor on each of the other voters.
        store: the store whose id is registered.
        peer_stores: the restored store ids of all voters; the id of `node` itself in it is the durable mark.
        context: the context of the actor.
        take_part: called once, when the voter becomes active: within `begin`, or when the mark is durable.
    """

    def __init__(
        self,
        node: str,
        peers: Mapping[str, Ref[Any]],
        store: LogStore,
        peer_stores: PeerStores,
        context: Context,
        take_part: Callable[[], None],
    ) -> None:
        self._node = node
        self._peers = peers
        self._store_id = store.store_id
        self._peer_stores = peer_stores
        self._context = context
        self._take_part = take_part
        self._needed = confirmations_needed(len(peers) + 1)
        self._unanswered = dict.fromkeys(peers)
        self._confirmed: dict[str, None] = {}
        self._refused_by: dict[str, None] = {}
        self._is_active = False
        self._is_alive = True
        self._retry_delay_s = RETRY_MIN_S
        self._timer: Timer | None = None
        self._unsubscribe_links: Callable[[], None] | None = None

    @property
    def inactive_reason(self) -> str | None:
        """`registering`: it waits for confirmations; `refused`: it can never become active; None: it is active."""
        if self._is_active:
            return None
        return "refused" if len(self._refused_by) > len(self._peers) - self._needed else "registering"

    def begin(self, state: GroupState) -> None:
        """Become active at once if an earlier life was (`state` is the group's); otherwise ask the other voters."""
        is_registered = self._needed == 0 or self._peer_stores.is_known(self._node, self._store_id)
        if is_registered or state.metadata is not None or state.last >= 1:
            self._activate()
        if not is_registered:
            self._unsubscribe_links = self._context.system.on_link(self._link_changed)
            self._send_requests()

    def close(self) -> None:
        """End this life: ask no more peers; a mark that becomes durable now takes effect in the next life."""
        self._is_alive = False
        self._stop_requests()

    # --- this node's store -----------------------------------------------------------------------------------------

    def retry(self) -> None:
        """Ask the voters again that have not answered."""
        if self._timer is not None:
            if self._retry_delay_s == RETRY_MAX_S and not self._is_active:
                missing = ", ".join(self._unanswered)
                self._context.log.warning("registration.delayed", store=self._store_id, missing=missing)
            self._retry_delay_s = min(2 * self._retry_delay_s, RETRY_MAX_S)
            self._send_requests()

    def handle_reply(self, reply: StoreRegistered) -> None:
        """Count a peer's confirmation or refusal; only its first reply counts."""
        peer = reply.sender
        if self._unsubscribe_links is None or peer not in self._unanswered:
            return
        del self._unanswered[peer]
        if reply.store == self._store_id:
            self._confirmed[peer] = None
            if len(self._confirmed) == self._needed:
                self._write_mark()
        else:
            self._refused_by[peer] = None
            facts = {"peer": peer, "store": self._store_id, "remembered": reply.store}
            self._context.log.error("registration.refused", **facts)
        if not self._unanswered:
            self._stop_requests()

    def _send_requests(self) -> None:
        for peer in self._unanswered:
            self._send_request(peer)
        self._timer = self._context.after(self._retry_delay_s, RetryRegistration())

    def _send_request(self, peer: str) -> None:
        self._peers[peer].tell(RegisterStore(self._node, self._store_id))

    def _link_changed(self, event: LinkEvent) -> None:
        if event.kind == "up" and event.node in self._unanswered:
            self._send_request(event.node)

    def _stop_requests(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._unsubscribe_links is not None:
            self._unsubscribe_links()
            self._unsubscribe_links = None

    def _write_mark(self) -> None:
        self._stop_requests()
        if not self._peer_stores.remember(self._node, self._store_id, self._mark_is_durable):
            raise InvariantViolated(f"the store {self._store_id} is not the one that was registered as {self._node!r}")

    def _mark_is_durable(self) -> None:
        if not self._is_alive:
            return
        self._context.log.info("registration.completed", store=self._store_id, confirmed=", ".join(self._confirmed))
        if not self._is_active:
            self._activate()

    def _activate(self) -> None:
        self._is_active = True
        self._take_part()

    # --- the other voters' stores -----------------------------------------------------------------------------------

    def handle_request(self, request: RegisterStore) -> None:
        """Remember a peer's store durably and confirm it, or answer with the store that is remembered instead."""
        peer = request.sender
        if peer not in self._peers:
            return
        remembered = self._peer_stores.store_of(peer)
        if remembered is not None:
            self._confirm(peer, remembered)
        is_known = remembered == request.store
        if not is_known and not self._peer_stores.remember(
            peer, request.store, lambda: self._confirm(peer, request.store)
        ):
            self._context.log.error("store.refused", peer=peer, store=request.store, remembered=remembered)

    def _confirm(self, peer: str, store: str) -> None:
        if self._is_alive:
            self._peers[peer].tell(StoreRegistered(self._node, store))
