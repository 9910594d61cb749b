"""Member mutants: define bugs in who counts in a group: stores, founders, and voters that come back."""

# ruff: noqa: SLF001 - a mutant replaces private methods

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from coterie.actors.groups.letters.letter_admission import LetterAdmission
from coterie.actors.groups.letters.letter_identity import LetterIdentity
from coterie.actors.groups.raft_actor import RaftActor
from coterie.actors.peer_stores import PeerStores
from coterie.actors.simulation.scenarios.directed_runs import second_process
from coterie.actors.simulation.scenarios.member_runs import another_store, readmitted_store, scaled_down
from coterie.actors.simulation.scenarios.members.change_runs import (
    all_disks_lost,
    lone_leader_changes,
    replaced_store_returns,
)
from coterie.actors.simulation.scenarios.recoveries.recovery_runs import revived_old_node
from coterie.actors.topology import node_start
from coterie.actors.voter_registration import VoterRegistration
from coterie.actors.wire_names import RaftPeerMessage, RegisterStore
from coterie.protocols.algorithm import NodeId
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.raft.leadership import Leadership
from coterie.protocols.raft.membership import electorate
from coterie.protocols.raft.membership.electorate import Electorate
from coterie.protocols.raft.membership.membership import Member, Membership, StoreId
from coterie.protocols.raft.membership.reconfiguration import Reconfiguration
from coterie.protocols.raft.raft_messages import Restored
from coterie.protocols.simulation.mutants import DirectedTrial, Mutant, Patch
from coterie.runtime.storage.log_store import LogStore
from coterie.runtime.transport import peers
from coterie.runtime.transport.handshake.identity import Peer

__all__ = ["MEMBER_MUTANTS"]


# Quorum by names: whoever speaks under a voter's name counts for its store.


def _admit_by_name(
    self: LetterAdmission, letter: RaftPeerMessage, membership: Membership | None, admit: Callable[[StoreId], None]
) -> None:
    bound = None if membership is None else membership.store_of(letter.sender)
    admit(bound or LetterIdentity.decode(letter.identity).store_id)


def _take_part_at_once(self: VoterRegistration) -> None:
    self._activate()


# Founders from the file: at each start those of the topology replace the members of the log.

_restore = RaftActor._restore


async def _restore_members_of_file(self: RaftActor) -> Restored:
    restored = await _restore(self)
    register, facts = restored.hard_state, restored.hard_state.facts
    stores = {member.node: member.store_id for member in facts.membership.members if member.store_id is not None}
    configured = Membership.founding(self._config.voters, self._config.quorum).with_stores(stores)
    facts = replace(facts, memberships=((facts.membership_index, configured),))
    return replace(restored, hard_state=replace(register, facts=facts))


# Wiped voter re-admitted: its new store is registered anew, and takes the place of the one that the log binds.


def _register_anew(self: VoterRegistration, request: RegisterStore) -> None:
    if request.sender in self._peers:
        for memory in (self._peer_stores._registered, self._peer_stores._heard):
            memory.durable.pop(request.sender, None)
        self._peer_stores.register(request.sender, request.store, lambda: self._confirm(request.sender, request.store))


def _hear_anew(self: PeerStores, node: str, store: str, on_durable: Callable[[], None]) -> bool:
    self._heard.durable.pop(node, None)
    self._heard.keep(node, store, on_durable)
    return True


_examine = LetterAdmission.examine


def _examine_unbound(
    self: LetterAdmission, letter: RaftPeerMessage, membership: Membership, admit: Callable[[StoreId], None]
) -> None:
    _examine(self, letter, Membership.founding(membership.voters), admit)


def _hear_the_latest(self: Electorate, node: NodeId, store: StoreId) -> bool:
    is_news = self._heard_by_node.get(node) != store
    self._heard_by_node[node] = store
    self._refresh()
    return is_news


def _key_heard_last(member: Member, heard: Mapping[NodeId, StoreId]) -> NodeId:
    store = heard.get(member.node) or member.store_id
    return NodeId(f"{member.node}?" if store is None else store)


# Refused store supersedes: a second process under a node's name takes its place.


def _need_not_wait(known: object, old: Peer, new: Peer) -> bool:
    return False


# Joining store founds anew: nothing marks that it is to join, so it is taken for a founder.


async def _mark_nothing(store: LogStore, groups: Sequence[str]) -> None:
    del store, groups


# Change acknowledged before it is committed: as soon as its first membership is in the leader's own log.

_append = Reconfiguration._append


def _append_and_answer(self: Reconfiguration, leadership: Leadership, membership: Membership) -> None:
    _append(self, leadership, membership)
    if self._under_way is not None:
        self._end(self._under_way, None)


# Incarnation ignored: nodes of a group as it was before a restore or recovery mix with the one that began anew.


def _of_any_incarnation(self: LetterAdmission, letter: RaftPeerMessage) -> LetterIdentity:
    return LetterIdentity.decode(letter.identity)


MEMBER_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "members: quorum by names",
        DirectedTrial("another store", Level.SYSTEM, another_store),
        (
            Patch(VoterRegistration, "begin", _take_part_at_once),  # the first check of the same property
            Patch(LetterAdmission, "examine", _admit_by_name),
        ),
    ),
    Mutant(
        "members: founders from the file",
        DirectedTrial("scaled down", Level.SYSTEM, scaled_down),
        (Patch(RaftActor, "_restore", _restore_members_of_file),),
    ),
    Mutant(
        "members: wiped voter re-admitted",
        DirectedTrial("readmitted store", Level.SYSTEM, readmitted_store),
        (
            Patch(VoterRegistration, "handle_request", _register_anew),
            Patch(LetterAdmission, "examine", _examine_unbound),
            Patch(PeerStores, "hear", _hear_anew),
            Patch(Electorate, "hear", _hear_the_latest),
            Patch(electorate, "_key", _key_heard_last),
        ),
    ),
    Mutant(
        "members: replaced store accepted",
        DirectedTrial("replaced store returns", Level.SYSTEM, replaced_store_returns),
        (Patch(LetterAdmission, "examine", _admit_by_name),),
    ),
    Mutant(
        "members: joining store founds anew",
        DirectedTrial("all disks lost", Level.SYSTEM, all_disks_lost),
        (Patch(node_start, "mark_joining", _mark_nothing),),
    ),
    Mutant(
        "members: change acknowledged early",
        DirectedTrial("lone leader changes", Level.SYSTEM, lone_leader_changes),
        (Patch(Reconfiguration, "_append", _append_and_answer),),
    ),
    Mutant(
        "members: refused store supersedes",
        DirectedTrial("second process", Level.SYSTEM, second_process),
        (Patch(peers, "_must_wait_for", _need_not_wait),),
    ),
    Mutant(
        "members: incarnation ignored",
        DirectedTrial("revived old node", Level.SYSTEM, revived_old_node),
        (Patch(LetterAdmission, "_identity_of", _of_any_incarnation),),
    ),
)
