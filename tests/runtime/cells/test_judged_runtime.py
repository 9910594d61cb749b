"""The judge of runtimes watches real actors that talk, fail, restart, stop and watch each other, in virtual time."""

from __future__ import annotations

import asyncio
import itertools
import random
from functools import partial
from typing import NoReturn

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.runtime_checker import RuntimeJudge
from coterie.protocols.checking.violation import Bench
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


@message(name="judged.Say")
class Say:
    sender: str
    number: int


@message(name="judged.Urge", lane=Lane.CONSENSUS)
class Urge:
    sender: str
    number: int


@message(name="judged.Question")
class Question(Ask[int]):
    sender: str
    number: int


Talk = Say | Urge | Question


class Noting(Bench):
    """Remembers what judges find: raised within a handler it would be one more failure of an actor."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def fail(self, invariant: str, node: NodeId | None, detail: str) -> NoReturn:
        self.found.append(f"{invariant} at {node}: {detail}")
        super().fail(invariant, node, detail)


class Company:
    """The actors, and the judge who is told whatever they do."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.bench = Noting()
        self.judge = RuntimeJudge(self.bench)
        self.numbers = itertools.count()
        self.refs: dict[str, Ref[Talk]] = {}
        self.lives: dict[str, int] = dict.fromkeys(NAMES, 0)
        self.handled = 0
        self.answered = 0

    def now(self) -> None:
        self.bench.time_s = asyncio.get_running_loop().time()

    def speak(self, sender: str) -> None:
        """Let `sender` send something to somebody."""
        receiver, number = self.rng.choice(NAMES), next(self.numbers)
        kind = self.rng.choice((Say, Say, Urge, Question))
        self.judge.told(sender, receiver, int(Lane.CONSENSUS if kind is Urge else Lane.BULK), number)
        if kind is Question:
            self.judge.asked(number, sender)
            self.refs[receiver].ask(Question(sender, number), timeout=1.0).add_done_callback(self.resolved(number))
        else:
            self.refs[receiver].tell(kind(sender, number))

    def resolved(self, number: int) -> partial[None]:
        return partial(self._resolve, number)

    def _resolve(self, number: int, future: asyncio.Future[int]) -> None:
        self.judge.resolved(number)
        self.answered += future.exception() is None


class Talker(Actor[Talk]):
    is_stopping = False

    def __init__(self, company: Company, name: str) -> None:
        self.company, self.name = company, name

    def on_start(self) -> None:
        self.company.now()
        self.company.lives[self.name] += 1
        if self.company.lives[self.name] > 1:
            self.company.judge.restarted(self.name)

    async def receive(self, msg: Talk) -> int:
        company = self.company
        lane = Lane.CONSENSUS if isinstance(msg, Urge) else Lane.BULK
        company.judge.handling(self.name, msg.sender, int(lane), msg.number)
        company.handled += 1
        try:
            await self.act(company.rng.random())
        finally:
            company.judge.handled(self.name)
            if self.is_stopping:
                company.judge.stopped(self.name)
        return msg.number

    async def act(self, chance: float) -> None:
        if chance < 0.2:
            await asyncio.sleep(chance / 10)
        elif chance < 0.6:
            self.company.speak(self.name)
        elif chance < 0.62:
            raise RuntimeError("on purpose")
        elif chance < 0.625:
            self.is_stopping = True
            self.context.stop()


@pytest.mark.parametrize("seed", range(20))
async def test_runtime_keeps_its_promises_before_the_judge(seed: int) -> None:
    company = Company(seed)
    supervision = Supervision(max_restarts=RESTARTS, within_s=WITHIN_S, backoff_max_s=0.05)
    async with System("n1", host=VirtualHost("n1", seed=seed)) as system:
        for name in NAMES:
            company.judge.spawned(name, restarts=RESTARTS, within_s=WITHIN_S)
            company.refs[name] = system.spawn(partial(Talker, company, name), name=name, supervision=supervision)
        for _ in range(40):
            for _ in range(10):
                company.speak("outside")
            await asyncio.sleep(0.05)
        await asyncio.sleep(5.0)

    assert company.bench.found == []
    company.judge.ended()
    company.judge.shut_down("n1", [it.get_name() for it in asyncio.all_tasks() if it is not asyncio.current_task()])
    assert company.handled > 30
    assert company.answered > 3
