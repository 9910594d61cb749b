"""The outbox: effects in order, writes first."""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId, Observe, Persist, Send, Token
from coterie.protocols.raft import LogWrite, RequestVoteReply
from coterie.protocols.raft.raft_effects import Outbox
from coterie.protocols.replicated_log import Refusal, Reject, Term

REPLY = RequestVoteReply(Term(1), granted=True)


def test_effects_keep_their_order_behind_the_writes() -> None:
    outbox = Outbox(NodeId("a"))
    outbox.send(NodeId("b"), REPLY, Token(1))
    outbox.add(Reject(1, Refusal.NOT_LEADER, None))
    outbox.observe("raft.leader_elected", term=1)

    effects = outbox.empty([Persist(Token(1), LogWrite())])

    assert effects == [
        Persist(Token(1), LogWrite()),
        Send(NodeId("b"), REPLY, Token(1)),
        Reject(1, Refusal.NOT_LEADER, None),
        Observe("raft.leader_elected", {"node": "a", "term": 1}),
    ]


def test_emptied_outbox_is_empty_and_leaves_what_it_gave_alone() -> None:
    outbox = Outbox(NodeId("a"))
    outbox.send(NodeId("b"), REPLY, None)
    given = outbox.empty([])

    outbox.send(NodeId("c"), REPLY, None)

    assert given == [Send(NodeId("b"), REPLY)]
    assert outbox.empty([]) == [Send(NodeId("c"), REPLY)]
    assert outbox.empty([]) == []
