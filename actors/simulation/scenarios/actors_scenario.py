"""The scenario `actors`: what the runtime promises, on nodes that fail, before the judge of runtimes.

On every node a `Talker` and its two `Pupil`s tell each other, ask each other, watch each other, within a node and
across; they fail on purpose, stop themselves and answer late. No algorithm and no store heals what the runtime does
wrong. When the plan has healed and all is quiet, every ask has ended and every watcher knows.
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
from coterie.protocols.checking.runtime_checker import RuntimeJudge
from coterie.runtime.actor import Actor, Context, Later, Terminated
from coterie.runtime.cells.supervision import Supervision
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Ref

__all__ = ["ACTORS", "Pupil", "Question", "Say", "Talker", "Urge"]

PUPILS: Final = 2
BURSTS: Final = (1, 1, 2, 5, 20)
TALKER_BEAT_S: Final = 0.1
PUPIL_BEAT_S: Final = 0.2
ASK_S: Final = 0.5
QUIET_S: Final = 20.0
FINISH_S: Final = 60.0
FEWEST_HANDLED: Final = 1000

PUPIL_RESTARTS: Final = 4
PUPIL_SUPERVISION: Final = Supervision(max_restarts=PUPIL_RESTARTS, within_s=30.0, backoff_max_s=0.05)
TALKER_SUPERVISION: Final = Supervision(max_restarts=1000, within_s=30.0, backoff_max_s=0.05)

JUDGED_WITHIN_S: Final = 25.0
"""Budgets are kept by clocks that may run fast by a tenth, and a pause may delay the first restart of a series: so the
judge counts one more, within less."""

NO_RECORDS: Final = ("fsync_error", "disk_full", "short_write", "bit_rot", "slow_disk", "stale_disk", "wiped_disk")


@message(name="simulation.Say")
class Say:
    """Message `number` of `sender`; `seal` tells whether it arrived whole, and where it should."""

    sender: str
    number: int
    seal: bytes


@message(name="simulation.Urge", lane=Lane.CONSENSUS)
class Urge:
    """The same, ahead of the bulk."""

    sender: str
    number: int
    seal: bytes


@message(name="simulation.Question")
class Question(Ask[int]):
    """The same, and its number is wanted back."""

    sender: str
    number: int
    seal: bytes


@message(name="simulation.Beat")
class Beat:
    """It is time to speak; never crosses the wire."""


Talk = Say | Urge | Question


class OnPurpose(Exception):
    """What talkers and pupils fail with by themselves."""


OWN_FAULTS: Final = (OnPurpose, InjectedError, asyncio.CancelledError)


class Company:
    """Who lives, by names that are unique for ever, and the judge who is told whatever they do."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.judge = RuntimeJudge(sim.bench)
        self.is_quiet = False
        self.handled = 0
        self.living: dict[str, tuple[Any, ...]] = {}
        self.members: dict[str, Member] = {}
        self.numbers = itertools.count()
        self._name_by_row: dict[tuple[Any, ...], str] = {}
        self._lives: dict[str, list[int]] = {}

    def enter(self, ref: Ref[Any], restarts: int | None = None) -> Member:
        """Take up a new actor, which may be restarted so often."""
        name = f"{ref.node}/{self._life(ref.node, ref.incarnation)}/{ref.path}#{ref.uid}"
        row = self.living[name] = tuple(ref.to_wire())
        self._name_by_row[row] = name
        member = self.members[name] = Member(name, row, self)
        self.tell(lambda: self.judge.spawned(name, restarts=restarts, within_s=JUDGED_WITHIN_S))
        return member

    def member(self, context: Context) -> Member:
        """Return who entered before as this actor."""
        return self.members[self.name_of(context.self_ref)]

    def name_of(self, ref: Ref[Any]) -> str:
        """Return the name of the actor of a ref; a ref of nobody is a name of its own."""
        return self._name_by_row.get(tuple(ref.to_wire()), repr(ref))

    def end(self) -> None:
        """Tell the judge who is over, and that this is the end."""
        for name in self.members:
            if name not in self.living:
                self.tell(partial(self.judge.stopped, name))
        self.tell(self.judge.ended)

    def tell(self, word: Callable[[], None]) -> None:
        """Tell the judge something."""
        self.sim.judge(word)

    def _life(self, node: str, incarnation: int) -> int:
        """Return the number of a node's life; with a new one, all who lived in the one before are over."""
        lives = self._lives.setdefault(node, [])
        if incarnation not in lives:
            lives.append(incarnation)
            for name in [name for name in self.members if name.startswith(f"{node}/")]:
                self.living.pop(name, None)
                self.tell(partial(self.judge.crashed, name))
        return len(lives)


class Member:
    """One actor as the company knows it, over all its restarts: whom it knows, what it owes."""

    def __init__(self, name: str, row: tuple[Any, ...], company: Company) -> None:
        self.name = name
        self._row = row
        self.refs: dict[str, Ref[Any]] = {}
        self.owed: list[tuple[Later[int], int]] = []
        self._gone: Ref[Any] | None = None
        self._company = company
        self._judge = company.judge

    def begin(self, msg: Talk) -> None:
        """Tell the judge that a message is being handled."""
        self._company.handled += 1
        is_whole = msg.seal == _seal(msg.sender, self.name, msg.number)
        sender = msg.sender if is_whole else f"nobody (it came as {msg!r:.80})"
        self._tell(lambda: self._judge.handling(self.name, sender, _lane(msg), msg.number))

    def end(self) -> None:
        """Tell the judge that it is through."""
        self._tell(lambda: self._judge.handled(self.name))

    def stopped(self) -> None:
        """Tell the judge that it has stopped itself: the present message was its last."""
        self._company.living.pop(self.name, None)
        self._tell(lambda: self._judge.stopped(self.name))

    def restarted(self, context: Context, error: BaseException) -> None:
        """Tell the judge that it begins again: for a fault of its own, or an injected one."""
        if not isinstance(error, OnPurpose):
            self._forget_all(context)  # a notice may have been the message that the fault ate
        self._company.living[self.name] = self._row
        self._tell(lambda: self._judge.restarted(self.name))
        if not isinstance(error, OWN_FAULTS):
            detail = f"it failed for what it did not do: {type(error).__name__}: {error}"
            self._tell(lambda: self._company.sim.bench.fail("runtime.innocent_failed", NodeId(self.name), detail))

    def terminated(self, notice: Terminated) -> None:
        """Tell the judge of a notice; whoever is met again may be watched again."""
        other = self._company.name_of(notice.ref)
        self._tell(lambda: self._judge.terminated(self.name, other))
        self._tell(lambda: self._judge.unwatched(self.name, other))
        self._gone = self.refs.pop(other, notice.ref)

    def _forget_all(self, context: Context) -> None:
        for other, ref in self.refs.items():
            context.unwatch(ref)
            self._tell(partial(self._judge.unwatched, self.name, other))
        self.refs.clear()

    def speak(self, context: Context, rng: random.Random, times: int) -> None:
        """Send something to somebody, so many times."""
        others = [name for name in self._company.living if name != self.name]
        if self._company.is_quiet or not others:
            return
        if self._gone is not None and rng.random() < 0.1:
            ref = self._gone  # nobody must hear what is said to the dead
        else:
            known = [name for name in self.refs if rng.random() < 0.5]
            ref = self._meet(context, rng.choice(known or others))
        other = self._company.name_of(ref)
        for _ in range(times):
            self._send(ref, other, rng.choice((Say, Say, Urge, Question)))

    def owe(self, later: Later[int], number: int) -> None:
        """Answer later."""
        self.owed.append((later, number))

    def pay(self) -> None:
        """Answer what is owed, twice: only the first answer counts."""
        owed, self.owed = self.owed, []
        for later, number in owed:
            later.reply(number)
            later.reply(-number)

    def _meet(self, context: Context, other: str) -> Ref[Any]:
        ref = self.refs.get(other)
        return self.watch(context, context.system.ref(*self._company.living[other])) if ref is None else ref

    def watch(self, context: Context, ref: Ref[Any]) -> Ref[Any]:
        """Know somebody until his end."""
        other = self._company.name_of(ref)
        self.refs[other] = ref
        self._tell(lambda: self._judge.watched(self.name, other))
        context.watch(ref)
        return ref

    def _send(self, ref: Ref[Any], other: str, kind: type[Say | Urge | Question]) -> None:
        number = next(self._company.numbers)
        msg = kind(self.name, number, _seal(self.name, other, number))
        self._tell(lambda: self._judge.told(self.name, other, _lane(msg), number))
        if isinstance(msg, Question):
            self._tell(lambda: self._judge.asked(number, self.name))
            ref.ask(msg, timeout=ASK_S).add_done_callback(lambda future: self._resolved(number, future))
        else:
            ref.tell(msg)

    def _resolved(self, number: int, future: asyncio.Future[int]) -> None:
        self._tell(lambda: self._judge.resolved(number))
        if not future.cancelled() and future.exception() is None and future.result() != number:
            detail = f"ask {number} was answered with {future.result()}"
            self._tell(lambda: self._company.sim.bench.fail("runtime.ask_resolved_once", NodeId(self.name), detail))

    def _tell(self, word: Callable[[], None]) -> None:
        self._company.tell(word)


class Talker(Actor[Say | Urge | Question | Beat | Terminated]):
    """One on each node: handles at once, and has always two pupils."""

    def __init__(self, company: Company, node: Node) -> None:
        self._company = company
        self._member: Member | None = None
        self._pupils: dict[Ref[Any], None] = {}

    def on_start(self) -> None:
        """Enter the company."""
        self._begin(self._company.enter(self.context.self_ref))

    def on_restart(self, error: BaseException) -> None:
        """Go on under the same name."""
        member = self._company.member(self.context)
        member.restarted(self.context, error)
        self._begin(member)

    def _begin(self, member: Member) -> None:
        self._member = member
        self.context.every(TALKER_BEAT_S, Beat())

    def receive(self, msg: Say | Urge | Question | Beat | Terminated, /) -> object:
        """Do as is written above."""
        me, rng = _present(self._member), self.context.random
        match msg:
            case Beat():
                me.pay()
                me.speak(self.context, rng, rng.choice(BURSTS))
                self._teach(me)
            case Terminated():
                me.terminated(msg)
                self._pupils.pop(msg.ref, None)
            case Say() | Urge() | Question():
                me.begin(msg)
                try:
                    return self._talk(msg, me, rng)
                finally:
                    me.end()
            case _:
                raise OnPurpose(f"nobody knows {msg!r:.80}")
        return None

    def _talk(self, msg: Talk, me: Member, rng: random.Random) -> int:
        if rng.random() < 0.2:
            me.speak(self.context, rng, 1)
        if rng.random() < 0.002:
            raise OnPurpose("a talker fails")
        if isinstance(msg, Question) and rng.random() < 0.5:
            me.owe(self.context.reply_later(msg), msg.number)
        return msg.number

    def _teach(self, me: Member) -> None:
        while len(self._pupils) < PUPILS:
            ref = self.context.spawn(partial(Pupil, self._company), supervision=PUPIL_SUPERVISION)
            self._company.enter(ref, PUPIL_RESTARTS + 1)
            self._pupils[me.watch(self.context, ref)] = None


class Pupil(Actor[Say | Urge | Question | Beat | Terminated]):
    """Takes its time, fails often, and stops itself now and then."""

    def __init__(self, company: Company) -> None:
        self._company = company
        self._member: Member | None = None

    def on_start(self) -> None:
        """Begin to speak."""
        self._begin(self._company.member(self.context))

    def on_restart(self, error: BaseException) -> None:
        """Go on under the same name."""
        member = self._company.member(self.context)
        member.restarted(self.context, error)
        self._begin(member)

    def _begin(self, member: Member) -> None:
        self._member = member
        self.context.every(PUPIL_BEAT_S, Beat())

    def on_stop(self) -> None:
        """Be gone, unless a restart follows."""
        self._company.living.pop(_present(self._member).name, None)

    async def receive(self, msg: Say | Urge | Question | Beat | Terminated, /) -> object:
        """Do as is written above."""
        me, rng = _present(self._member), self.context.random
        match msg:
            case Beat():
                me.pay()
                me.speak(self.context, rng, rng.choice(BURSTS))
            case Terminated():
                me.terminated(msg)
            case Say() | Urge() | Question():
                me.begin(msg)
                is_last = False
                try:
                    is_last = await self._talk(msg, me, rng)
                finally:
                    me.end()
                if is_last:
                    me.stopped()
                return msg.number
            case _:
                raise OnPurpose(f"nobody knows {msg!r:.80}")
        return None

    async def _talk(self, msg: Talk, me: Member, rng: random.Random) -> bool:
        """Return whether this was its last message."""
        chance = rng.random()
        if chance < 0.2:
            await asyncio.sleep(chance / 20)
        elif chance < 0.3:
            me.speak(self.context, rng, 1)
        elif chance < 0.4:
            raise OnPurpose("a pupil fails")
        elif chance < 0.42:
            self.context.stop()
            return True
        elif isinstance(msg, Question):
            me.owe(self.context.reply_later(msg), msg.number)
        return False


async def run(sim: Simulation) -> None:
    """Run the scenario in `sim`, which has its plan."""
    if sim.plan is None:
        raise ValueError("this scenario takes its nodes from the plan: Simulation(plan=…)")
    company = Company(sim)
    topology = Topology("actors", nodes=sim.plan.nodes)
    topology.actor("talker", partial(Talker, company), supervision=TALKER_SUPERVISION)
    sim.deploy(topology)
    await sim.until(lambda: sim.injector.is_over, within=sim.plan.ends_at_s + FINISH_S)
    await sim.until(lambda: all(node.is_up for node in sim.nodes), within=FINISH_S)
    company.is_quiet = True
    await asyncio.sleep(QUIET_S)
    company.end()
    if company.handled < FEWEST_HANDLED:
        raise AssertionError(f"only {company.handled} messages were handled")


def _present(member: Member | None) -> Member:
    if member is None:
        raise RuntimeError("nobody handles anything before the start")
    return member


def _lane(msg: Talk) -> int:
    return int(Lane.CONSENSUS if isinstance(msg, Urge) else Lane.BULK)


def _seal(sender: str, receiver: str, number: int) -> bytes:
    return f"{sender} to {receiver}: {number};".encode() * 4


ACTORS = SystemScenario("actors", run, nodes=3, fewest_operations=0, leaves_out=NO_RECORDS)
"""`coterie sim actors`. Without faults of disks: these actors keep no records."""
