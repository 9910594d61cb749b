"""Start, stop, restart, escalation: an actor always ends in order, and no caller waits forever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from coterie.errors import ActorFailed, ActorStopped, AskTimeout, InvariantViolated
from coterie.runtime.actor import Actor, Terminated
from coterie.runtime.cells.supervision import Supervision
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address, Ref
from coterie.runtime.system import System, SystemConfig

pytestmark = pytest.mark.virtual

NEVER = Supervision(max_restarts=0)
ONCE = Supervision(max_restarts=1, backoff_min_s=1, backoff_max_s=1, jitter=0)


@message(name="life.Do")
class Do(Ask[str]):
    what: str = "nothing"


class Recorder(Actor[Do | Terminated]):
    """Writes into `log` what happens to it; `script` says what a hook or message does beyond that."""

    def __init__(self, log: list[str], script: Callable[[Recorder, str], Any] = lambda actor, what: None) -> None:
        self.log = log
        self.script = script

    def happen(self, what: str) -> Any:
        self.log.append(what)
        return self.script(self, what)

    def on_start(self) -> object:
        return self.happen("start")

    def on_stop(self) -> object:
        return self.happen("stop")

    def on_restart(self, error: BaseException) -> object:
        return self.happen(f"restart after {error!r}")

    def receive(self, msg: Do | Terminated) -> object:
        if isinstance(msg, Terminated):
            self.happen(f"terminated {msg.ref.path}: {msg.cause}")
        elif msg.what == "fail":
            raise RuntimeError("fail")
        elif msg.what == "cancelled":
            raise asyncio.CancelledError
        elif msg.what == "violate":
            raise InvariantViolated("two leaders")
        else:
            self.happen(msg.what)
        return "done"


class AsyncRecorder(Recorder):
    """The same with `async def` everywhere."""

    async def on_start(self) -> None:
        await self.later("start")

    async def on_stop(self) -> None:
        await self.later("stop")

    async def on_restart(self, error: BaseException) -> None:
        await self.later(f"restart after {error!r}")

    async def later(self, what: str) -> None:
        await asyncio.sleep(0.01)
        result = self.happen(what)
        if result is not None:
            await result

    async def receive(self, msg: Do | Terminated) -> object:
        await asyncio.sleep(0.01)
        if isinstance(msg, Do) and msg.what.startswith("sleep"):
            self.log.append(msg.what)
            await asyncio.sleep(float(msg.what.split()[1]))
        return super().receive(msg)


BOTH = pytest.mark.parametrize("kind", [Recorder, AsyncRecorder])


def raises_at(moment: str, error: BaseException, times: int = 1) -> Callable[[Recorder, str], None]:
    left = [times]

    def script(actor: Recorder, what: str) -> None:
        if what.startswith(moment) and left[0]:
            left[0] -= 1
            raise error

    return script


@BOTH
async def test_hooks_run_around_the_messages(virtual_host: VirtualHost, kind: type[Recorder]) -> None:
    log: list[str] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(kind, log))
        assert await ref.ask(Do("work")) == "done"
        await system.stop(ref)

    assert log == ["start", "work", "stop"]


@BOTH
@pytest.mark.parametrize("what", ["fail", "cancelled"])
async def test_a_failure_restarts_a_new_instance_under_the_same_ref(
    virtual_host: VirtualHost, kind: type[Recorder], what: str
) -> None:
    log: list[str] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(kind, log))
        with pytest.raises(ActorFailed):
            await ref.ask(Do(what))
        ref.tell(Do("kept"))
        assert await ref.ask(Do("later")) == "done"
        assert system.stats().restarts == 1

    assert [log[0], log[1], *log[3:]] == ["start", "stop", "kept", "later", "stop"]
    assert log[2].startswith("restart after ")


@BOTH
@pytest.mark.parametrize("error", [RuntimeError("x"), asyncio.CancelledError()], ids=repr)
async def test_an_instance_whose_start_failed_is_restarted_without_its_stop_hook(
    virtual_host: VirtualHost, kind: type[Recorder], error: BaseException
) -> None:
    log: list[str] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(kind, log, raises_at("start", error)))
        assert await ref.ask(Do("work")) == "done"

    assert log == ["start", f"restart after {error!r}", "work", "stop"]


@BOTH
@pytest.mark.parametrize("error", [RuntimeError("x"), asyncio.CancelledError()], ids=repr)
async def test_a_restart_that_fails_costs_another_and_in_the_end_the_actor(
    virtual_host: VirtualHost, kind: type[Recorder], error: BaseException
) -> None:
    log: list[str] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(kind, log, raises_at("restart", error, times=9)), supervision=Supervision(2))
        ref.tell(Do("fail"))
        waiting = ref.ask(Do("never"))
        with pytest.raises(ActorStopped):
            await waiting
        assert system.stats().actors == 0

    assert log[:2] == ["start", "stop"]
    assert len(log) == 4, "two restarts; no second goodbye"


async def test_a_factory_that_fails_at_restart_counts_as_a_failure(virtual_host: VirtualHost) -> None:
    log: list[str] = []
    broken = [False]

    def make() -> Recorder:
        if broken[0]:
            raise OSError("no disk")
        return Recorder(log)

    async with System(host=virtual_host) as system:
        ref = system.spawn(make, supervision=Supervision(3))
        await ref.ask(Do("work"))
        broken[0] = True
        ref.tell(Do("fail"))
        with pytest.raises(ActorStopped):
            await ref.ask(Do("never"))

    assert log == ["start", "work", "stop"]


@BOTH
async def test_a_stop_hook_that_fails_does_not_keep_the_actor(virtual_host: VirtualHost, kind: type[Recorder]) -> None:
    for error in (RuntimeError("x"), asyncio.CancelledError()):
        async with System(host=virtual_host) as system:
            ref = system.spawn(partial(kind, [], raises_at("stop", error)))
            await ref.ask(Do("work"))
            await system.stop(ref)
            assert system.stats().actors == 0


@BOTH
async def test_a_broken_invariant_is_never_restarted(virtual_host: VirtualHost, kind: type[Recorder]) -> None:
    log: list[str] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(kind, log))
        with pytest.raises(ActorFailed, match="two leaders"):
            await ref.ask(Do("violate"))
        with pytest.raises(ActorStopped):
            await ref.ask(Do("more"))
        assert system.stats().restarts == 0

    assert log == ["start", "stop"]


@BOTH
async def test_stop_finishes_the_present_message_and_the_rest_are_dead_letters(
    virtual_host: VirtualHost, kind: type[Recorder]
) -> None:
    log: list[str] = []

    def script(actor: Recorder, what: str) -> None:
        if what == "first":
            actor.context.stop()

    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(kind, log, script), name="one")
        first = ref.ask(Do("first"))
        ref.tell(Do("told"))
        asked = ref.ask(Do("asked"))
        assert await first == "done"
        with pytest.raises(ActorStopped):
            await asked
        assert log == ["start", "first", "stop"]
        assert system.stats().dead_letters == {"stopped": 1}
        assert [letter.target for letter in system.dead_letters.latest] == ["one"]


@BOTH
async def test_stop_during_the_start_comes_after_it(virtual_host: VirtualHost, kind: type[Recorder]) -> None:
    log: list[str] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(kind, log))
        await asyncio.sleep(0)
        await asyncio.gather(system.stop(ref), system.stop(ref))
        await system.stop(ref)

    assert log == ["start", "stop"]


@BOTH
async def test_stop_during_the_backoff_ends_it_at_once(virtual_host: VirtualHost, kind: type[Recorder]) -> None:
    log: list[str] = []
    policy = Supervision(backoff_min_s=50, backoff_max_s=50)
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(kind, log), supervision=policy)
        ref.tell(Do("fail"))
        await asyncio.sleep(0.5)
        await system.stop(ref)
        assert virtual_host.clock.monotonic() < 1

    assert log == ["start", "stop"]


async def test_stop_during_a_restart_hook_comes_after_it(virtual_host: VirtualHost) -> None:
    log: list[str] = []

    def script(actor: Recorder, what: str) -> Any:
        return asyncio.sleep(1) if what.startswith("restart") else None

    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(AsyncRecorder, log, script))
        ref.tell(Do("fail"))
        await asyncio.sleep(0.5)
        await system.stop(ref)

    assert [what.split(" ", maxsplit=1)[0] for what in log] == ["start", "stop", "restart", "stop"]


async def test_children_stop_before_the_stop_hook_of_their_parent(virtual_host: VirtualHost) -> None:
    log: list[str] = []

    def script(actor: Recorder, what: str) -> None:
        if what == "start":
            for name in ("a", "b"):
                child = partial(AsyncRecorder, log, lambda _, what, name=name: log.append(f"{name} {what}"))  # type: ignore[misc]
                actor.context.spawn(child, name=name)

    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(Recorder, log, script), name="parent")
        await asyncio.sleep(0.1)
        assert system.registry.cell_at("parent/a") is not None
        log.clear()
        await system.stop(ref)
        assert system.stats().actors == 0

    assert log[-1] == "stop"
    assert {"a stop", "b stop"} < set(log[:-1])


async def test_children_spawned_by_a_stop_hook_do_not_outlive_it(virtual_host: VirtualHost) -> None:
    def script(actor: Recorder, what: str) -> None:
        if what == "stop":
            actor.context.spawn(partial(Recorder, []), name="orphan")

    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(Recorder, [], script), name="parent")
        await ref.ask(Do("work"))
        context = ref.delivery.actor.context  # type: ignore[attr-defined]
        await system.stop(ref)

        assert system.stats().actors == 0
        with pytest.raises(RuntimeError, match="'parent' has stopped: it cannot spawn"):
            context.spawn(partial(Recorder, []))


async def test_a_name_is_taken_until_its_actor_has_ended(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        first = system.spawn(partial(AsyncRecorder, []), name="x")
        with pytest.raises(ValueError, match="node 'local' already has an actor named 'x'"):
            system.spawn(partial(Recorder, []), name="x")
        ending = system.stop(first)
        with pytest.raises(ValueError, match="already"):
            system.spawn(partial(Recorder, []), name="x")
        await ending
        second = system.spawn(partial(Recorder, []), name="x")

        assert first != second
        with pytest.raises(ActorStopped):
            await first.ask(Do())
        assert await second.ask(Do()) == "done"
        assert await system.at(Address("local", "x")).ask(Do()) == "done"


@pytest.mark.parametrize("name", ["", "a/b", "/", "a\nb", "\x1b[2J", "\ud800"])
async def test_a_name_that_is_no_name_is_refused(virtual_host: VirtualHost, name: str) -> None:
    async with System(host=virtual_host) as system:
        with pytest.raises(ValueError, match="cannot be named"):
            system.spawn(partial(Recorder, []), name=name)


async def test_a_capacity_of_nothing_is_refused(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        for capacity in (0, -1):
            with pytest.raises(ValueError, match=f"capacity is {capacity}"):
                system.spawn(partial(Recorder, []), capacity=capacity)


async def test_a_factory_that_makes_no_actor_or_fails_leaves_nothing_behind(virtual_host: VirtualHost) -> None:
    def fail() -> Recorder:
        raise OSError("no")

    async with System(host=virtual_host) as system:
        with pytest.raises(TypeError, match="the factory made a int, which is no Actor"):
            system.spawn(lambda: 3, name="x")  # type: ignore[arg-type, return-value]
        with pytest.raises(OSError, match="no"):
            system.spawn(fail, name="x")
        assert system.stats().actors == 0
        assert await system.spawn(partial(Recorder, []), name="x").ask(Do()) == "done"


# --- escalation -----------------------------------------------------------------------------------------------------


async def test_a_child_whose_budget_is_spent_fails_its_parent(virtual_host: VirtualHost) -> None:
    log: list[str] = []

    def script(actor: Recorder, what: str) -> None:
        if what.startswith(("start", "restart")):
            children.append(actor.context.spawn(partial(Recorder, []), name="child", supervision=NEVER))

    children: list[Ref[Do | Terminated]] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(Recorder, log, script), name="parent")
        await ref.ask(Do("work"))
        children[0].tell(Do("fail"))
        await asyncio.sleep(1)
        assert await ref.ask(Do("again")) == "done"
        assert await children[1].ask(Do()) == "done"

    assert log == ["start", "work", "stop", "restart after RuntimeError('fail')", "again", "stop"]


async def test_a_child_that_does_not_escalate_ends_alone_when_its_budget_is_spent(virtual_host: VirtualHost) -> None:
    log: list[str] = []

    def script(actor: Recorder, what: str) -> None:
        if what == "start":
            quiet = Supervision(max_restarts=0, escalates=False)
            children.append(actor.context.spawn(partial(Recorder, []), supervision=quiet))

    children: list[Ref[Do | Terminated]] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(Recorder, log, script), name="parent")
        await ref.ask(Do("work"))
        children[0].tell(Do("fail"))
        await asyncio.sleep(1)
        await ref.ask(Do("again"))
        assert system.registry.cell_at(children[0].path) is None

    assert log == ["start", "work", "again", "stop"]


async def test_children_that_fail_while_their_parent_restarts_cost_it_nothing_more(virtual_host: VirtualHost) -> None:
    log: list[str] = []

    def script(actor: Recorder, what: str) -> None:
        if what == "start":
            children.extend(actor.context.spawn(partial(Recorder, []), supervision=NEVER) for _ in range(2))

    children: list[Ref[Do | Terminated]] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(Recorder, log, script), supervision=ONCE)
        await ref.ask(Do("work"))
        for child in children:
            child.tell(Do("fail"))
        await asyncio.sleep(5)

        assert await ref.ask(Do("again")) == "done"


async def test_a_top_actor_whose_budget_is_spent_gives_up_and_says_so(
    virtual_host: VirtualHost, caplog: pytest.LogCaptureFixture
) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(Recorder, []), name="top", supervision=NEVER)
        ref.tell(Do("fail"))
        await asyncio.sleep(0.1)
        assert system.stats().actors == 0

    gave_up = next(record.message for record in caplog.records if "actor.gave_up" in record.message)
    assert "actor=top" in gave_up
    assert "restarts=0 within_s=30.0" in gave_up
    assert "mend the cause" in gave_up


# --- the end of the system ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["start", "message", "stop", "restart"])
async def test_an_actor_that_hangs_is_killed_when_the_system_stops_in_bounded_time(
    virtual_host: VirtualHost, moment: str
) -> None:
    log: list[str] = []

    def script(actor: Recorder, what: str) -> Any:
        return asyncio.sleep(1e6) if what.startswith(moment) else None

    async with System(host=virtual_host, config=SystemConfig(stop_timeout_s=2)) as system:
        ref = system.spawn(partial(AsyncRecorder, log, script))
        if moment == "message":
            ref.tell(Do("sleep 1000000"))
        elif moment == "restart":
            ref.tell(Do("fail"))
        waiting = ref.ask(Do("never"), timeout_s=1e6)
        await asyncio.sleep(1)

    assert virtual_host.clock.monotonic() == pytest.approx(3, abs=0.1)
    assert system.stats().actors == 0
    if moment != "stop":
        with pytest.raises(ActorStopped):
            await waiting
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_actor_whose_restart_waits_for_a_hanging_stop_hook_is_killed_too(virtual_host: VirtualHost) -> None:
    def script(actor: Recorder, what: str) -> Any:
        return asyncio.sleep(1e6) if what == "stop" else None

    async with System(host=virtual_host, config=SystemConfig(stop_timeout_s=2)) as system:
        ref = system.spawn(partial(AsyncRecorder, [], script))
        ref.tell(Do("fail"))
        waiting = ref.ask(Do("never"), timeout_s=1e6)
        await asyncio.sleep(1)

    with pytest.raises(ActorStopped):
        await waiting
    assert virtual_host.clock.monotonic() == pytest.approx(3, abs=0.1)
    assert system.stats().actors == 0


async def test_an_actor_that_swallows_its_cancellation_is_left_behind_in_bounded_time(
    virtual_host: VirtualHost, caplog: pytest.LogCaptureFixture
) -> None:
    let_go = asyncio.Event()

    class Stubborn(Actor[Do]):
        async def receive(self, msg: Do) -> str:
            while not let_go.is_set():
                try:
                    await let_go.wait()
                except asyncio.CancelledError:
                    continue
            return "done"

    async with System(host=virtual_host, config=SystemConfig(stop_timeout_s=2)) as system:
        ref = system.spawn(Stubborn, name="stubborn")
        ask = ref.ask(Do(), timeout_s=1e6)
        await asyncio.sleep(0.1)

    assert virtual_host.clock.monotonic() == pytest.approx(3.1, abs=0.1)
    assert any("actor.killed" in record.message and "stubborn" in record.message for record in caplog.records)
    with pytest.raises(AskTimeout, match="before this system stopped"):
        await ask
    let_go.set()
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() == {asyncio.current_task()}
