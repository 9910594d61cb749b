"""Scenario `actors`: runs actors that tell, ask and watch each other while nodes fail; checks the runtime's guarantees.

On every node a `Sender` and its two `Child` actors tell, ask and watch actors of the same and of other nodes. They fail
on purpose, stop themselves and reply late. No algorithm and no store can hide an error of the runtime. When the plan
has ended and no messages are pending, every ask has ended and every watcher has its notice. `RuntimeChecker` checks it.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from coterie.actors.node import Node
from coterie.actors.simulation.faults.actor_faults import InjectedError
from coterie.actors.simulation.scenarios.system_scenario import SystemScenario
from coterie.actors.simulation.simulation import Simulation
from coterie.actors.topology import Topology
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.runtime_checker import RuntimeChecker
from coterie.runtime.actor import Actor, Context, Later, Terminated
from coterie.runtime.cells.supervision import Supervision
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.messages.speakers import Speaker
from coterie.runtime.refs import Ref

__all__ = ["ACTORS", "BulkTell", "Child", "ConsensusTell", "Question", "Sender"]

CHILDREN: Final = 2
BURSTS: Final = (1, 1, 2, 5, 20)
SENDER_INTERVAL_S: Final = 0.1
CHILD_INTERVAL_S: Final = 0.2
ASK_TIMEOUT_S: Final = 0.5
DRAIN_S: Final = 20.0
FINISH_S: Final = 60.0
MIN_HANDLED: Final = 1000

CHILD_RESTARTS: Final = 4
CHILD_SUPERVISION: Final = Supervision(max_restarts=CHILD_RESTARTS, within_s=30.0, backoff_max_s=0.05)
SENDER_SUPERVISION: Final = Supervision(max_restarts=1000, within_s=30.0, backoff_max_s=0.05)

CHECKED_WITHIN_S: Final = 25.0
"""A node's clock may run 10 % fast, and a pause may delay the first restart of a series: so the checker allows one more
restart, within a shorter time, than the supervision does."""

EXCLUDED_KINDS: Final = ("fsync_error", "disk_full", "short_write", "bit_rot", "slow_disk", "stale_disk", "wiped_disk")


@message(name="simulation.Say", speaker=Speaker.NODE)
class BulkTell:
    """Tell number `number` of `sender`; `payload` shows whether it arrived intact, and at its receiver."""

    sender: str
    number: int
    payload: bytes


@message(name="simulation.Urge", lane=Lane.CONSENSUS, speaker=Speaker.NODE)
class ConsensusTell:
    """The same on the consensus lane, which precedes the bulk lane."""

    sender: str
    number: int
    payload: bytes


@message(name="simulation.Question", speaker=Speaker.NODE)
class Question(Ask[int]):
    """The same as an ask; the reply is `number`."""

    sender: str
    number: int
    payload: bytes


@message(name="simulation.Beat")
class Tick:
    """Timer message: time to send; never crosses the wire."""


NumberedMessage = BulkTell | ConsensusTell | Question


class OwnError(Exception):
    """The error that senders and children raise by themselves."""


EXPECTED_ERRORS: Final = (OwnError, InjectedError, asyncio.CancelledError)


class ActorRegistry:
    """All actors of a run, under names that are never reused, and the checker of what they do."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.checker = RuntimeChecker(sim.violation_context)
        self.is_draining = False
        self.handled = 0
        self.alive: dict[str, tuple[Any, ...]] = {}
        self.reporters: dict[str, ActorReporter] = {}
        self.numbers = itertools.count()
        self._name_by_row: dict[tuple[Any, ...], str] = {}
        self._lives: dict[str, list[int]] = {}

    def add(self, ref: Ref[Any], restarts: int | None = None) -> ActorReporter:
        """Register a new actor, which may be restarted `restarts` times; return its reporter."""
        name = f"{ref.node}/{self._life(ref.node, ref.incarnation)}/{ref.path}#{ref.uid}"
        row = self.alive[name] = tuple(ref.to_wire())
        self._name_by_row[row] = name
        reporter = self.reporters[name] = ActorReporter(name, row, self)
        self.report(lambda: self.checker.spawned(name, restarts=restarts, within_s=CHECKED_WITHIN_S))
        return reporter

    def reporter_of(self, context: Context) -> ActorReporter:
        """Return the reporter of the registered actor of `context`."""
        return self.reporters[self.name_of(context.self_ref)]

    def name_of(self, ref: Ref[Any]) -> str:
        """Return the name of the actor of a ref; the repr of the ref if the actor is not registered."""
        return self._name_by_row.get(tuple(ref.to_wire()), repr(ref))

    def finish(self) -> None:
        """Report the actors that have stopped, and the end of the run."""
        for name in self.reporters:
            if name not in self.alive:
                self.report(partial(self.checker.stopped, name))
        self.report(self.checker.ended)

    def report(self, fact: Callable[[], None]) -> None:
        """Call a method of the checker."""
        self.sim.check(fact)

    def _life(self, node: str, incarnation: int) -> int:
        """Return the number of a node's process life; a new one ends the actors of the life before."""
        lives = self._lives.setdefault(node, [])
        if incarnation not in lives:
            lives.append(incarnation)
            for name in [name for name in self.reporters if name.startswith(f"{node}/")]:
                self.alive.pop(name, None)
                self.report(partial(self.checker.crashed, name))
        return len(lives)


class ActorReporter:
    """Reports the actions of one actor over all its restarts; holds its refs and deferred replies."""

    def __init__(self, name: str, row: tuple[Any, ...], registry: ActorRegistry) -> None:
        self.name = name
        self._row = row
        self.refs: dict[str, Ref[Any]] = {}
        self.deferred: list[tuple[Later[int], int]] = []
        self._terminated_ref: Ref[Any] | None = None
        self._registry = registry
        self._checker = registry.checker

    def begin(self, msg: NumberedMessage) -> None:
        """Report that the handling of a message begins."""
        self._registry.handled += 1
        is_intact = msg.payload == _payload(msg.sender, self.name, msg.number)
        sender = msg.sender if is_intact else f"unknown (received as {msg!r:.80})"
        self._report(lambda: self._checker.handling(self.name, sender, _lane(msg), msg.number))

    def end(self) -> None:
        """Report that the handling of the message has ended."""
        self._report(lambda: self._checker.handled(self.name))

    def stopped(self) -> None:
        """Report that the actor has stopped itself: the present message was its last."""
        self._registry.alive.pop(self.name, None)
        self._report(lambda: self._checker.stopped(self.name))

    def restarted(self, context: Context, error: BaseException) -> None:
        """Report a restart, after an error of its own or an injected one."""
        if not isinstance(error, OwnError):
            self._unwatch_all(context)  # the injected fault may have hit a termination notice
        self._registry.alive[self.name] = self._row
        self._report(lambda: self._checker.restarted(self.name))
        if not isinstance(error, EXPECTED_ERRORS):
            detail = f"it failed with an error that it did not raise: {type(error).__name__}: {error}"
            self._report(
                lambda: self._registry.sim.violation_context.fail("runtime.innocent_failed", NodeId(self.name), detail)
            )

    def terminated(self, notice: Terminated) -> None:
        """Report a termination notice; an actor that is found again may be watched again."""
        other = self._registry.name_of(notice.ref)
        self._report(lambda: self._checker.terminated(self.name, other))
        self._report(lambda: self._checker.unwatched(self.name, other))
        self._terminated_ref = self.refs.pop(other, notice.ref)

    def _unwatch_all(self, context: Context) -> None:
        for other, ref in self.refs.items():
            context.unwatch(ref)
            self._report(partial(self._checker.unwatched, self.name, other))
        self.refs.clear()

    def send_random(self, context: Context, rng: random.Random, times: int) -> None:
        """Send `times` random messages to one random actor."""
        others = [name for name in self._registry.alive if name != self.name]
        if self._registry.is_draining or not others:
            return
        if self._terminated_ref is not None and rng.random() < 0.1:
            ref = self._terminated_ref  # messages to a terminated actor must not be handled
        else:
            known = [name for name in self.refs if rng.random() < 0.5]
            ref = self._ref_to(context, rng.choice(known or others))
        other = self._registry.name_of(ref)
        for _ in range(times):
            self._send(ref, other, rng.choice((BulkTell, BulkTell, ConsensusTell, Question)))

    def defer_reply(self, later: Later[int], number: int) -> None:
        """Keep a reply for `send_deferred`."""
        self.deferred.append((later, number))

    def send_deferred(self) -> None:
        """Send every deferred reply twice: only the first one counts."""
        deferred, self.deferred = self.deferred, []
        for later, number in deferred:
            later.reply(number)
            later.reply(-number)

    def _ref_to(self, context: Context, other: str) -> Ref[Any]:
        ref = self.refs.get(other)
        return self.watch(context, context.system.registry.ref(*self._registry.alive[other])) if ref is None else ref

    def watch(self, context: Context, ref: Ref[Any]) -> Ref[Any]:
        """Watch an actor and keep its ref until it terminates."""
        other = self._registry.name_of(ref)
        self.refs[other] = ref
        self._report(lambda: self._checker.watched(self.name, other))
        context.watch(ref)
        return ref

    def _send(self, ref: Ref[Any], other: str, kind: type[BulkTell | ConsensusTell | Question]) -> None:
        number = next(self._registry.numbers)
        msg = kind(self.name, number, _payload(self.name, other, number))
        self._report(lambda: self._checker.sent(self.name, other, _lane(msg), number))
        if isinstance(msg, Question):
            self._report(lambda: self._checker.asked(number, self.name))
            ref.ask(msg, timeout_s=ASK_TIMEOUT_S).add_done_callback(lambda future: self._resolved(number, future))
        else:
            ref.tell(msg)

    def _resolved(self, number: int, future: asyncio.Future[int]) -> None:
        self._report(lambda: self._checker.resolved(number))
        if not future.cancelled() and future.exception() is None and future.result() != number:
            detail = f"ask {number} was answered with {future.result()}"
            self._report(
                lambda: self._registry.sim.violation_context.fail(
                    "runtime.ask_resolved_once", NodeId(self.name), detail
                )
            )

    def _report(self, fact: Callable[[], None]) -> None:
        self._registry.report(fact)


class Sender(Actor[BulkTell | ConsensusTell | Question | Tick | Terminated]):
    """The top-level actor of each node: handles messages at once, and replaces children that terminate."""

    def __init__(self, registry: ActorRegistry, node: Node) -> None:
        self._registry = registry
        self._reporter: ActorReporter | None = None
        self._children: dict[Ref[Any], None] = {}

    def on_start(self) -> None:
        """Register the actor."""
        self._begin(self._registry.add(self.context.self_ref))

    def on_restart(self, error: BaseException) -> None:
        """Continue under the same name."""
        reporter = self._registry.reporter_of(self.context)
        reporter.restarted(self.context, error)
        self._begin(reporter)

    def _begin(self, reporter: ActorReporter) -> None:
        self._reporter = reporter
        self.context.every(SENDER_INTERVAL_S, Tick())

    def receive(self, msg: BulkTell | ConsensusTell | Question | Tick | Terminated, /) -> object:
        """Handle a message, or send some at a tick."""
        reporter, rng = _started(self._reporter), self.context.random
        match msg:
            case Tick():
                reporter.send_deferred()
                reporter.send_random(self.context, rng, rng.choice(BURSTS))
                self._spawn_children(reporter)
            case Terminated():
                reporter.terminated(msg)
                self._children.pop(msg.ref, None)
            case BulkTell() | ConsensusTell() | Question():
                reporter.begin(msg)
                try:
                    return self._handle(msg, reporter, rng)
                finally:
                    reporter.end()
            case _:
                raise OwnError(f"unknown type: {msg!r:.80}")
        return None

    def _handle(self, msg: NumberedMessage, reporter: ActorReporter, rng: random.Random) -> int:
        if rng.random() < 0.2:
            reporter.send_random(self.context, rng, 1)
        if rng.random() < 0.002:
            raise OwnError("a sender failed")
        if isinstance(msg, Question) and rng.random() < 0.5:
            reporter.defer_reply(self.context.reply_later(msg), msg.number)
        return msg.number

    def _spawn_children(self, reporter: ActorReporter) -> None:
        while len(self._children) < CHILDREN:
            ref = self.context.spawn(partial(Child, self._registry), supervision=CHILD_SUPERVISION)
            self._registry.add(ref, CHILD_RESTARTS + 1)
            self._children[reporter.watch(self.context, ref)] = None


class Child(Actor[BulkTell | ConsensusTell | Question | Tick | Terminated]):
    """A child of a sender: handles messages slowly, fails often, and sometimes stops itself."""

    def __init__(self, registry: ActorRegistry) -> None:
        self._registry = registry
        self._reporter: ActorReporter | None = None

    def on_start(self) -> None:
        """Start the timer."""
        self._begin(self._registry.reporter_of(self.context))

    def on_restart(self, error: BaseException) -> None:
        """Continue under the same name."""
        reporter = self._registry.reporter_of(self.context)
        reporter.restarted(self.context, error)
        self._begin(reporter)

    def _begin(self, reporter: ActorReporter) -> None:
        self._reporter = reporter
        self.context.every(CHILD_INTERVAL_S, Tick())

    def on_stop(self) -> None:
        """Mark the actor as not alive; a restart marks it as alive again."""
        self._registry.alive.pop(_started(self._reporter).name, None)

    async def receive(self, msg: BulkTell | ConsensusTell | Question | Tick | Terminated, /) -> object:
        """Handle a message, or send some at a tick."""
        reporter, rng = _started(self._reporter), self.context.random
        match msg:
            case Tick():
                reporter.send_deferred()
                reporter.send_random(self.context, rng, rng.choice(BURSTS))
            case Terminated():
                reporter.terminated(msg)
            case BulkTell() | ConsensusTell() | Question():
                reporter.begin(msg)
                has_stopped = False
                try:
                    has_stopped = await self._handle(msg, reporter, rng)
                finally:
                    reporter.end()
                if has_stopped:
                    reporter.stopped()
                return msg.number
            case _:
                raise OwnError(f"unknown type: {msg!r:.80}")
        return None

    async def _handle(self, msg: NumberedMessage, reporter: ActorReporter, rng: random.Random) -> bool:
        """Handle a message; return whether the actor has stopped itself."""
        chance = rng.random()
        if chance < 0.2:
            await asyncio.sleep(chance / 20)
        elif chance < 0.3:
            reporter.send_random(self.context, rng, 1)
        elif chance < 0.4:
            raise OwnError("a child failed")
        elif chance < 0.42:
            self.context.stop()
            return True
        elif isinstance(msg, Question):
            reporter.defer_reply(self.context.reply_later(msg), msg.number)
        return False


async def run(sim: Simulation) -> None:
    """Run the scenario in `sim`, which must have a plan."""
    if sim.plan is None:
        raise ValueError("the scenario takes its nodes from the plan: pass one to Simulation(plan=…)")
    registry = ActorRegistry(sim)
    topology = Topology("actors", nodes=sim.plan.nodes)
    topology.actor("sender", partial(Sender, registry), supervision=SENDER_SUPERVISION)
    sim.deploy(topology)
    await sim.until(lambda: sim.injector.is_over, within_s=sim.plan.ends_at_s + FINISH_S)
    await sim.until(lambda: all(node.is_up for node in sim.nodes), within_s=FINISH_S)
    registry.is_draining = True
    await asyncio.sleep(DRAIN_S)
    registry.finish()
    if registry.handled < MIN_HANDLED:
        raise AssertionError(f"only {registry.handled} messages were handled, at least {MIN_HANDLED} are required")


def _started(reporter: ActorReporter | None) -> ActorReporter:
    if reporter is None:
        raise RuntimeError("no message is handled before on_start")
    return reporter


def _lane(msg: NumberedMessage) -> int:
    return int(Lane.CONSENSUS if isinstance(msg, ConsensusTell) else Lane.BULK)


def _payload(sender: str, receiver: str, number: int) -> bytes:
    return f"{sender} to {receiver}: {number};".encode() * 4


ACTORS = SystemScenario("actors", run, nodes=3, min_operations=0, excluded_kinds=EXCLUDED_KINDS)
"""`coterie sim actors`. Without disk faults: these actors store nothing."""
