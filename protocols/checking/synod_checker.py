"""`SynodChecker`: checks the invariants of Paxos, and that no message leaves before the state it reports is on disk.

The invariants are those of single-decree Paxos (*Paxos Made Simple* §2.2).

| invariant | broken when |
| --- | --- |
| `synod.one_value_chosen` | quorums of disks have accepted two different values |
| `synod.only_proposed` | a value is proposed to the acceptors that no client requested |
| `synod.promise_monotone` | a durable promise falls or vanishes, or an accepted ballot exceeds it |
| `synod.accepted_monotone` | a durable accepted ballot falls, vanishes or changes its value |
| `synod.round_monotone` | a proposer's durable round falls |
| `synod.promise_ahead_of_disk` | a Promise or Nack leaves without its promise on disk, or hides an accepted proposal |
| `synod.accepted_ahead_of_disk` | an Accepted leaves without ballot, value and promise on disk |
| `synod.round_ahead_of_disk` | a Prepare leaves without its round on disk |
| `synod.ballot_reused` | a ballot is not the sender's own, or two lives prepare it |
| `synod.ballot_two_values` | one ballot proposes two values |
| `synod.value_not_highest` | no quorum of promises allows the proposed value (P2c) |
| `synod.answer_not_chosen` | an answer contains a value that no quorum of disks has accepted |
| `synod.read_missed_choice` | a read that began after the choice is answered with None |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.paxos.synod_messages import (
    Accept,
    Accepted,
    AcceptorState,
    Ballot,
    Nack,
    Prepare,
    Promise,
    Proposal,
    SynodMessage,
    SynodState,
)
from coterie.protocols.quorums import Majority, Quorum

__all__ = ["SynodChecker"]


class SynodChecker:
    """Checks one synod from outside. Report every event, in order; `context` supplies the current step and time.

    `quorum`: which members may decide; None: more than half. Messages of a node to itself need not be reported: their
    effects are checked on the disks.
    """

    def __init__(self, members: Sequence[NodeId], context: ViolationContext, *, quorum: Quorum | None = None) -> None:
        self._context = context
        self._quorum: Quorum = Majority(tuple(members)) if quorum is None else quorum
        self._disk = dict.fromkeys(members, SynodState())
        self._life = dict.fromkeys(members, 0)
        self._asked: dict[bytes, None] = {}
        self._acceptors: dict[Proposal, dict[NodeId, None]] = {}
        self._promises: dict[Ballot, dict[NodeId, Proposal | None]] = {}
        self._life_of_ballot: dict[Ballot, int] = {}
        self._value_of_ballot: dict[Ballot, bytes] = {}
        self._chosen: bytes | None = None

    @property
    def chosen(self) -> bytes | None:
        """The chosen value, as the checker computes it."""
        return self._chosen

    def disk(self, node: NodeId) -> SynodState:
        """Return what is durable at `node`."""
        return self._disk[node]

    def started(self, node: NodeId) -> None:
        """Note that a new life of `node` begins."""
        self._life[node] += 1

    def asked(self, value: bytes) -> None:
        """Note that a client requests `value` to be proposed."""
        self._asked[value] = None

    def wrote(self, node: NodeId, state: SynodState) -> None:
        """Check a state that has become durable at `node`."""
        old, self._disk[node] = self._disk[node], state
        if state.proposer.round < old.proposer.round:
            detail = f"the durable round fell from {old.proposer.round} to {state.proposer.round}"
            self._context.fail("synod.round_monotone", node, detail)
        if state.acceptor != old.acceptor:
            self._check_promise(node, old.acceptor, state.acceptor)
            self._check_accepted(node, old.acceptor.accepted, state.acceptor.accepted)
            self._note_promise(node, state.acceptor)

    def sent(self, node: NodeId, message: SynodMessage) -> None:
        """Check a message that leaves `node`, against what is durable there."""
        match message:
            case Prepare():
                self._check_prepare(node, message.ballot)
            case Promise():
                self._check_promised(node, message)
            case Accept():
                self._check_accept(node, message)
            case Accepted():
                if node not in self._acceptors.get(Proposal(message.ballot, message.value), {}):
                    detail = f"sends {message}, but {self._disk[node].acceptor} is durable"
                    self._context.fail("synod.accepted_ahead_of_disk", node, detail)
            case Nack():
                self._check_durable_promise(node, message.promised)

    def answered(self, node: NodeId, value: bytes | None, *, was_chosen: bytes | None) -> None:
        """Check an answer of `node`; `was_chosen` is `chosen` as it was when the request arrived."""
        if value is None and was_chosen is not None:
            detail = f"the read began after {was_chosen!r} was chosen and is answered with None"
            self._context.fail("synod.read_missed_choice", node, detail)
        if value is not None and value != self._chosen:
            self._context.fail("synod.answer_not_chosen", node, f"answers {value!r}; chosen is {self._chosen!r}")

    def _check_promise(self, node: NodeId, old: AcceptorState, new: AcceptorState) -> None:
        if old.promised is not None and (new.promised is None or new.promised < old.promised):
            detail = f"the durable promise fell from {old.promised} to {new.promised}"
            self._context.fail("synod.promise_monotone", node, detail)
        if new.accepted is not None and (new.promised is None or new.accepted.ballot > new.promised):
            detail = f"{new.accepted} was accepted above the promise {new.promised}"
            self._context.fail("synod.promise_monotone", node, detail)

    def _check_accepted(self, node: NodeId, old: Proposal | None, new: Proposal | None) -> None:
        if old is not None and (new is None or new.ballot < old.ballot or (new.ballot == old.ballot and new != old)):
            self._context.fail("synod.accepted_monotone", node, f"durably accepted was {old}, now {new}")
        if new is None or new == old:
            return
        acceptors = self._acceptors.setdefault(new, {})
        acceptors[node] = None
        if self._quorum.is_quorum(acceptors):
            self._choose(node, new)

    def _note_promise(self, node: NodeId, state: AcceptorState) -> None:
        # A promise reports what the disk held when it became durable; accepting b promises b too, but reports nothing.
        if state.promised is not None and (state.accepted is None or state.accepted.ballot < state.promised):
            self._promises.setdefault(state.promised, {})[node] = state.accepted

    def _choose(self, node: NodeId, proposal: Proposal) -> None:
        if self._chosen is not None and self._chosen != proposal.value:
            detail = f"{self._chosen!r} was chosen, and now {proposal} is"
            self._context.fail("synod.one_value_chosen", node, detail)
        self._chosen = proposal.value

    def _check_prepare(self, node: NodeId, ballot: Ballot) -> None:
        life = self._life_of_ballot.setdefault(ballot, self._life[node])
        if ballot.node != node or life != self._life[node]:
            self._context.fail("synod.ballot_reused", node, f"{ballot} is prepared again, or is not its own")
        durable = self._disk[node].proposer.round
        if durable < ballot.round:
            detail = f"prepares round {ballot.round}, but {durable} is durable"
            self._context.fail("synod.round_ahead_of_disk", node, detail)

    def _check_promised(self, node: NodeId, promise: Promise) -> None:
        self._check_durable_promise(node, promise.ballot)
        accepted = self._disk[node].acceptor.accepted
        if accepted is not None and accepted.ballot < promise.ballot and promise.accepted != accepted:
            detail = f"promises {promise.ballot} with {promise.accepted}, but had accepted {accepted}"
            self._context.fail("synod.promise_ahead_of_disk", node, detail)

    def _check_durable_promise(self, node: NodeId, ballot: Ballot) -> None:
        durable = self._disk[node].acceptor.promised
        if durable is None or durable < ballot:
            self._context.fail("synod.promise_ahead_of_disk", node, f"sends {ballot}, but {durable} is durable")

    def _check_accept(self, node: NodeId, accept: Accept) -> None:
        if accept.ballot.node != node:
            self._context.fail("synod.ballot_reused", node, f"{accept.ballot} is not its own")
        if self._value_of_ballot.get(accept.ballot) == accept.value:
            return  # checked before: every acceptor gets the same
        if self._value_of_ballot.setdefault(accept.ballot, accept.value) != accept.value:
            detail = f"{accept.ballot} proposes {accept.value!r} after {self._value_of_ballot[accept.ballot]!r}"
            self._context.fail("synod.ballot_two_values", node, detail)
        if accept.value not in self._asked:
            self._context.fail("synod.only_proposed", node, f"no client requested {accept.value!r}")
        promises = self._promises.get(accept.ballot, {})
        if not self._is_allowed(accept, promises):
            detail = f"{accept} has no quorum of promises that allows it: {promises}"
            self._context.fail("synod.value_not_highest", node, detail)

    def _is_allowed(self, accept: Accept, promises: Mapping[NodeId, Proposal | None]) -> bool:
        # P2c (§2.2), for some quorum of acceptors that promised: none of them had accepted anything, or the value is
        # that of the highest ballot in it. A quorum capped at ballot b is the largest set that has nothing above b.
        is_quorum = self._quorum.is_quorum
        if is_quorum([node for node, accepted in promises.items() if accepted is None]):
            return True
        return any(
            highest is not None
            and highest.value == accept.value
            and is_quorum(
                [node for node, accepted in promises.items() if accepted is None or accepted.ballot <= highest.ballot]
            )
            for highest in promises.values()
        )
