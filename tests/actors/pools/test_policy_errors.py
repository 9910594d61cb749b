"""A policy that raises: a reply stays a reply, and the mistake is logged once and counted."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from coterie.actors.pools.pool import Pool
from coterie.actors.pools.requests.fixed_targets import FixedTargets
from coterie.errors import NoTargets
from coterie.protocols.algorithm import Observe
from coterie.protocols.balancing import Picker, Probe, Target
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.system import System
from coterie.testing import Systems

pytestmark = pytest.mark.virtual


@message(name="test.policy_errors.Who")
class Who(Ask[str]):
    pass


class Worker(Actor[Who]):
    def receive(self, msg: Who, /) -> str:
        return self.context.self_ref.path


@dataclass(frozen=True, slots=True)
class Raising:
    """A policy whose pickers raise in one method."""

    method: str

    def make(self, rng: random.Random) -> Picker:
        return _RaisingPicker(self.method)


class _RaisingPicker(Picker):
    def __init__(self, method: str) -> None:
        self._method = method
        self._keys: list[str] = []

    def _called(self, method: str) -> None:
        if method == self._method:
            raise RuntimeError(f"a mistake in {method}")

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        self._keys = [target.key for target in targets]

    def choose(self, *, now: float, key: Any, exclude: Any) -> str | None:
        return next((key for key in self._keys if key not in exclude), None)

    def picked(self, target: str, *, now: float) -> Sequence[Probe]:
        self._called("picked")
        return ()

    def settled(self, target: str, outcome: Any, **_: Any) -> None:
        self._called("settled")

    def deadline(self) -> float | None:
        if self._keys:
            return None
        self._called("deadline")
        return None

    def observations(self) -> Sequence[Observe]:
        self._called("observations")
        return ()

    def explain(self) -> str:
        self._called("explain")
        return "the first one"


def pool_of(system: System, method: str, count: int = 2) -> Pool:
    refs = [system.spawn(Worker, name=f"w{number}") for number in range(1, count + 1)]
    return Pool(system, "pool", lambda *_: FixedTargets(system, refs), policy=Raising(method))


@pytest.mark.parametrize("options", [{}, {"timeout_s": 1.0}])
@pytest.mark.parametrize("method", ["picked", "settled", "observations"])
async def test_a_reply_stays_a_reply_whatever_the_policy_raises(
    method: str, options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with Systems("local") as systems:
        pool = pool_of(systems["local"], method)
        with caplog.at_level(logging.ERROR):
            answers = [await pool.ask(Who(), **options) for _ in range(3)]
        report = pool.report(9)

    logged = [record for record in caplog.records if "pool.policy_failed" in record.getMessage()]
    assert answers == ["w1"] * 3
    assert len(logged) == 1
    assert f"method={method}" in logged[0].getMessage()
    assert report.explanation == f"the policy has raised exceptions in {method}: 3; the first one"
    assert [line.in_flight for line in report.targets] == [0, 0]


async def test_a_policy_that_cannot_explain_itself_is_reported_without_an_explanation() -> None:
    async with Systems("local") as systems:
        pool = pool_of(systems["local"], "explain")
        await pool.ask(Who())

        assert pool.report(9).explanation == "the policy has raised exceptions in explain: 1"
        assert pool.report(9).targets_total == 2


async def test_without_a_target_the_error_is_that_there_is_none_although_the_policy_raises() -> None:
    async with Systems("local") as systems:
        pool = pool_of(systems["local"], "explain")
        await pool.ask(Who())  # so that it has targets

        with pytest.raises(NoTargets, match="to ask: the policy has raised exceptions in explain: 1; nothing was sent"):
            raise pool._no_targets()
