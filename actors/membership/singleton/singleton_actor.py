"""`SingletonActor`: a node's part in a singleton: claims it in its turn, runs its actor, passes messages on.

lease, view, registry ──▶ next_step (pure) ──▶ Claim, Release ▶ group `membership`
                                          └──▶ child `cron/epoch-7`: spawned when granted, stopped before the lease ends
messages ──▶ HeldMessages ──▶ the actor of the epoch, wherever it runs

Each node runs one, at the same path. It reads what the node knows of the membership, and decides again whenever that
changes.
"""

from __future__ import annotations

import asyncio
import functools
import operator
import types
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Final, Self, TypeVar

from coterie.actors.groups.group_client import GroupClient
from coterie.actors.membership.cluster_membership import ClusterMembership
from coterie.actors.membership.singleton.held_messages import HeldMessages
from coterie.actors.membership.singleton.lease_guard import LeaseGuard
from coterie.actors.membership.singleton.singleton_messages import SingletonMoved
from coterie.actors.membership.view_machine import Claim, Release
from coterie.errors import CoterieError
from coterie.protocols.membership.members import Member, MemberId
from coterie.protocols.membership.partition_policy import Stand
from coterie.protocols.membership.singleton_steps import Situation, Step, newer, next_step, turns
from coterie.protocols.membership.singletons import Epoch, Granted, HeldBy, Holder
from coterie.runtime.actor import Actor, Terminated
from coterie.runtime.cells.mailbox import Overflow
from coterie.runtime.cells.supervision import Supervision
from coterie.runtime.observing.error_texts import error_line
from coterie.runtime.refs import Address, Ref
from coterie.runtime.user_code import is_exit

__all__ = ["HANDOVER_S", "SingletonActor", "SingletonOptions"]

HANDOVER_S: Final = 2.0
"""For so long an actor may finish its message when its node gives the singleton up; then its handler is cancelled."""

COMMAND_S: Final = 2.0
RETRY_S: Final = 0.5
HOLD_OFF_S: Final = 5.0
"""For so long a node does not claim a singleton whose actor has ended by itself there: another node may."""

TICK_S: Final = 0.001
"""It looks again so much later at the earliest: a timer may fire early by a rounding error."""

KINDS_MAX: Final = 256

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class SingletonOptions:
    """How the actor of a singleton is made, and where.

    Attributes:
        make: makes it for an epoch.
        is_eligible: whether it may run on a member.
        lease_s: the length of a member's lease, s.
        supervision, capacity, overflow: as of a spawn.
    """

    make: Callable[[Epoch], Actor[Any]]
    is_eligible: Callable[[Member], bool]
    lease_s: float
    supervision: Supervision | None = None
    capacity: int | None = None
    overflow: Overflow = Overflow.FAIL


@dataclass(slots=True)
class _Run:
    """The actor that runs here. `reason`: why it is to stop; "" if it is not."""

    epoch: Epoch
    ref: Ref[Any]
    guard: LeaseGuard
    reason: str = ""


class SingletonActor(Actor[M]):
    """One node's part in the singleton that has the name of its path.

    Args:
        membership: the node's.
        group: the group that holds the view.
        options: the actor of the singleton.
        messages: the classes that it takes from other nodes and clients.
    """

    takes_any = True

    def __new__(cls, *_: Any, messages: tuple[type, ...], **__: Any) -> Self:
        """Return an actor of a class that names `messages`: they differ between singletons."""
        return object.__new__(_class_for(messages) if cls is SingletonActor else cls)  # type: ignore[return-value]

    def __init__(
        self,
        membership: ClusterMembership,
        group: GroupClient[Any],
        options: SingletonOptions,
        *,
        messages: tuple[type, ...],
    ) -> None:
        self._membership = membership
        self._group = group
        self._options = options
        self._messages = messages

    # --- life -------------------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Begin: nothing runs here."""
        context = self.context
        self._name = context.self_ref.path
        self._me = self._membership.me.identity
        self._known = Holder(None, Epoch(0))
        self._given_up_by: MemberId | None = None
        self._unheld_since: float | None = None
        self._run: _Run | None = None
        self._is_wanted = True
        self._is_busy = False
        self._hold_off_until = self._retry_at = -inf
        self._alarm: asyncio.TimerHandle | None = None
        self._idle: list[asyncio.Future[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._held = HeldMessages(context.system, self._name, self._target)
        self._ignore = (
            self._membership.on_change(context.wake),
            self._membership.at_handover(self.give_up),
        )
        context.wake()

    def on_restart(self, error: BaseException) -> None:
        """Begin anew: what this node holds has ended with the former instance."""
        self.on_start()

    def on_stop(self) -> None:
        """End."""
        for ignore in self._ignore:
            ignore()
        if self._alarm is not None:
            self._alarm.cancel()
        for task in self._tasks:
            task.cancel()
        if self._run is not None:
            self._run.guard.look()
            self._log_stopped(self._run, "the node stops")

    # --- messages ---------------------------------------------------------------------------------------------------

    def receive(self, msg: Any, /) -> object:
        """Take what other nodes say, or pass a message on."""
        if isinstance(msg, SingletonMoved):
            self._moved(msg)
        elif isinstance(msg, Terminated):
            self._child_ended(msg)
        elif self.context.deadline is None:
            self.context.reply_from(msg, self._held.tell(msg))
        else:
            self.context.reply_from(msg, self._held.ask(msg, self.context.deadline))
        return None

    def on_visit_end(self) -> None:
        """Decide what is next."""
        self._review()
        self._resolve_idle()

    def _target(self) -> Ref[Any] | None:
        """Return the ref of the actor of the epoch that is known."""
        holder, epoch = self._known.member, self._known.epoch
        member = None if holder is None else self._membership.view.find(holder)
        if member is None or member.is_down:
            return None
        if holder == self._me:
            run = self._run
            return run.ref if run is not None and run.epoch == epoch and not run.reason else None
        return self.context.system.at(Address(member.name, f"{self._name}/{_child_name(epoch)}"))

    def _moved(self, msg: SingletonMoved) -> None:
        if msg.member.name != msg.sender or self._membership.view.find(msg.member) is None:
            return
        self._learn(Holder(msg.member if msg.is_held else None, msg.epoch), None if msg.is_held else msg.member)

    def _learn(self, holder: Holder, given_up_by: MemberId | None = None) -> None:
        """Take a state of the singleton, if it is newer than the known one."""
        if newer(holder, self._known) != self._known:
            self._known, self._given_up_by = holder, given_up_by
            self._unheld_since = None
            self._held.changed()
            self.context.wake()

    # --- what is next -----------------------------------------------------------------------------------------------

    def _review(self) -> None:
        held = self._membership.registry.holders.get(self._name)
        if held is not None:
            self._learn(held)
        now = self.context.clock.monotonic()
        if self._run is not None and self._run.reason:
            self._run.guard.look()
            return
        if self._membership.registry.revision < 0:
            return
        step = next_step(self._situation(now))
        if step.step is None:
            self._look_again(step.at, now)
        elif self._run is not None or not (self._is_busy or now < self._retry_at):
            self._take(step.step)
        elif not self._is_busy:
            self._look_again(self._retry_at, now)

    def _situation(self, now: float) -> Situation:
        known = self._membership
        is_held = self._known.member is not None and known.view.find(self._known.member) is not None
        self._unheld_since = None if is_held else now if self._unheld_since is None else self._unheld_since
        return Situation(
            now,
            known.lease_ends_at if known.stand is Stand.ACT else -inf,
            self._options.lease_s,
            self._me,
            known.view,
            self._known,
            self._turns(is_held=is_held),
            self._unheld_since,
            None if self._run is None else self._run.epoch,
            self._is_wanted,
            self._hold_off_until,
        )

    def _turns(self, *, is_held: bool) -> tuple[MemberId, ...]:
        """Return the members that may claim, in their order; none if this is of no interest now."""
        if self._run is not None or (is_held and self._known.member != self._me):
            return ()
        return turns(self._membership.view, self._options.is_eligible, self._given_up_by)

    def _take(self, step: Step) -> None:
        match step:
            case Step.CLAIM:
                self._task(self._claim())
            case Step.GIVE_BACK:
                self._task(self._give_back(self._known.epoch))
            case Step.STOP | Step.KILL if self._run is not None:
                limit_s = 0.0 if step is Step.KILL else inf if self._is_wanted else HANDOVER_S
                why = "another grant followed" if step is Step.KILL else "the lease ends"
                self._stop_child(self._run, why if self._is_wanted else "the node gives it up", limit_s)

    def _look_again(self, at: float | None, now: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if at is not None and at < inf:
            self._alarm = self.context.system.loop.call_later(max(TICK_S, at - now), self.context.wake)

    # --- the group --------------------------------------------------------------------------------------------------

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a command of the group; one at a time."""
        self._is_busy = True
        task = self.context.system.loop.create_task(self._busy(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _busy(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except CoterieError as error:
            self.context.log.debug("singleton.command_failed", singleton=self._name, error=str(error))
            self._retry_at = self.context.clock.monotonic() + RETRY_S
        finally:
            self._is_busy = False
            self.context.wake()

    async def _claim(self) -> None:
        answer = await self._group.execute(Claim(self._name, self._me), timeout_s=COMMAND_S)
        match answer:
            case Granted(epoch):
                self._granted(epoch)
            case HeldBy(holder, epoch):
                self._learn(Holder(holder, epoch))
                self._retry_at = self.context.clock.monotonic() + RETRY_S
            case refused:
                self.context.log.warning("singleton.claim_refused", singleton=self._name, reason=refused.reason)
                self._retry_at = self.context.clock.monotonic() + RETRY_S

    def _granted(self, epoch: Epoch) -> None:
        """Start the actor, if this node may still run it; else what is next is decided anew."""
        self._learn(Holder(self._me, epoch))
        self._announce(epoch, is_held=True)
        if self._known == Holder(self._me, epoch) and self._is_wanted and self._may_run():
            self._start(epoch)

    def _may_run(self) -> bool:
        """Return whether the actor may run here at this moment, and for some time more."""
        return self._membership.may_act and self._situation(self.context.clock.monotonic()).may_run

    async def _give_back(self, epoch: Epoch) -> None:
        await self._group.execute(Release(self._name, self._me, epoch), timeout_s=COMMAND_S)
        self._learn(Holder(None, epoch), self._me)
        self._announce(epoch, is_held=False)

    def _announce(self, epoch: Epoch, *, is_held: bool) -> None:
        """Tell the other members; one that does not hear it reads it from the group."""
        system = self.context.system
        notice = SingletonMoved(self._me.name, self._me, epoch, is_held)
        for member in self._membership.view.present:
            if system.remoting.association(member.name) is not None:
                system.at(Address(member.name, self._name)).tell(notice)

    # --- the actor --------------------------------------------------------------------------------------------------

    def _start(self, epoch: Epoch) -> None:
        options = self._options
        supervision = replace(options.supervision or Supervision(), escalates=False)
        try:
            ref = self.context.spawn(
                functools.partial(options.make, epoch),
                name=_child_name(epoch),
                supervision=supervision,
                capacity=options.capacity,
                overflow=options.overflow,
            )
        except Exception as error:
            if is_exit(error):
                raise
            self.context.log.error(
                "singleton.start_failed", singleton=self._name, epoch=epoch, error=error_line(error), exc_info=error
            )
            self._hold_off()
            return
        guard = LeaseGuard(self.context.system, ref, lambda: self._membership.lease_ends_at)
        self._run = _Run(epoch, ref, guard)
        self.context.watch(ref)
        self.context.log.info("singleton.started", singleton=self._name, epoch=epoch, node=self._me.name)
        self._held.changed()

    def _stop_child(self, run: _Run, reason: str, limit_s: float) -> None:
        run.reason = reason
        self.context.stop(run.ref)
        run.guard.stop_by(self.context.clock.monotonic() + limit_s)

    def _child_ended(self, notice: Terminated) -> None:
        run = self._run
        if run is None or run.ref != notice.ref:
            return
        self._run = None
        run.guard.close()
        by_itself = "the lease has ended" if run.guard.has_ended_it else f"it has ended: {notice.cause}"
        self._log_stopped(run, run.reason or by_itself)
        if not run.reason:
            self._hold_off()
        self._held.changed()

    def _hold_off(self) -> None:
        """Leave the singleton to another node for a while."""
        self._hold_off_until = self.context.clock.monotonic() + HOLD_OFF_S

    def _log_stopped(self, run: _Run, reason: str) -> None:
        self.context.log.info(
            "singleton.stopped", singleton=self._name, epoch=run.epoch, node=self._me.name, reason=reason
        )

    # --- giving up --------------------------------------------------------------------------------------------------

    async def give_up(self) -> None:
        """Stop the actor, and give the singleton back: this node leaves, or stops. It claims nothing any more."""
        self._is_wanted = False
        idle: asyncio.Future[None] = self.context.system.loop.create_future()
        self._idle.append(idle)
        self.context.wake()
        await asyncio.wait([idle], timeout=HANDOVER_S + COMMAND_S)

    def _resolve_idle(self) -> None:
        if self._is_wanted or self._run is not None or self._is_busy or self._known.member == self._me:
            return
        for idle in self._idle:
            if not idle.done():
                idle.set_result(None)
        self._idle.clear()


def _child_name(epoch: Epoch) -> str:
    return f"epoch-{epoch}"


@functools.lru_cache(KINDS_MAX)
def _class_for(messages: tuple[type, ...]) -> type[SingletonActor[Any]]:
    """Return the class of the singletons of these messages."""
    declared = functools.reduce(operator.or_, messages, SingletonMoved | Terminated)
    base = SingletonActor[declared]  # type: ignore[valid-type]  # known only at run time
    return types.new_class("SingletonActor", (base,))
