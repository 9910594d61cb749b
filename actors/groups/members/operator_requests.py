"""`OperatorRequests`: hands what operators ask of a replica to the protocol, and answers them once it has ended.

ChangeGroupMembers ─▶ link to the node ─ InviteStore ─▶ ChangeMembers ─▶ Raft ─▶ ChangeEnded ─▶ MembersChanged
                                                              ▲
a learner has caught up ─ ReportStatus ─▶ it follows the active schema ─ MayPromote
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from coterie.actors.groups.backups.backup_messages import ReadBackup, TakeBackup
from coterie.actors.groups.backups.backup_serving import BackupServing
from coterie.actors.groups.evolution.schema_keeper import SchemaKeeper
from coterie.actors.groups.group_messages import GroupStatus, HandOver, HandOverAnswer, ReportStatus
from coterie.actors.groups.members.invitations import ASK_S, Invitations
from coterie.actors.groups.members.member_messages import ChangeGroupMembers, MemberAction, MembersChanged
from coterie.actors.groups.members.peer_refs import PeerRefs
from coterie.actors.groups.members.store_watch import StoreWatch
from coterie.actors.groups.replicas.replica_status import group_members
from coterie.errors import CoterieError
from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.membership.member_changes import (
    AddLearner,
    AddVoter,
    MemberChange,
    Promote,
    Remove,
    ReplaceStore,
)
from coterie.protocols.raft.membership.membership import Member, MemberRole, StoreId
from coterie.protocols.raft.membership.reconfiguration import ChangePhase
from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.raft_effects import (
    ChangeEnded,
    ChangeMembers,
    MayPromote,
    RaftEvent,
    TransferEnded,
    TransferLeadership,
)
from coterie.protocols.raft.role import RaftRole
from coterie.runtime.actor import Context, Later

__all__ = ["OperatorRequests"]

ASK_AGAIN_S: Final = 0.2
"""The interval at which a learner is asked whether it follows the active schema."""

STORE_CHARS: Final = 8
"""So much of the id of a store is in the text of a command: no two stores of a node begin alike."""

HAS_STOPPED: Final = "this node has stopped; nothing was changed: repeat the command"
HAS_ENDED: Final = "unknown: this node has stopped: ask for the members, and repeat the command if it is needed"


@dataclass(frozen=True, slots=True)
class _Change:
    request: ChangeGroupMembers
    later: Later[MembersChanged]


class OperatorRequests:
    """The requests of one life of a replica.

    Args:
        node: its node.
        raft: its part in the protocol.
        peers: the actors of the group on other nodes.
        schemas: says which schema is active.
        backups: gives snapshots for backups.
        context: of the actor.
        next_ref: draws a reference.
        wake_with: hands an event to the protocol, and requests a visit.
    """

    def __init__(
        self,
        node: str,
        raft: Raft,
        peers: PeerRefs,
        schemas: SchemaKeeper,
        backups: BackupServing,
        context: Context,
        next_ref: Callable[[], int],
        wake_with: Callable[[RaftEvent], None],
    ) -> None:
        self._node = node
        self._raft = raft
        self._peers = peers
        self._schemas = schemas
        self._backups = backups
        self._context = context
        self._next_ref = next_ref
        self._wake_with = wake_with
        self._transfers: dict[int, Later[HandOverAnswer]] = {}
        self._changes: dict[int, _Change] = {}
        self._preparing: dict[asyncio.Task[None], _Change] = {}
        self._ask_at_s = 0.0
        self._invitations = Invitations(node, raft, peers, context)
        self._store_watch = StoreWatch(raft, context, self._is_being_replaced)

    def receive(
        self, msg: HandOver | ChangeGroupMembers | TakeBackup | ReadBackup, later: Later[Any], *, takes_part: bool
    ) -> None:
        """Begin what is asked for; `takes_part`: whether this replica votes and counts."""
        match msg:
            case HandOver():
                self._hand_over(msg, later, takes_part=takes_part)
            case ChangeGroupMembers():
                self._change_members(msg, later)
            case TakeBackup() | ReadBackup():
                if (read := self._backups.receive(msg, later, self._next_ref)) is not None:
                    self._wake_with(read)

    # --- the leader -------------------------------------------------------------------------------------------------

    def _hand_over(self, msg: HandOver, later: Later[HandOverAnswer], *, takes_part: bool) -> None:
        """Begin to hand over the leadership."""
        if takes_part:
            ref = self._next_ref()
            self._transfers[ref] = later
            self._wake_with(TransferLeadership(ref, None if msg.target is None else NodeId(msg.target)))
        else:
            later.reply(HandOverAnswer(False, "it takes no part in its group", None))

    def transfer_ended(self, effect: TransferEnded) -> None:
        """Answer who asked."""
        self._transfers.pop(effect.ref).reply(HandOverAnswer(effect.is_done, effect.reason, self._raft.leader))

    # --- the members ------------------------------------------------------------------------------------------------

    def _change_members(self, msg: ChangeGroupMembers, later: Later[MembersChanged]) -> None:
        """Begin to change the members, if this node leads."""
        change = _Change(msg, later)
        if self._raft.role is not RaftRole.LEADER:
            self._answer(change, f"{self._node} does not lead", is_passing=True)
            return
        task = asyncio.ensure_future(self._prepare(change))
        self._preparing[task] = change
        task.add_done_callback(self._prepared)

    def change_ended(self, effect: ChangeEnded) -> None:
        """Answer who asked."""
        change = self._changes.pop(effect.ref)
        reason = None if effect.is_done else effect.reason
        has_changed = effect.has_changed
        self._answer(change, reason, is_passing=effect.is_passing, has_changed=has_changed, is_certain=not has_changed)

    def advance(self, now: float) -> None:
        """Look after the members (`now`: monotonic, s).

        A learner that has caught up is asked whether it follows the active schema.
        """
        self._store_watch.advance(now)
        if not self._changes or now < self._ask_at_s:
            return
        status = self._raft.change_status
        if status is not None and status.phase is ChangePhase.HELD:
            self._ask_at_s = now + ASK_AGAIN_S
            learner = status.waits_for[0]
            asked: asyncio.Future[GroupStatus] = self._peers[learner].ask(ReportStatus(), timeout_s=ASK_S)
            asked.add_done_callback(lambda done: self._learner_answered(learner, done))

    def _is_being_replaced(self, node: str) -> bool:
        changes = [*self._preparing.values(), *self._changes.values()]
        return any(change.request.node == node and change.request.action is MemberAction.REPLACE for change in changes)

    @property
    def activity(self) -> str | None:
        """What an operator waits for before a change begins; None: nothing."""
        nodes = sorted({change.request.node for change in self._preparing.values()})
        return "; ".join(map(self._invitations.waiting_for, nodes)) or None

    def close(self) -> None:
        """Answer all: this replica ends, so it leads no more."""
        for task, change in self._preparing.items():
            task.remove_done_callback(self._prepared)
            task.cancel()
            self._answer(change, HAS_STOPPED, is_passing=True)
        for change in self._changes.values():
            self._answer(change, HAS_ENDED, is_passing=True, is_certain=False)
        for later in self._transfers.values():
            later.reply(HandOverAnswer(True, "", None))

    def _answer(
        self,
        change: _Change,
        reason: str | None,
        *,
        is_passing: bool = False,
        has_changed: bool = False,
        is_certain: bool = True,
    ) -> None:
        members = group_members(self._raft.facts.known_members)
        self._invitations.release(change.request.node)
        leader, index = self._raft.leader, self._raft.last_index
        change.later.reply(
            MembersChanged(reason is None, reason or "", leader, members, is_passing, has_changed, index, is_certain)
        )

    async def _prepare(self, change: _Change) -> None:
        try:
            wanted = await self._change_of(change)
        except (ValueError, CoterieError) as error:
            self._answer(change, str(error))
            return
        ref = self._next_ref()
        self._changes[ref] = change
        self._wake_with(ChangeMembers(ref, wanted, may_promote=False))

    def _prepared(self, task: asyncio.Task[None]) -> None:
        change = self._preparing.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._answer(change, f"{type(error).__name__}: {error}")
            self._context.system.fail(error)  # a fault of this module

    async def _change_of(self, change: _Change) -> MemberChange:
        msg, node = change.request, NodeId(change.request.node)
        match msg.action:
            case MemberAction.PROMOTE:
                return Promote(node)
            case MemberAction.REMOVE:
                return Remove(node)
            case MemberAction.REPLACE:
                return await self._replacement(msg, node)
            case _:
                return await self._addition(msg, node)

    async def _addition(self, msg: ChangeGroupMembers, node: NodeId) -> MemberChange:
        kind = AddVoter if msg.action is MemberAction.ADD else AddLearner
        present = self._settled_member(msg, node)
        if present is not None and (kind is AddVoter) is (present.role is not MemberRole.LEARNER):
            return kind(node, StoreId(str(present.store_id)))
        store, address = await self._invitations.invite(msg)
        self._check_is_new(msg, store)
        return kind(node, store, address)

    async def _replacement(self, msg: ChangeGroupMembers, node: NodeId) -> ReplaceStore:
        present = [member for member in self._raft.facts.known_members if member.node == node]
        if not present:
            members = ", ".join(dict.fromkeys(member.node for member in self._raft.facts.known_members))
            raise ValueError(f"{node} is no member of the group: its members are {members}")
        if msg.store is None and msg.address is None:
            raise ValueError("name the store that is lost, or the address at which the node runs now with its old one")
        settled = self._settled_member(msg, node)
        is_done = msg.store is None or self._was_replaced(node, msg.store)
        if settled is not None and not _is_named(settled, msg) and is_done:
            return ReplaceStore(node, StoreId(str(settled.store_id)))
        store, address = await self._invitations.invite(msg)
        member = next((member for member in present if member.role is not MemberRole.LEARNER), present[0])
        old = member.store_id or ""
        if msg.store is None:
            self._check_kept(node, old, store, str(address))
            return ReplaceStore(node, store, address)
        if old == store and _is_named(member, msg) and msg.address is None:  # else its address alone is to change
            raise ValueError(f"{node} runs with the store {old}: it is not lost; give it an empty data directory first")
        if old == store and not _is_named(member, msg) and not self._was_replaced(node, msg.store):
            raise ValueError(f"{node} runs with its present store {old}, and no store {msg.store} of it is known")
        if old != store and not _is_named(member, msg):
            raise ValueError(f"the store of {node} that is replaced is {old}, not {msg.store}")
        return ReplaceStore(node, store, None if msg.address is None else address)

    def _check_kept(self, node: NodeId, old: str, store: StoreId, address: str) -> None:
        """Refuse to change the address of a node alone that does not run with the store which it has in the log."""
        if old != store:
            raise ValueError(
                f"{node} runs at {address} with the store {store}, not with its store {old}: start it on the data "
                f"directory that it had; if that is lost: {self._replace_command(node, old)} --address {address}"
            )

    def _check_is_new(self, msg: ChangeGroupMembers, store: StoreId) -> None:
        """Refuse to add a node that is a member already, with another store or at another address; say what to do."""
        node = NodeId(msg.node)
        present = [member for member in self._raft.facts.known_members if member.node == node]
        known = next((member for member in present if member.store_id == store), None)
        if present and known is None:
            old = str(present[0].store_id or "")
            raise ValueError(
                f"{node} is a member with the store {old or 'that it had first'}, and runs with the store {store}: if "
                f"the old one is lost: {self._replace_command(node, old)}"
            )
        if known is not None and msg.address not in (None, known.address):
            where = f"the address {known.address}" if known.address else "no address in the log"
            raise ValueError(
                f"{node} is a member already, with {where}, not {msg.address}: to let all look for it there: "
                f"{self._replace_command(node)} --address {msg.address}"
            )

    def _replace_command(self, node: NodeId, store: str | None = None) -> str:
        """Return the command that replaces a store, or (None) begins the one that only changes the address."""
        command = f"coterie raft replace {self._context.self_ref.path} {node}"
        return command if store is None else f"{command} --store {store[:STORE_CHARS] or '…'}"

    def _settled_member(self, msg: ChangeGroupMembers, node: NodeId) -> Member | None:
        """Return the only member on `node` if, as far as is known here, that is how it runs, and where; else None."""
        present = [member for member in self._raft.facts.known_members if member.node == node]
        if len(present) != 1 or present[0].store_id is None or msg.address not in (None, present[0].address):
            return None
        process = self._context.system.remoting.network().known_peer(node)
        is_other = process is not None and process.store not in ("", present[0].store_id)
        return None if is_other else present[0]

    def _was_replaced(self, node: NodeId, store: str) -> bool:
        """Return whether a store that begins like `store` was that of `node` before the last change."""
        known = [member for _, membership in self._raft.facts.memberships for member in membership.members_on(node)]
        return any(str(member.store_id).startswith(store) for member in known if member.store_id is not None)

    def _learner_answered(self, node: str, asked: asyncio.Future[GroupStatus]) -> None:
        if asked.cancelled() or not self._changes:
            return
        error = asked.exception()
        self._wake_with(MayPromote(self._why_not_promoted(node, asked.result() if error is None else error)))

    def _why_not_promoted(self, node: str, answer: GroupStatus | BaseException) -> str | None:
        if isinstance(answer, BaseException):
            return f"{node} does not say whether it follows the active schema: {answer}"
        if answer.quarantine is not None:
            return f"{node} is in quarantine: {answer.quarantine}"
        active = 0 if self._schemas.active is None else self._schemas.active.number
        if answer.revision != active:
            return f"{node} follows revision {answer.revision} of the schema, not {active}"
        return None


def _is_named(member: Member, msg: ChangeGroupMembers) -> bool:
    """Return whether the operator has named the store of `member`, by how its id begins."""
    return bool(msg.store) and str(member.store_id).startswith(str(msg.store))
