"""`RuntimeChecker` observes real actors that send messages, fail, restart and stop, in virtual time."""

from __future__ import annotations

import asyncio
import itertools
import random
from functools import partial
from typing import NoReturn

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.runtime_checker import RuntimeChecker
from coterie.protocols.checking.violation import ViolationContext
from coterie.runtime.actor import Actor
from coterie.runtime.cells.supervision import Supervision
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Ref
from coterie.runtime.system import System

pytestmark = pytest.mark.virtual

NAMES = ("a", "b", "c", "d")
RESTARTS, WITHIN_S = 8, 1.0


@message(name="checked.Say")
class Say:
    sender: str
    number: int


@message(name="checked.Urgent", lane=Lane.CONSENSUS)
class Urgent:
    sender: str
    number: int


@message(name="checked.Question")
class Question(Ask[int]):
    sender: str
    number: int


Talk = Say | Urgent | Question


class RecordingContext(ViolationContext):
    """Records violations: raised within a handler, one would count as a failure of the actor."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def fail(self, invariant: str, node: NodeId | None, detail: str) -> NoReturn:
        self.found.append(f"{invariant} at {node}: {detail}")
        super().fail(invariant, node, detail)


class CheckedActors:
    """The actors, and the checker that is informed of all they do."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.context = RecordingContext()
        self.checker = RuntimeChecker(self.context)
        self.numbers = itertools.count()
        self.refs: dict[str, Ref[Talk]] = {}
        self.lives: dict[str, int] = dict.fromkeys(NAMES, 0)
        self.handled = 0
        self.answered = 0

    def now(self) -> None:
        self.context.time_s = asyncio.get_running_loop().time()

    def speak(self, sender: str) -> None:
        """Let `sender` send a random message to a random actor."""
        receiver, number = self.rng.choice(NAMES), next(self.numbers)
        kind = self.rng.choice((Say, Say, Urgent, Question))
        self.checker.sent(sender, receiver, int(Lane.CONSENSUS if kind is Urgent else Lane.BULK), number)
        if kind is Question:
            self.checker.asked(number, sender)
            self.refs[receiver].ask(Question(sender, number), timeout_s=1.0).add_done_callback(self.resolved(number))
        else:
            self.refs[receiver].tell(kind(sender, number))

    def resolved(self, number: int) -> partial[None]:
        return partial(self._resolve, number)

    def _resolve(self, number: int, future: asyncio.Future[int]) -> None:
        self.checker.resolved(number)
        self.answered += future.exception() is None


class Talker(Actor[Talk]):
    is_stopping = False

    def __init__(self, actors: CheckedActors, name: str) -> None:
        self.actors, self.name = actors, name

    def on_start(self) -> None:
        self.actors.now()
        self.actors.lives[self.name] += 1
        if self.actors.lives[self.name] > 1:
            self.actors.checker.restarted(self.name)

    async def receive(self, msg: Talk) -> int:
        actors = self.actors
        lane = Lane.CONSENSUS if isinstance(msg, Urgent) else Lane.BULK
        actors.checker.handling(self.name, msg.sender, int(lane), msg.number)
        actors.handled += 1
        try:
            await self.act(actors.rng.random())
        finally:
            actors.checker.handled(self.name)
            if self.is_stopping:
                actors.checker.stopped(self.name)
        return msg.number

    async def act(self, chance: float) -> None:
        if chance < 0.2:
            await asyncio.sleep(chance / 10)
        elif chance < 0.6:
            self.actors.speak(self.name)
        elif chance < 0.62:
            raise RuntimeError("on purpose")
        elif chance < 0.625:
            self.is_stopping = True
            self.context.stop()


@pytest.mark.parametrize("seed", range(20))
async def test_a_running_system_keeps_the_invariants_of_the_checker(seed: int) -> None:
    actors = CheckedActors(seed)
    supervision = Supervision(max_restarts=RESTARTS, within_s=WITHIN_S, backoff_max_s=0.05)
    async with System("n1", host=VirtualHost("n1", seed=seed)) as system:
        for name in NAMES:
            actors.checker.spawned(name, restarts=RESTARTS, within_s=WITHIN_S)
            actors.refs[name] = system.spawn(partial(Talker, actors, name), name=name, supervision=supervision)
        for _ in range(40):
            for _ in range(10):
                actors.speak("outside")
            await asyncio.sleep(0.05)
        await asyncio.sleep(5.0)

    assert actors.context.found == []
    actors.checker.ended()
    actors.checker.shut_down("n1", [it.get_name() for it in asyncio.all_tasks() if it is not asyncio.current_task()])
    assert actors.handled > 30
    assert actors.answered > 3
