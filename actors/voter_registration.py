"""`VoterRegistration`: lets a voter with a new disk store vote only after enough other voters saved that store's id.

    new store ──RegisterStore──▶ every other voter: remembers (name, store) durably, unless it remembers another store
        ▲                           │
        └───── StoreRegistered ─────┘   enough confirmed ──▶ durable mark ──▶ active, in this life and all later ones

Why: a node that comes back under its name with another store has lost its votes and entries. If it were counted
again, it would break every quorum. If each voter remembered only the stores of voters whose messages it received, a
follower that never received one from the first store would accept the second.

How many are enough is decided, and proved, in `coterie.protocols.registration_rule`: of five voters with equal votes
three others.

A confirmation names the store that it confirms: one for the store of an earlier life does not count in a later one.
Before the mark is durable the voter sends only `RegisterStore`, so it makes no promise that could be lost with a store.

Registration is needed only as long as nothing else binds a voter to a store. Once an entry of a group's log does, only
such entries count: if the log of a peer binds a voter, that peer refuses every other store, whatever it confirmed.

A request names the founders of the group. A peer whose group has others confirms nothing, and both sides report it.

A voter that lost its disk is detected here (`StoreRegistered` with another store id) and, for each later message, in
`peer_stores.py` and, for Raft, in `groups/letters/letter_admission.py`. Until a voter is active, `pending_voter.py`
takes the place of its driver; `groups/raft_actor.py` and `paxos/synod_actor.py` exchange the two in `_take_part`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, assert_never

from coterie.actors.groups.members.store_watch import replacement_advice
from coterie.actors.peer_stores import PeerStores
from coterie.actors.wire_names import FoundersDiffer, RegisterStore, StoreRegistered
from coterie.errors import InvariantViolated, UnsupportedFormat
from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Majority
from coterie.protocols.raft.membership.membership import Membership
from coterie.protocols.registration_rule import RegistrationRule
from coterie.runtime.actor import Context, Timer
from coterie.runtime.messages.message import message
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.link_events import LinkEvent
from coterie.runtime.storage.log_store import LogStore

__all__ = ["RegistrationMessage", "RetryRegistration", "VoterRegistration"]

RETRY_MIN_S: Final = 0.05
"""Time until voters that have not answered are asked again; doubled after each retry."""

RETRY_MAX_S: Final = 2.0
"""Upper bound of that time. When a link comes up, its peer is asked at once."""

FOUNDERS_SHOWN_BYTES: Final = 200
"""How much of a list of founders is shown that cannot be decoded."""


@message(name="coterie.Remind")
class RetryRegistration:
    """The retry timer fired: ask the voters that have not answered. It never crosses the wire."""


REFUSED: Final = (
    "this node takes no part, and learns of no leader, although there may be one: put the data directory with the "
    "remembered store back; if it is lost, and this is a Raft group, start this node with an empty one and --bootstrap "
    "join, then coterie raft replace"
)
"""What to do about a refused store of this node."""

RegistrationMessage = RegisterStore | StoreRegistered | FoundersDiffer | RetryRegistration


class VoterRegistration:
    """The registration of one voter of one group, for one life of its actor. It also confirms the stores of others.

    Args:
        node: the voter's name.
        peers: the same actor on each of the other voters.
        store: the store whose id is registered.
        peer_stores: the restored store ids of all voters; the id of `node` itself in it is the durable mark.
        founders: the members with whom the group was founded.
        bound_store: returns the store to which the group's log binds the voter on a node; None if it does not.
        context: the context of the actor.
        take_part: called once, when the voter becomes active: within `begin`, or when the mark is durable.
    """

    def __init__(
        self,
        node: str,
        peers: Mapping[str, Ref[Any]],
        store: LogStore,
        peer_stores: PeerStores,
        founders: Membership,
        bound_store: Callable[[str], str | None],
        context: Context,
        take_part: Callable[[], None],
    ) -> None:
        self._node = node
        self._peers = peers
        self._store_id = store.store_id
        self._peer_stores = peer_stores
        self._founders = founders
        self._bound_store = bound_store
        self._context = context
        self._take_part = take_part
        self._rule = RegistrationRule(NodeId(node), founders.quorum or Majority(founders.voters))
        self._unanswered = dict.fromkeys(peers)
        self._confirmed: dict[NodeId, None] = {}
        self._refused_by: dict[NodeId, None] = {}
        self._strangers: dict[str, bytes] = {}  # founders of peers whose group is another one
        self._is_active = False
        self._is_alive = True
        self._retry_delay_s = RETRY_MIN_S
        self._delays = 0
        self._missing: tuple[str, ...] = ()
        self._timer: Timer | None = None
        self._unsubscribe_links: Callable[[], None] | None = None

    @property
    def inactive_reason(self) -> str | None:
        """Why this voter is not active; None: it is.

        `registering`: it waits for confirmations. `refused`: it can never become active, since another store is
        remembered, or bound by the log. `founders_differ`: so many peers have a group with other founders.
        """
        if self._is_active:
            return None
        if self._bound_store(self._node) not in {None, self._store_id}:
            return "refused"
        if self._rule.is_possible(self._refused_by):
            return "registering"
        return "founders_differ" if any(peer in self._strangers for peer in self._refused_by) else "refused"

    def begin(self) -> None:
        """Become active at once if an earlier life was, or the log says so; otherwise ask the other voters."""
        bound = self._bound_store(self._node)
        is_marked = self._rule.is_enough(()) or self._peer_stores.has_registered(self._node, self._store_id)
        if bound == self._store_id or (bound is None and is_marked):
            self._activate()
        elif bound is not None:
            facts = {"peer": self._node, "store": self._store_id, "remembered": bound}
            self._context.log.error("registration.refused", **facts, advice=REFUSED)
        else:
            self._unsubscribe_links = self._context.system.on_link(self._link_changed)
            self._send_requests()

    def close(self) -> None:
        """End this life: ask no more peers; a mark that becomes durable now takes effect in the next life."""
        self._is_alive = False
        self._stop_requests()

    def receive(self, message: RegistrationMessage) -> None:
        """Take a message of a peer, or the retry timer."""
        match message:
            case RegisterStore():
                self.handle_request(message)
            case StoreRegistered():
                self.handle_reply(message)
            case FoundersDiffer():
                self.handle_other_founders(message)
            case RetryRegistration():
                self.retry()
            case _:
                assert_never(message)

    # --- this node's store -----------------------------------------------------------------------------------------

    def retry(self) -> None:
        """Ask the voters again that have not answered."""
        if self._timer is not None:
            if self._retry_delay_s == RETRY_MAX_S and not self._is_active:
                self._report_delay()
            self._retry_delay_s = min(2 * self._retry_delay_s, RETRY_MAX_S)
            self._send_requests()

    def _report_delay(self) -> None:
        """Log which voters have not answered: when that changes, and else less and less often."""
        missing = tuple(self._unanswered)
        self._delays = self._delays + 1 if missing == self._missing else 1
        self._missing = missing
        if self._delays & (self._delays - 1):
            return  # no power of two
        linked = self._context.system.remoting.linked_names
        self._context.log.warning(
            "registration.delayed",
            store=self._store_id,
            missing=", ".join(missing),
            not_linked=", ".join(node for node in missing if node not in linked) or "none",
            advice="start them, and give each pair of nodes an address of one of them (--peer NODE=HOST:PORT)",
        )

    def handle_reply(self, reply: StoreRegistered) -> None:
        """Count a peer's confirmation or refusal; only its first reply counts."""
        peer = reply.sender
        if self._unsubscribe_links is None or peer not in self._unanswered:
            return
        if reply.store == self._store_id:
            self._answered(NodeId(peer), self._confirmed)
            if self._rule.is_enough(self._confirmed):
                self._write_mark()
        else:
            self._answered(NodeId(peer), self._refused_by)
            facts = {"peer": peer, "store": self._store_id, "remembered": reply.store}
            self._context.log.error("registration.refused", **facts, advice=REFUSED)

    def handle_other_founders(self, reply: FoundersDiffer) -> None:
        """Count the refusal of a peer whose group has other founders."""
        if self._unsubscribe_links is not None and reply.sender in self._unanswered:
            self._report_founders(reply.sender, reply.founders)
            self._answered(NodeId(reply.sender), self._refused_by)

    def _answered(self, peer: NodeId, answers: dict[NodeId, None]) -> None:
        del self._unanswered[peer]
        answers[peer] = None
        if not self._unanswered:
            self._stop_requests()

    def _send_requests(self) -> None:
        for peer in self._unanswered:
            self._send_request(peer)
        self._timer = self._context.after(self._retry_delay_s, RetryRegistration())

    def _send_request(self, peer: str) -> None:
        self._peers[peer].tell(RegisterStore(self._node, self._store_id, self._founders.encode()))

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
        if not self._peer_stores.register(self._node, self._store_id, self._mark_is_durable):
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
        """Remember a peer's store durably and confirm it, or answer with the store that counts instead."""
        peer = request.sender
        if peer == self._node:
            return
        if request.founders != self._founders.encode():
            self._refuse_founders(request)
            return
        if peer not in self._peers:
            return
        bound = self._bound_store(peer)
        remembered = bound or self._peer_stores.store_of(peer)
        if remembered is not None:
            self._confirm(peer, remembered)
        is_remembered = remembered == request.store or (
            remembered is None
            and self._peer_stores.register(peer, request.store, lambda: self._confirm(peer, request.store))
        )
        if not is_remembered:
            facts: dict[str, object] = {"peer": peer, "store": request.store, "remembered": remembered}
            if bound is not None:  # the log of a Raft group does: the store can be replaced
                facts["advice"] = replacement_advice(self._context.self_ref.path, peer, bound)
            self._context.log.error("store.refused", **facts)

    def _refuse_founders(self, request: RegisterStore) -> None:
        """Answer also a node that is no member here: in its own list of founders it is one."""
        self._report_founders(request.sender, request.founders)
        path = self._context.self_ref.path
        stranger: Ref[Any] = self._context.system.at(Address(request.sender, path))
        stranger.tell(FoundersDiffer(self._node, self._founders.encode()))

    def _report_founders(self, peer: str, founders: bytes) -> None:
        if self._strangers.get(peer) != founders:
            self._strangers[peer] = founders
            facts = {
                "peer": peer,
                "founders": _describe(self._founders.encode()),
                "peers_founders": _describe(founders),
            }
            self._context.log.error("group.founders_differ", **facts)

    def _confirm(self, peer: str, store: str) -> None:
        if self._is_alive:
            self._peers[peer].tell(StoreRegistered(self._node, store))


def _describe(founders: bytes) -> str:
    """Return an encoded list of founders as text for a log."""
    try:
        return str(Membership.decode(founders))
    except (ValueError, UnsupportedFormat):
        return repr(founders[:FOUNDERS_SHOWN_BYTES])
