"""`Joining`: lets a store join a group that exists already, when the group's leader invites it.

A node that was formatted with `--bootstrap join` founds none of the groups that its topology declares then: an empty
register marks each. Until it is invited it is a node of no group: it hears nobody, and answers no client.

    --bootstrap join ─ marked ─ InviteStore ─ register with the group's incarnation ─ entries or a snapshot ─ member
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from coterie.actors.groups.members.member_messages import InvitationRefused, InviteStore, StoreInvited
from coterie.actors.groups.raft_records import encode_register
from coterie.errors import UnsupportedFormat
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.membership.membership import Membership
from coterie.protocols.raft.raft_messages import HardState, LogWrite, Restored
from coterie.protocols.replicated_log import INCARNATION_BYTES, LogIndex, Term
from coterie.runtime.actor import Later
from coterie.runtime.storage.log_store import LogStore, Write

__all__ = ["NOWHERE", "Joining", "mark_joining", "waits_to_join"]

NOWHERE: Final = bytes(INCARNATION_BYTES)
"""The incarnation of no group: no letter has it."""

UNMARKED: Final = (
    "it was started with --bootstrap new, as a founder: start it with an empty data directory and --bootstrap join"
)


async def mark_joining(store: LogStore, groups: Sequence[str]) -> None:
    """Mark that this new store does not found `groups`; durable on return."""
    for group in groups:
        store.write(Write(group, metadata=encode_register(HardState(Term(0), None))), lambda: None)
    for group in groups:
        await store.state(group)


def waits_to_join() -> Restored:
    """Return what a node of no group starts from."""
    return Restored(HardState(Term(0), None, GroupFacts.joining(NOWHERE)), (), LogIndex(0), 0)


class Joining:
    """Answers invitations, for one life of an actor.

    Args:
        node: this node.
        store: its store.
        persist: makes a write durable, then calls back.
        joined: called with what the replica starts from now.
    """

    def __init__(
        self,
        node: str,
        store: LogStore,
        persist: Callable[[LogWrite, Callable[[], None]], None],
        joined: Callable[[Restored], None],
    ) -> None:
        self._node = node
        self._store = store
        self._persist = persist
        self._joined = joined
        self._is_alive = True
        self._is_writing = False

    def close(self) -> None:
        """End this life: what becomes durable now takes effect in the next one."""
        self._is_alive = False

    def invited(
        self, msg: InviteStore, later: Later[StoreInvited | InvitationRefused], facts: GroupFacts, *, takes_part: bool
    ) -> None:
        """Join, or say why not. `facts`: of the group here. `takes_part`: whether this replica is active."""
        if facts.incarnation == NOWHERE and not self._is_writing:
            self._join(msg, later)
        elif facts.incarnation == msg.incarnation and takes_part and not self._is_of_another_life(msg, facts):
            later.reply(StoreInvited(self._node, self._store.store_id))
        else:
            later.reply(InvitationRefused(self._why_not(msg, facts)))

    def _is_of_another_life(self, msg: InviteStore, facts: GroupFacts) -> bool:
        """Return whether this store knows members of a group of the same founders, and none of them is one now."""
        known = {member.store_id for member in facts.known_members if member.store_id is not None}
        return bool(known) and not known & {*msg.stores}

    def _why_not(self, msg: InviteStore, facts: GroupFacts) -> str:
        if self._is_writing:
            return "it is joining just now: repeat the command"
        if self._store.lost_promises is not None:
            return f"its store has lost what it promised ({self._store.lost_promises}): give it an empty one"
        if self._is_of_another_life(msg, facts):
            return (
                "its store holds another group of this name, with other stores as members: start it with an empty data "
                "directory and --bootstrap join"
            )
        if facts.incarnation == msg.incarnation:
            return UNMARKED
        return (
            f"its store holds another group of this name (incarnation {facts.incarnation.hex()[:8]}, not "
            f"{msg.incarnation.hex()[:8]}): start it with an empty data directory and --bootstrap join"
        )

    def _join(self, msg: InviteStore, later: Later[StoreInvited | InvitationRefused]) -> None:
        try:
            founders = Membership.decode(msg.founders) if msg.founders else None
            if len(msg.incarnation) != INCARNATION_BYTES or msg.incarnation == NOWHERE:
                raise ValueError(f"{msg.incarnation.hex()!r} is no incarnation")
        except (ValueError, UnsupportedFormat) as error:
            later.reply(InvitationRefused(f"the invitation cannot be read: {error}"))
            return
        register = HardState(Term(0), None, GroupFacts.joining(msg.incarnation, founders))
        self._is_writing = True
        self._persist(LogWrite(hard_state=register), lambda: self._is_durable(register, later))

    def _is_durable(self, register: HardState, later: Later[StoreInvited | InvitationRefused]) -> None:
        if self._is_alive:
            self._joined(Restored(register, (), LogIndex(0), 0))
            later.reply(StoreInvited(self._node, self._store.store_id))
