"""`RemovalNotices`: tells a removed node that it is no member, also if the present leader is a stranger to it.

A leader sends removed members the entry that removes them (`Farewells`), if they reach it. One that was away for long
may know no node that leads now: but any member that it asks for a vote knows that it was removed.

    removed node ── PreVote ──▶ member: its committed members lack that store
                 ◀─ NotAMember ─        with the index of their entry, and the members themselves

A learner never stands. If it hears no leader, it sends the voters a PreVote of its own term, which asks for nothing
else: whatever is answered, it begins no candidacy.

What is told is believed if the members are later than its own, lack its store, and have the sender's. The driver has
checked that the sender is a store of this incarnation of the group. Nothing becomes durable, and no vote depends on it:
the node only stops asking for votes, until its log brings other members. It grants votes as before; so a group that has
taken it in again loses nothing by an old notice.
"""

from __future__ import annotations

from coterie.errors import UnsupportedFormat
from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.membership.membership import Membership, StoreId
from coterie.protocols.raft.raft_messages import NotAMember, PreVote
from coterie.protocols.raft.raft_observations import MEMBER_REMOVED, MESSAGE_DISCARDED
from coterie.protocols.raft.role import RoleState

__all__ = ["RemovalNotices"]


class RemovalNotices:
    """The notices of one node: those that it gives, and those that it gets.

    Args:
        role_state: of this node.
    """

    __slots__ = ("_role_state",)

    def __init__(self, role_state: RoleState) -> None:
        self._role_state = role_state

    def ask(self) -> None:
        """Ask the voters, as a learner that hears no leader, whether this node is a member still."""
        state = self._role_state
        electorate, log = state.electorate, state.log
        if electorate.is_member and not electorate.is_voter:
            request = PreVote(state.term, log.last_index, log.last_term)
            for peer in electorate.voting_peers:
                state.outbox.send(peer, request, state.durability.after_hard_state())

    def answer(self, candidate: NodeId) -> None:
        """Tell `candidate`, which asks for a vote, that it was removed, if this node, a member, knows that it was."""
        state = self._role_state
        electorate, facts = state.electorate, state.durability.hard_state.facts
        membership, index = electorate.membership, facts.membership_index
        if membership is None or not electorate.is_member or index > state.log.commit_index:
            return
        if electorate.node_of(candidate) is None:
            notice = NotAMember(state.term, index, membership.encode())
            state.outbox.send(candidate, notice, state.durability.after_hard_state())

    def handle(self, sender: NodeId, notice: NotAMember) -> None:
        """Ask for no more votes, if the notice is later than what this node knows and comes from a member."""
        state = self._role_state
        try:
            membership = Membership.decode(notice.membership)
        except (ValueError, UnsupportedFormat):
            state.outbox.observe(MESSAGE_DISCARDED, sender=sender, term=notice.term)
            return
        stores = [member.store_id for member in membership.members]
        is_later = notice.index > state.durability.hard_state.facts.membership_index
        if not is_later or StoreId(sender) not in stores or StoreId(state.node_id) in stores:
            return
        if state.leadership is None and state.electorate.is_member:
            state.electorate.is_expelled, state.electorate.expelled_at = True, notice.index
            state.forget_leader()
            state.outbox.observe(MEMBER_REMOVED, term=state.term, index=notice.index)
