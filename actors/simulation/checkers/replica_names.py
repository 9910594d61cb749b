"""`ReplicaNames`: names the replicas of a simulated Raft group by their stores, and translates what replicas write.

Quorums count stores, not nodes: a node that comes back with another store is another replica. Checkers name the first
store of node n3 `n3`, as the founders are named whose stores no log says yet, and the next ones `n3/2`, `n3/3`, ….

    in a real register or entry     n3: 5f0c…e1        vote for 5f0c…e1
    as the checkers have it         n3: n3             vote for n3
"""

from __future__ import annotations

from dataclasses import replace

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.membership.membership import Member, Membership, StoreId
from coterie.protocols.raft.raft_messages import HardState, LogWrite
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex

__all__ = ["ReplicaNames"]


class ReplicaNames:
    """The names of the replicas of one group, over all process lives of its nodes."""

    def __init__(self) -> None:
        self._name_by_store: dict[str, NodeId] = {}
        self._names_by_node: dict[str, list[NodeId]] = {}

    def name(self, node: str, store: str) -> NodeId:
        """Return the name of the replica with `store`, which is on `node` now."""
        if store not in self._name_by_store:
            names = self._names_by_node.setdefault(node, [])
            names.append(NodeId(f"{node}/{len(names) + 1}" if names else node))
            self._name_by_store[store] = names[-1]
        return self._name_by_store[store]

    def has_run_on(self, node: str) -> bool:
        """Return whether any replica has run on `node`."""
        return node in self._names_by_node

    def latest(self, node: str) -> NodeId:
        """Return the name of the replica that ran on `node` last; that of a founder if none has run yet."""
        return self._names_by_node.get(node, [NodeId(node)])[-1]

    def all_on(self, node: str) -> tuple[NodeId, ...]:
        """Return the names of all replicas that have run on `node`, the latest one last; of a founder if none has."""
        return tuple(self._names_by_node.get(node, [NodeId(node)]))

    def of_store(self, store: str) -> NodeId | None:
        """Return the name of the replica with `store`; None if no replica has started with it."""
        return self._name_by_store.get(store)

    # --- translations: stores become the names of replicas ------------------------------------------------------------

    def register(self, register: HardState) -> HardState:
        """Translate the members and the vote in a register."""
        facts, vote = register.facts, register.voted_for
        memberships = self.memberships(facts)
        return replace(
            register,
            voted_for=None if vote is None else self._name_by_store.get(vote, vote),
            facts=facts if memberships == facts.memberships else replace(facts, memberships=memberships),
        )

    def memberships(self, facts: GroupFacts) -> tuple[tuple[LogIndex, Membership], ...]:
        """Translate the members in the facts of a group. Founders have no stores."""
        return tuple((index, self._membership(membership)) for index, membership in facts.memberships)

    def write(self, write: LogWrite) -> LogWrite:
        """Translate what is written: the register, and membership entries."""
        if write.hard_state is not None:
            write = replace(write, hard_state=self.register(write.hard_state))
        if any(entry.kind is EntryKind.MEMBERSHIP for entry in write.entries):
            write = replace(write, entries=tuple(map(self.entry, write.entries)))
        return write

    def entry(self, entry: Entry) -> Entry:
        """Translate the members, if it is a membership entry."""
        if entry.kind is not EntryKind.MEMBERSHIP:
            return entry
        return entry._replace(command=self._membership(Membership.decode(entry.command)).encode())

    def _membership(self, membership: Membership) -> Membership:
        return replace(membership, members=tuple(map(self._member, membership.members)))

    def _member(self, member: Member) -> Member:
        name = None if member.store_id is None else self._name_by_store.get(member.store_id)
        return member if name is None else replace(member, store_id=StoreId(name))
