"""`Transfer`: hands leadership to another member, without an election time-out (dissertation §3.10).

The leader takes no commands meanwhile. Once the target has all of its log, it sends `TimeoutNow`: the target becomes a
candidate at once, and the others vote although their leader is active. If it does not lead within an election
time-out, the leader goes on; but a leader that is no member any more steps down then (dissertation §4.2.2).

Short of space. A leader whose disk has no room for commands (`ShortOfSpace`) begins a transfer by itself, to a voter
that has room and everything, or will in a moment; but only if the others are a quorum: else every vote and command
would need this very disk. No member without room is a target while another voter can lead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.leadership import Leadership
from coterie.protocols.raft.raft_effects import TransferEnded, TransferLeadership
from coterie.protocols.raft.raft_messages import TimeoutNow
from coterie.protocols.raft.raft_observations import TRANSFER_ABORTED, TRANSFER_STARTED
from coterie.protocols.raft.role import RoleState

__all__ = ["Transfer"]

PAUSE: Final = 10
"""So many of the longest election time-outs a leader waits after a transfer of its own that failed."""


@dataclass(slots=True)
class _UnderWay:
    """`target` is the key of a member; `is_asked`: it was told to become a candidate.

    `ref` None: nobody waits for an answer. `leaves`: this node is no voter any more, and steps down in any case.
    """

    ref: int | None
    target: NodeId
    leadership: Leadership
    deadline: float
    leaves: bool
    is_asked: bool = False


class Transfer:
    """The transfers of one node: at most one at a time.

    Args:
        role_state: of this node.
    """

    __slots__ = ("_paused_until", "_role_state", "_under_way")

    def __init__(self, role_state: RoleState) -> None:
        self._role_state = role_state
        self._under_way: _UnderWay | None = None
        self._paused_until = 0.0

    @property
    def target(self) -> NodeId | None:
        """The member that is to lead; None: no transfer is under way, and commands are taken."""
        return None if self._under_way is None else self._under_way.target

    def begin(self, event: TransferLeadership) -> None:
        """Begin a transfer, or say why there is none."""
        state = self._role_state
        leadership = state.leadership
        if leadership is None:
            self._refuse(event.ref, "it does not lead")
        elif self._under_way is not None:
            self._refuse(event.ref, f"a transfer to {state.electorate.node_of(self._under_way.target)} is under way")
        elif (target := self._target(event.target, leadership)) is None:
            self._refuse(event.ref, self._why_not(event.target, leadership))
        else:
            self._start(event.ref, target, leadership)

    def leave(self, leadership: Leadership) -> None:
        """Hand over to the voter that is furthest, since this node is no voter any more; then step down in any case.

        While no voter answers, nothing happens: check-quorum ends the leadership.
        """
        able = leadership.successors()
        target = next(filter(leadership.has_room, able), able[0] if able else None)
        if self._under_way is None and target is not None:
            self._start(None, target, leadership, leaves=True)

    def advance(self) -> None:
        """Tell the target to become a candidate once it has everything; note the end of the leadership.

        Begin to hand over if this leader is short of space, and another voter is not.
        """
        state = self._role_state
        if state.is_short and self._under_way is None and state.leadership is not None:
            self._make_way(state.leadership)
        under_way = self._under_way
        if under_way is None:
            return
        if state.leadership is not under_way.leadership:
            self._end(under_way, is_done=True, reason="")
        elif not under_way.is_asked and self._is_ready(under_way):
            under_way.is_asked = True
            state.outbox.send(under_way.target, TimeoutNow(state.term), state.durability.after_hard_state())
            if under_way.leaves:  # no member tells a removed leader of the next one: it need not wait for that
                state.leave()
                self._end(under_way, is_done=True, reason="")

    def tick(self, now: float) -> None:
        """Give up what has taken longer than an election time-out: this node leads on."""
        under_way, state = self._under_way, self._role_state
        if under_way is None or now < under_way.deadline:
            return
        reason = "it was not elected in time" if under_way.is_asked else "it does not have the whole log in time"
        state.outbox.observe(TRANSFER_ABORTED, term=state.term, target=under_way.target, reason=reason)
        if under_way.leaves:
            state.leave()
        elif under_way.ref is None:
            self._paused_until = now + PAUSE * state.config.election_timeout_max_s
        self._end(under_way, is_done=False, reason=f"{state.electorate.node_of(under_way.target)}: {reason}")

    def _is_ready(self, under_way: _UnderWay) -> bool:
        """Return whether the target has everything; a leader that leaves lets its commands be committed first, too."""
        log = self._role_state.log
        is_settled = not under_way.leaves or log.commit_index == log.last_index
        return is_settled and under_way.leadership.has_everything(under_way.target)

    def _make_way(self, leadership: Leadership) -> None:
        """Begin to hand over to a voter with room that has everything, or will in a moment, if the others can go on."""
        state = self._role_state
        if state.now < self._paused_until or not state.electorate.quorum.is_quorum(leadership.successors()):
            return
        target = next((peer for peer in self.roomy(leadership) if leadership.is_near(peer)), None)
        if target is not None:
            self._start(None, target, leadership)

    def _start(self, ref: int | None, target: NodeId, leadership: Leadership, *, leaves: bool = False) -> None:
        state = self._role_state
        deadline = state.now + state.config.election_timeout_max_s
        self._under_way = _UnderWay(ref, target, leadership, deadline, leaves)
        reason = "removed" if leaves else "operator" if ref is not None else "short_of_space"
        state.outbox.observe(TRANSFER_STARTED, term=state.term, target=target, reason=reason)

    def _target(self, node: NodeId | None, leadership: Leadership) -> NodeId | None:
        """Return the key of the member on `node`, or (None) of the one that is furthest.

        None if it does not answer, or has no room although another voter has.
        """
        candidates = self.roomy(leadership)
        if not candidates and self._role_state.is_short:
            candidates = leadership.successors()
        if node is None:
            return candidates[0] if candidates else None
        return next((key for key in candidates if self._role_state.electorate.node_of(key) == node), None)

    def _why_not(self, node: NodeId | None, leadership: Leadership) -> str:
        """Return why no transfer to `node` can begin."""
        key = next((key for key in leadership.successors() if self._role_state.electorate.node_of(key) == node), None)
        if key is not None:
            return (
                f"{node!r} cannot lead next: its disk is nearly full, or full, and another voter has room: "
                f"free disk space on {node}, see `coterie status`"
            )
        whom = "no member can" if node is None else f"{node!r} cannot"
        return f"{whom} lead next: it must be another member, and answer, and have free disk space"

    def roomy(self, leadership: Leadership) -> list[NodeId]:
        """Return the voters with room for commands that could lead next, those that are furthest first."""
        return [peer for peer in leadership.successors() if leadership.has_room(peer)]

    def _refuse(self, ref: int, reason: str) -> None:
        self._role_state.outbox.add(TransferEnded(ref, False, reason))

    def _end(self, under_way: _UnderWay, *, is_done: bool, reason: str) -> None:
        self._under_way = None
        if under_way.ref is not None:
            self._role_state.outbox.add(TransferEnded(under_way.ref, is_done, reason))
