"""`GroupOperations`: what operators ask of a group through a client: a newer schema, another leader, other members."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

from coterie.actors.groups.command_batches import outcome_of
from coterie.actors.groups.group_messages import (
    ActivateSchema,
    GroupStatus,
    HandOver,
    HandOverAnswer,
    NotActivated,
    SchemaActivated,
)
from coterie.actors.groups.leader_router import LeaderRouter
from coterie.actors.groups.members.group_members import GroupHasNoLeader, GroupMembers, Transferred
from coterie.actors.groups.members.member_messages import ChangeGroupMembers, MembersChanged
from coterie.actors.groups.routed_command import RoutedCommand, refused
from coterie.actors.node_report import NODE_REPORT_PATH, ReportNode, no_operator_text
from coterie.errors import ActorNotFound, CommandRefused, CommandTimeout, CoterieError, NodeStarting, Outcome
from coterie.runtime.cells.ask_deadlines import check_timeout
from coterie.runtime.hosts.host import Clock
from coterie.runtime.refs import Address, Ref
from coterie.runtime.system import System

__all__ = ["GroupOperations", "Progress"]

Progress = Callable[[str], None]
"""Is called with how far an operation is, in words."""

ATTEMPT_S: Final = 2.0
"""How long one node has to answer, until others are asked."""

PAUSE_S: Final = 0.2
LEADER_PAUSE_S: Final = 0.02

LEADERLESS_S: Final = 1.0
"""For so long a leader is looked for, from the first answer of a replica, until the members are told as it has them."""

SAY_EVERY_S: Final = 1.0
"""How often progress is told, at most."""

NOTHING: Final = "nothing was changed"


class _Status(Protocol):
    def __call__(self, *, timeout_s: float) -> Awaitable[Mapping[str, GroupStatus | CoterieError]]: ...


class GroupOperations:
    """The operations on one group.

    Args:
        system: of the client or node.
        group: its name.
        nodes: returns the nodes that are linked now.
        router: refers to the group's actors.
        status: asks all of them how they are.
    """

    def __init__(
        self, system: System, group: str, nodes: Callable[[], Sequence[str]], router: LeaderRouter, status: _Status
    ) -> None:
        self._system = system
        self._group = group
        self._nodes = nodes
        self._router = router
        self._status = status
        self._may_operate = False  # a node has said so, by an answer

    async def activate(self, timeout_s: float) -> SchemaActivated:
        """Carry out `GroupClient.activate`."""
        check_timeout(timeout_s)
        deadline = self._deadline(timeout_s)
        routed, failure = RoutedCommand(subject="the activation"), ""
        while (left_s := self._left_s(deadline)) > 0:
            self._router.check_runs(routed)
            for node in dict.fromkeys(node for node in (self._router.leader, *self._nodes()) if node is not None):
                answer = await self._activate_at(node, min(ATTEMPT_S, left_s))
                if isinstance(answer, SchemaActivated):
                    return answer
                if isinstance(answer, CoterieError):
                    await self._check_rights({node: answer}, self._left_s(deadline), routed)
                    failure = f"{node}: {answer}"
                    routed.attempt_ended(outcome_of(answer))
                    continue
                failure = f"{node}: {answer.reason}"
                routed.attempt_ended(Outcome.DEFINITE if answer.is_certain else Outcome.UNKNOWN)
                if answer.leader == node and answer.is_certain:
                    raise refused(f"group {self._group!r}: its newer schema was not made active: {failure}", routed)
            await asyncio.sleep(max(0.0, min(PAUSE_S, self._left_s(deadline))))
        last = failure or self._system.remoting.unlinked_reason
        text = f"group {self._group!r} did not say in {timeout_s:g} s that its newer schema is active (last: {last})"
        text = f"{text}; {NOTHING}" if routed.outcome is Outcome.DEFINITE else text
        raise refused(text, routed)

    async def transfer(self, to: str | None, timeout_s: float) -> Transferred:
        """Carry out `GroupClient.transfer`."""
        check_timeout(timeout_s)
        deadline = self._deadline(timeout_s)
        before = await self._leading(deadline, NOTHING)
        old = before.node
        if old == to:
            return Transferred(old, has_changed=False)
        left_s = max(LEADER_PAUSE_S, self._left_s(deadline))
        ask: asyncio.Future[HandOverAnswer] = self._router.ref(old).ask(HandOver(to), timeout_s=left_s)
        try:
            answer = await ask
        except CoterieError as error:
            outcome = outcome_of(error)
            fate = NOTHING if outcome is Outcome.DEFINITE else "it may still do so: see which node leads"
            text = f"group {self._group!r}: {old!r} did not hand over: {error}; {fate}"
            raise CommandTimeout(text, outcome) from error
        if not answer.is_done:
            raise CommandRefused(f"group {self._group!r}: {old!r} leads on: {answer.reason}")
        now = await self._leading(deadline, f"{old} has handed over", Outcome.HAPPENED, after_term=before.term)
        if now.node == old:
            raise CommandRefused(f"group {self._group!r}: {old!r} leads again: no other node was elected")
        return Transferred(now.node, has_changed=True)

    async def members(self, timeout_s: float) -> GroupMembers:
        """Carry out `GroupClient.members`."""
        check_timeout(timeout_s)
        deadline, leaderless_s = self._deadline(timeout_s), math.inf
        search = _LeaderSearch(self)
        while (left_s := self._left_s(deadline)) > 0:
            began_s = self._deadline(0.0)
            statuses = await search.look(min(LEADERLESS_S, left_s))
            leader = _leader_in(statuses)
            if leader is not None:
                return GroupMembers(leader.members, leader=leader.node, node=leader.node, last_index=leader.last_index)
            newest = max(statuses, key=lambda status: (bool(status.members), status.last_index), default=None)
            leaderless_s = min(leaderless_s, began_s + LEADERLESS_S) if statuses else leaderless_s
            if newest is not None and newest.members and self._left_s(leaderless_s) <= 0:
                return GroupMembers(newest.members, node=newest.node, last_index=newest.last_index)
            await asyncio.sleep(min(LEADER_PAUSE_S, left_s))
        raise self.nobody_leads(search, NOTHING, Outcome.DEFINITE)

    async def change(self, request: ChangeGroupMembers, timeout_s: float, on_progress: Progress | None) -> GroupMembers:
        """Change the members: at whichever node leads, until that has an end; return the members then.

        Raises:
            As `GroupClient.add`.
        """
        check_timeout(timeout_s)
        deadline, routed = self._deadline(timeout_s), RoutedCommand()
        said, before, is_repeated = _Said(on_progress, self._system.host.clock), None, False
        while self._left_s(deadline) > 0:
            status = await self._leading(deadline, _fate(routed.outcome), routed.outcome, said)
            leader, before = status.node, before or status.members
            try:
                answer = await self._change_at(leader, request, deadline, said)
            except CoterieError as error:
                routed.attempt_ended(outcome_of(error))
                if self._left_s(deadline) > 0:
                    said.say(f"{leader} did not answer ({error}): asking again")
            else:
                if answer.is_done:  # by an earlier attempt, perhaps, whose answer is lost
                    has_changed = answer.has_changed or (is_repeated and answer.members != before)
                    members, index = answer.members, answer.index
                    return GroupMembers(members, leader=leader, node=leader, last_index=index, has_changed=has_changed)
                if not answer.is_passing:
                    raise CommandRefused(f"group {self._group!r}: {answer.reason}")
                routed.attempt_ended(Outcome.DEFINITE if answer.is_certain else Outcome.UNKNOWN)
                said.say(answer.reason)
            is_repeated = True
            await asyncio.sleep(max(0.0, min(PAUSE_S, self._left_s(deadline))))
        text = f"group {self._group!r}: the change had not ended in {timeout_s:g} s (last: {said.last})"
        raise CommandTimeout(f"{text}; {_fate(routed.outcome)}", routed.outcome)

    async def _change_at(
        self, leader: str, request: ChangeGroupMembers, deadline: float, said: _Said
    ) -> MembersChanged:
        """Ask the leader, and tell how far the change is until it answers."""
        left_s = max(LEADER_PAUSE_S, self._left_s(deadline))
        asked: asyncio.Future[MembersChanged] = self._router.ref(leader).ask(request, timeout_s=left_s)
        while not (await asyncio.wait([asked], timeout=PAUSE_S))[0]:
            statuses = await self._status(timeout_s=ATTEMPT_S)
            status = statuses.get(leader)
            if isinstance(status, GroupStatus) and (how_far := status.change or status.activity) is not None:
                said.say(how_far)
        return asked.result()

    async def _leading(
        self,
        deadline: float,
        fate: str,
        outcome: Outcome = Outcome.DEFINITE,
        said: _Said | None = None,
        *,
        after_term: int = 0,
    ) -> GroupStatus:
        """Return the status of the node that says that it leads, in a term after `after_term`.

        GroupHasNoLeader if none does in time: `fate` and `outcome` are those of the operation then.
        """
        search = _LeaderSearch(self)
        while (left_s := self._left_s(deadline)) > 0:
            leader = _leader_in(await search.look(min(ATTEMPT_S, left_s)), after_term)
            if leader is not None:
                return leader
            if said is not None:
                said.say(search.view)
            await asyncio.sleep(min(LEADER_PAUSE_S, left_s))
        raise self.nobody_leads(search, fate, outcome)

    async def look(self, timeout_s: float) -> Mapping[str, GroupStatus | CoterieError]:
        """Ask all nodes once; return their answers. CommandRefused if this client may not ask."""
        routed, deadline = RoutedCommand(), self._deadline(timeout_s)
        self._router.check_runs(routed)
        answers = await self._status(timeout_s=timeout_s)
        if not any(isinstance(each, GroupStatus) for each in answers.values()):
            await self._check_rights(answers, self._left_s(deadline), routed)
        return answers

    async def _check_rights(self, answers: Mapping[str, object], left_s: float, routed: RoutedCommand) -> None:
        """Refuse the operation if nodes know of no such actor since this client is no operator, or no group has it.

        Every node that has started has the actor that is asked here: what hides that one hides all that is asked.
        """
        hidden = [node for node, answer in answers.items() if _is_hidden(answer)]
        for node in hidden if not self._may_operate else ():
            ref: Ref[ReportNode] = self._system.at(Address(node, NODE_REPORT_PATH))
            try:
                await ref.ask(ReportNode(), timeout_s=max(LEADER_PAUSE_S, left_s))
            except CoterieError as error:
                if _is_hidden(error):
                    text = f"group {self._group!r}: {no_operator_text(self._system.node)}"
                    raise refused(text, routed) from error
            else:
                self._may_operate = True
                break
        if hidden:
            self._router.check_group(routed)

    @property
    def unlinked_reason(self) -> str:
        """Why no node of the group could be asked."""
        return self._system.remoting.unlinked_reason

    def nobody_leads(self, search: _LeaderSearch, fate: str, outcome: Outcome) -> GroupHasNoLeader:
        """Return the error of an operation that found no leader in time."""
        return GroupHasNoLeader(f"group {self._group!r}: {search.view}; {fate}", outcome)

    async def _activate_at(self, node: str, timeout_s: float) -> SchemaActivated | NotActivated | CoterieError:
        """Ask one node; an error is an answer, too."""
        try:
            ask: asyncio.Future[SchemaActivated | NotActivated] = self._router.ref(node).ask(
                ActivateSchema(), timeout_s=timeout_s
            )
            return await ask
        except CoterieError as error:
            return error

    def _deadline(self, timeout_s: float) -> float:
        return self._system.host.clock.monotonic() + timeout_s

    def _left_s(self, deadline: float) -> float:
        return deadline - self._system.host.clock.monotonic()


class _LeaderSearch:
    """Looks for the leader of a group, again and again, for one operation. `view`: what the nodes said last."""

    def __init__(self, operations: GroupOperations) -> None:
        self._operations = operations
        self.view = "no node was asked"

    async def look(self, timeout_s: float) -> list[GroupStatus]:
        """Return the answers of the nodes. CommandRefused if this client may not ask."""
        answers = await self._operations.look(timeout_s)
        statuses = [status for status in answers.values() if isinstance(status, GroupStatus)]
        self.view = _view(answers, statuses, self._operations.unlinked_reason)
        return statuses


def _leader_in(statuses: Sequence[GroupStatus], after_term: int = 0) -> GroupStatus | None:
    """Return the status of the node that says that it leads, in a term after `after_term`."""
    leading = [status for status in statuses if status.leader == status.node and status.term > after_term]
    return max(leading, key=lambda status: status.term, default=None)


def _is_hidden(answer: object) -> bool:
    """Return whether a node that has started answered that there is no such actor, for this client at least."""
    return isinstance(answer, ActorNotFound) and not isinstance(answer, NodeStarting)


def _view(answers: Mapping[str, GroupStatus | CoterieError], statuses: Sequence[GroupStatus], unlinked: str) -> str:
    """Return what the nodes of a group say, of which none leads; `unlinked`: why none was asked, if so."""
    if not statuses:
        errors = "; ".join(f"{node}: {error}" for node, error in answers.items())
        return f"no node says that it leads ({errors or unlinked})"
    answering = {status.node for status in statuses}
    members = {member.node for status in statuses for member in status.members} or answering
    names = f" ({', '.join(sorted(answering & members))})" if answering & members else ""
    many = f"{len(answering & members)} of its {len(members)} nodes answer{names}"
    return f"it has no leader: {many}, and a leader needs a quorum"


def _fate(outcome: Outcome) -> str:
    """Return what an operator should think of an operation that has ended with an error."""
    return NOTHING if outcome is Outcome.DEFINITE else "it may go on: look at the members, and repeat it"


class _Said:
    """Tells what is new to whoever listens, once a second at most, and keeps it."""

    def __init__(self, on_progress: Progress | None, clock: Clock) -> None:
        self._on_progress = on_progress
        self._clock = clock
        self._told = ""
        self._next_s = clock.monotonic()
        self.last = "nothing was said"

    def say(self, text: str) -> None:
        self.last, now = text, self._clock.monotonic()
        if self._on_progress is not None and text != self._told and now >= self._next_s:
            self._told, self._next_s = text, now + SAY_EVERY_S
            self._on_progress(text)
