"""Registration: a voter takes no part before enough of the others remember durably which store is its own.

    new store ──Register──▶ every other voter: remembers (name, store) durably, or has remembered another for ever
        ▲                        │
        └────── Registered ──────┘   enough confirmed ──▶ durable mark ──▶ takes part, in this life and all later ones

Why: a node that comes back under its name with another store has forgotten its votes and entries. Counted once more it
breaks every quorum. If each voter remembered only whose letters it got, a follower that never heard of the first store
would believe the second.

Of n voters at most f = (n - 1) // 2 may ever be wiped, and q = ceil((n - 1 + f) / 2) of the n - 1 others must confirm.
So any two registrations of one name have at least 2q - (n - 1) >= f confirming voters in common, none of which has that
name. If the two are of different stores, the name itself is one of the f that were wiped, so at most f - 1 of those in
common were: at least one of them still remembers the first store when the second asks, and refuses it for ever. For
n = 1 to 7 that is q = 0, 1, 2, 2, 3, 4, 5. (More than half of the others would be too few from six voters on.)

A confirmation names the store that it means: one that was meant for an earlier life is worth nothing to a later one.
Before the mark is durable nothing but `Register` leaves, so there is no promise that another store could forget.

A store whose group has a record or a register took part under an older release: it goes on, and registers beside that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from coterie.actors.peer_stores import KnownStores
from coterie.actors.wire_names import Register, Registered
from coterie.errors import InvariantViolated
from coterie.runtime.actor import Context, Timer
from coterie.runtime.messages.message import message
from coterie.runtime.refs import Ref
from coterie.runtime.remote.link_events import LinkEvent
from coterie.runtime.storage.log_store import GroupState, LogStore

__all__ = ["Registration", "Remind", "confirmations_needed"]

REMIND_S: Final = 0.05
"""After what time who has not answered is asked again; doubled each time."""

REMIND_MAX_S: Final = 2.0
"""The longest of these times. A link that comes up is used at once."""


@message(name="coterie.Remind")
class Remind:
    """Ask those who have not answered again. It never crosses the wire."""


def confirmations_needed(voters: int) -> int:
    """Return how many of the others must remember a voter's store before it takes part; see the module for why."""
    tolerated = (voters - 1) // 2
    return (voters - 1 + tolerated + 1) // 2


class Registration:
    """One voter of one group, for one life of its actor: asks the others, answers them, says when it may take part.

    Args:
        node: its name.
        peers: the same actor on each of the other voters.
        store: whose id is registered.
        known: what is durable of all voters' stores, restored; `node`'s own id in it is the mark of a registered one.
        context: the actor's.
        take_part: called once: within `begin`, or when the mark is durable.
    """

    def __init__(
        self,
        node: str,
        peers: Mapping[str, Ref[Any]],
        store: LogStore,
        known: KnownStores,
        context: Context,
        take_part: Callable[[], None],
    ) -> None:
        self._node = node
        self._peers = peers
        self._store_id = store.store_id
        self._known = known
        self._context = context
        self._take_part = take_part
        self._needed = confirmations_needed(len(peers) + 1)
        self._unanswered = dict.fromkeys(peers)
        self._confirmed: dict[str, None] = {}
        self._refused_by: dict[str, None] = {}
        self._takes_part = False
        self._is_alive = True
        self._delay_s = REMIND_S
        self._timer: Timer | None = None
        self._end_links: Callable[[], None] | None = None

    @property
    def absence(self) -> str | None:
        """Why it takes no part: `registering` (it waits for others), `refused` (for ever); None: it takes part."""
        if self._takes_part:
            return None
        return "refused" if len(self._refused_by) > len(self._peers) - self._needed else "registering"

    def begin(self, state: GroupState) -> None:
        """Take part at once if that was earned in an earlier life (`state` is the group's); else ask the others."""
        is_registered = self._needed == 0 or self._known.knows(self._node, self._store_id)
        if is_registered or state.register is not None or state.last >= 1:
            self._enter()
        if not is_registered:
            self._end_links = self._context.system.on_link(self._link_changed)
            self._ask()

    def close(self) -> None:
        """End this life: nobody is asked any more, and what becomes durable now is for the next one."""
        self._is_alive = False
        self._stop_asking()

    # --- our own store ----------------------------------------------------------------------------------------------

    def reminded(self) -> None:
        """Ask those again who have not answered."""
        if self._timer is not None:
            if self._delay_s == REMIND_MAX_S and not self._takes_part:
                missing = ", ".join(self._unanswered)
                self._context.log.warning("registration.delayed", store=self._store_id, missing=missing)
            self._delay_s = min(2 * self._delay_s, REMIND_MAX_S)
            self._ask()

    def answered(self, answer: Registered) -> None:
        """Count what a peer remembers of us: once, whatever else it says later."""
        peer = answer.sender
        if self._end_links is None or peer not in self._unanswered:
            return
        del self._unanswered[peer]
        if answer.store == self._store_id:
            self._confirmed[peer] = None
            if len(self._confirmed) == self._needed:
                self._mark()
        else:
            self._refused_by[peer] = None
            facts = {"peer": peer, "store": self._store_id, "remembered": answer.store}
            self._context.log.error("registration.refused", **facts)
        if not self._unanswered:
            self._stop_asking()

    def _ask(self) -> None:
        for peer in self._unanswered:
            self._ask_one(peer)
        self._timer = self._context.after(self._delay_s, Remind())

    def _ask_one(self, peer: str) -> None:
        self._peers[peer].tell(Register(self._node, self._store_id))

    def _link_changed(self, event: LinkEvent) -> None:
        if event.kind == "up" and event.node in self._unanswered:
            self._ask_one(event.node)

    def _stop_asking(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._end_links is not None:
            self._end_links()
            self._end_links = None

    def _mark(self) -> None:
        self._stop_asking()
        if not self._known.learn(self._node, self._store_id, self._marked):
            raise InvariantViolated(f"the store {self._store_id} is not the one that was registered as {self._node!r}")

    def _marked(self) -> None:
        if not self._is_alive:
            return
        self._context.log.info("registration.completed", store=self._store_id, confirmed=", ".join(self._confirmed))
        if not self._takes_part:
            self._enter()

    def _enter(self) -> None:
        self._takes_part = True
        self._take_part()

    # --- the stores of others ---------------------------------------------------------------------------------------

    def asked(self, asked: Register) -> None:
        """Remember a peer's store durably and confirm that; or tell it which one is remembered instead."""
        peer = asked.sender
        if peer not in self._peers:
            return
        remembered = self._known.store_of(peer)
        if remembered is not None:
            self._confirm(peer, remembered)
        is_known = remembered == asked.store
        if not is_known and not self._known.learn(peer, asked.store, lambda: self._confirm(peer, asked.store)):
            self._context.log.error("store.refused", peer=peer, store=asked.store, remembered=remembered)

    def _confirm(self, peer: str, store: str) -> None:
        if self._is_alive:
            self._peers[peer].tell(Registered(self._node, store))
