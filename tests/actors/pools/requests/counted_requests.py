"""Workers that count what they handle, and pools that count their picks, for the tests of requests."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from coterie.actors.pools.pool import Pool
from coterie.actors.pools.pool_messages import Idempotent
from coterie.actors.pools.requests.fixed_targets import FixedTargets
from coterie.errors import (
    NoTargets,
)
from coterie.protocols.balancing import Balancer, RoundRobin
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Ref
from coterie.runtime.system import System


class Declared(ValueError):
    pass


@message(name="test.request.Once", raises=(Declared,))
class Once(Ask[str]):
    sleep_s: float = 0.0
    fails: str = ""


@message(name="test.request.Twice", raises=(Declared,))
class Twice(Idempotent[str]):
    sleeps: tuple[str, ...] = ()
    sleep_s: float = 100.0
    is_slow_once: bool = False
    declares: tuple[str, ...] = ()


HANDLED: Counter[str] = Counter()


class Worker(Actor[Once | Twice]):
    async def receive(self, msg: Once | Twice, /) -> str:
        path = self.context.self_ref.path
        HANDLED[path] += 1
        if isinstance(msg, Twice):
            if path in msg.declares:
                raise Declared(path)
            is_slow = path in msg.sleeps and not (msg.is_slow_once and HANDLED[path] > 1)
            await asyncio.sleep(msg.sleep_s if is_slow else 0.0)
            return path
        await asyncio.sleep(msg.sleep_s)
        if msg.fails == "declared":
            raise Declared("no")
        if msg.fails:
            raise RuntimeError(msg.fails)
        return path


class Refusing(Actor[Once | Twice]):
    """Answers after half a second that it reached nobody, as a balancer does."""

    def receive(self, msg: Once | Twice, /) -> None:
        HANDLED[self.context.self_ref.path] += 1
        self.context.reply_from(msg, self._refusal())

    async def _refusal(self) -> str:
        await asyncio.sleep(0.5)
        raise NoTargets("reached nobody")


class Ledger(Balancer):
    """Counts what is picked and reported."""

    made: list[Ledger]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.reports = 0
        type(self).made.append(self)

    def report(self, *args: Any, **options: Any) -> None:
        super().report(*args, **options)
        self.reports += 1

    @classmethod
    def instead_of_balancers(cls, monkeypatch: pytest.MonkeyPatch) -> list[Ledger]:
        """Return the ledgers of the pools that are made from now on, and forget what was handled."""
        HANDLED.clear()
        cls.made = []
        monkeypatch.setattr("coterie.actors.pools.pool.Balancer", cls)
        return cls.made


def pool_of(system: System, count: int, *, capacity: int | None = None, **options: Any) -> Pool:
    refs = [system.spawn(Worker, name=f"w{number}", capacity=capacity) for number in range(1, count + 1)]
    return pool_over(system, refs, **options)


def pool_over(system: System, refs: list[Ref[Any]], **options: Any) -> Pool:
    return Pool(system, "pool", lambda *_: FixedTargets(system, refs), policy=RoundRobin(), **options)


def now() -> float:
    return asyncio.get_running_loop().time()
