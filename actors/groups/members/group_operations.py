"""`GroupOperations`: what operators ask of a group through a client: a newer schema, another leader, other members."""

from __future__ import annotations

import asyncio
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
from coterie.actors.groups.members.group_members import GroupMembers, Transferred
from coterie.actors.groups.members.member_messages import ChangeGroupMembers, MembersChanged
from coterie.actors.groups.routed_command import RoutedCommand, refused
from coterie.errors import ActorNotFound, CommandRefused, CommandTimeout, CoterieError, Outcome
from coterie.runtime.cells.ask_deadlines import check_timeout
from coterie.runtime.hosts.host import Clock
from coterie.runtime.system import System

__all__ = ["GroupOperations", "Progress"]

Progress = Callable[[str], None]
"""Is called with how far an operation is, in words."""

ATTEMPT_S: Final = 2.0
"""How long one node has to answer, until others are asked."""

PAUSE_S: Final = 0.2
LEADER_PAUSE_S: Final = 0.02

LEADERLESS_S: Final = 1.0
"""For so long a leader is looked for, until the members are told as a replica knows them."""

SAY_EVERY_S: Final = 1.0
"""How often progress is told, at most."""

REFUSALS_MAX: Final = 50
"""So often all nodes may say that there is no such actor for this client: they may just be starting."""


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
                failure = f"{node}: {answer.reason}"
                routed.attempt_ended(Outcome.DEFINITE if answer.is_certain else Outcome.UNKNOWN)
                if answer.leader == node and answer.is_certain:
                    raise refused(f"group {self._group!r}: its newer schema was not made active: {failure}", routed)
            await asyncio.sleep(max(0.0, min(PAUSE_S, self._left_s(deadline))))
        last = failure or self._system.remoting.unlinked_reason
        text = f"group {self._group!r} did not say in {timeout_s:g} s that its newer schema is active (last: {last})"
        raise refused(text, routed)

    async def transfer(self, to: str | None, timeout_s: float) -> Transferred:
        """Carry out `GroupClient.transfer`."""
        check_timeout(timeout_s)
        deadline = self._deadline(timeout_s)
        old = (await self._leading(deadline)).node
        if old == to:
            return Transferred(old, has_changed=False)
        ask: asyncio.Future[HandOverAnswer] = self._router.ref(old).ask(HandOver(to), timeout_s=timeout_s)
        try:
            answer = await ask
        except CoterieError as error:
            raise CommandTimeout(
                f"group {self._group!r}: {old!r} did not hand over: {error}", Outcome.UNKNOWN
            ) from error
        if not answer.is_done:
            raise CommandRefused(f"group {self._group!r}: {old!r} leads on: {answer.reason}")
        return Transferred((await self._leading(deadline, but_not=old)).node, has_changed=True)

    async def members(self, timeout_s: float) -> GroupMembers:
        """Carry out `GroupClient.members`."""
        check_timeout(timeout_s)
        deadline, leaderless_s = self._deadline(timeout_s), self._deadline(LEADERLESS_S)
        search = _LeaderSearch(self)
        while (left_s := self._left_s(deadline)) > 0:
            statuses = await search.look(min(LEADERLESS_S, left_s))
            leader = _leader_in(statuses)
            if leader is not None:
                return GroupMembers(leader.members, leader=leader.node, node=leader.node, last_index=leader.last_index)
            newest = max(statuses, key=lambda status: (bool(status.members), status.last_index), default=None)
            if newest is not None and newest.members and self._left_s(leaderless_s) <= 0:
                return GroupMembers(newest.members, node=newest.node, last_index=newest.last_index)
            await asyncio.sleep(min(LEADER_PAUSE_S, left_s))
        raise self._nobody_leads()

    async def change(self, request: ChangeGroupMembers, timeout_s: float, on_progress: Progress | None) -> GroupMembers:
        """Change the members: at whichever node leads, until that has an end; return the members then.

        Raises:
            As `GroupClient.add`.
        """
        check_timeout(timeout_s)
        deadline = self._deadline(timeout_s)
        said, before, is_repeated = _Said(on_progress, self._system.host.clock), None, False
        while self._left_s(deadline) > 0:
            status = await self._leading(deadline)
            leader, before = status.node, before or status.members
            try:
                answer = await self._change_at(leader, request, deadline, said)
            except CoterieError as error:
                if self._left_s(deadline) > 0:
                    said.say(f"{leader} did not answer ({error}): asking again")
            else:
                if answer.is_done:  # by an earlier attempt, perhaps, whose answer is lost
                    has_changed = answer.has_changed or (is_repeated and answer.members != before)
                    members, index = answer.members, answer.index
                    return GroupMembers(members, leader=leader, node=leader, last_index=index, has_changed=has_changed)
                if not answer.is_passing:
                    raise CommandRefused(f"group {self._group!r}: {answer.reason}")
                said.say(answer.reason)
            is_repeated = True
            await asyncio.sleep(max(0.0, min(PAUSE_S, self._left_s(deadline))))
        raise CommandTimeout(
            f"group {self._group!r}: the change had not ended in {timeout_s:g} s, and may go on (last: {said.last}); "
            "look at the members, and repeat it",
            Outcome.UNKNOWN,
        )

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

    async def _leading(self, deadline: float, *, but_not: str | None = None) -> GroupStatus:
        """Return the status of the node that says that it leads. CommandTimeout if none does in time."""
        search = _LeaderSearch(self)
        while (left_s := self._left_s(deadline)) > 0:
            leader = _leader_in(await search.look(min(ATTEMPT_S, left_s)), but_not=but_not)
            if leader is not None:
                return leader
            await asyncio.sleep(min(LEADER_PAUSE_S, left_s))
        raise self._nobody_leads()

    async def look(self, timeout_s: float) -> tuple[list[GroupStatus], bool]:
        """Ask all nodes once; return the answers, and whether there are only nodes that know of no such actor."""
        self._router.check_runs(RoutedCommand())
        answers = (await self._status(timeout_s=timeout_s)).values()
        is_refused = bool(answers) and all(isinstance(each, ActorNotFound) for each in answers)
        return [status for status in answers if isinstance(status, GroupStatus)], is_refused

    def no_operator(self) -> CommandRefused:
        """Return the error of a client that no node answers."""
        return CommandRefused(
            f"group {self._group!r}: no node answers {self._system.node!r}: there is no such group, or this "
            "client is no operator of the cluster (Topology(operators=…))"
        )

    def _nobody_leads(self) -> CommandTimeout:
        return CommandTimeout(f"group {self._group!r}: no node said in time that it leads", Outcome.UNKNOWN)

    async def _activate_at(self, node: str, timeout_s: float) -> SchemaActivated | NotActivated:
        """Ask one node; an error is an answer, too."""
        try:
            ask: asyncio.Future[SchemaActivated | NotActivated] = self._router.ref(node).ask(
                ActivateSchema(), timeout_s=timeout_s
            )
            return await ask
        except CoterieError as error:
            is_certain = outcome_of(error) is Outcome.DEFINITE
            return NotActivated(str(error), None, is_certain=is_certain)

    def _deadline(self, timeout_s: float) -> float:
        return self._system.host.clock.monotonic() + timeout_s

    def _left_s(self, deadline: float) -> float:
        return deadline - self._system.host.clock.monotonic()


class _LeaderSearch:
    """Looks for the leader of a group, again and again, for one operation."""

    def __init__(self, operations: GroupOperations) -> None:
        self._operations = operations
        self._refused_by = 0

    async def look(self, timeout_s: float) -> list[GroupStatus]:
        """Return the answers of the nodes. CommandRefused if again and again there is no such actor for this client."""
        statuses, is_refused = await self._operations.look(timeout_s)
        self._refused_by += is_refused
        if self._refused_by == REFUSALS_MAX:
            raise self._operations.no_operator()
        return statuses


def _leader_in(statuses: Sequence[GroupStatus], *, but_not: str | None = None) -> GroupStatus | None:
    """Return the status of the node that says that it leads."""
    return next((status for status in statuses if status.leader == status.node != but_not), None)


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
