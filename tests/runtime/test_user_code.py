"""Whatever user code throws, in whatever hook: its asker hears of it, it is logged, and nothing else is disturbed.

`docs/failures.md` has the table that these tests check.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coterie.errors import ActorFailed, MessageTypeError
from coterie.runtime.actor import Actor
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address, Ref
from coterie.runtime.system import System
from tests.runtime.conftest import World
from tests.runtime.failing_hooks import HOOKS, THROWN, Async, Bystander, Do, Fail, Hook, Ping, Sync, thrown

pytestmark = pytest.mark.virtual

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def server() -> type[Bystander]:
    """The class of the actor `server` of each node."""
    return Bystander


@pytest.fixture(autouse=True)
def thrown_by_messages() -> Iterator[None]:
    yield
    Fail.is_on = False


def watch_the_loop() -> list[str]:
    """Return what reaches the exception handler of the loop from now on: nothing may."""
    found: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: found.append(str(context)))
    return found


async def outcome_of(ask: asyncio.Future[Any]) -> str:
    try:
        return str(await ask)
    except BaseException as error:  # noqa: BLE001 (whatever it is, it is what the asker hears)
        return type(error).__name__


def expected(hook: Hook, what: str, *, is_remote: bool) -> str:
    if hook.where == "declared error" and is_remote:
        return "ActorFailed"  # the asker's own class cannot be made
    if hook.where == "reply_from" and what == "coterie's own error":
        return "AskTimeout"  # errors of coterie are passed on as they are
    return hook.outcome


@pytest.mark.parametrize("kind", [Sync, Async], ids=["def", "async def"])
@pytest.mark.parametrize("what", THROWN)
@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.where)
async def test_whatever_a_hook_throws_its_asker_hears_of_it_and_nobody_else_is_disturbed(
    world: World, caplog: pytest.LogCaptureFixture, hook: Hook, what: str, kind: type[Sync]
) -> None:
    system, to_the_loop = world.systems["b"], watch_the_loop()
    for name in ("local", "remote"):
        fail = Fail(hook.where, what)
        own = system.spawn(functools.partial(kind, fail), name=name)
        is_remote = name == "remote"
        ref: Ref[Any] = world.systems["a"].at(Address("b", name)) if is_remote else own
        caplog.clear()
        begun = system.failures

        asked = Do(hook.where, what)
        Fail.is_on, Fail.made = is_remote and hook.where == "declared error", 0
        others = [
            world.systems["a"].at(Address("b", "server")).ask(Ping()),
            world.server("b").context.self_ref.ask(Ping()),
        ]
        outcome = await outcome_of(ref.ask(asked, timeout_s=10.0))
        Fail.is_on = False

        assert outcome == expected(hook, what, is_remote=is_remote)
        assert await asyncio.gather(*others) == ["pong", "pong"]
        await asyncio.sleep(1)  # a restart may wait for its back-off
        assert system.failures - begun == hook.failures
        errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert bool(errors) is hook.is_logged
        assert len(errors) <= hook.failures + 1
        assert await ref.ask(Do("", ""), timeout_s=10.0) == "done"
    assert system.fault is None
    assert world.events == [("b", "up", "a"), ("a", "up", "b")] or sorted(world.events) == [
        ("a", "up", "b"),
        ("b", "up", "a"),
    ]
    assert to_the_loop == []


@pytest.mark.parametrize("what", THROWN)
async def test_a_message_that_refuses_to_be_made_is_a_bad_message_and_the_link_stays(world: World, what: str) -> None:
    to_the_loop = watch_the_loop()
    world.systems["b"].spawn(lambda: Sync(Fail("", "")), name="other")
    ref: Ref[Any] = world.systems["a"].at(Address("b", "other"))
    asked, told = Do("__post_init__", what), Do("__post_init__", what)

    Fail.is_on = True
    outcome = await outcome_of(ref.ask(asked, timeout_s=10.0))
    ref.tell(told)
    await asyncio.sleep(1)
    Fail.is_on = False

    assert outcome == "BadMessage"
    assert await ref.ask(Do("", "")) == "done"
    assert sorted(world.events) == [("a", "up", "b"), ("b", "up", "a")]
    assert world.systems["b"].failures == 0
    assert to_the_loop == []


@pytest.mark.parametrize("kind", [Sync, Async], ids=["def", "async def"])
@pytest.mark.parametrize("what", THROWN)
async def test_a_stop_hook_that_fails_keeps_no_actor_alive(
    virtual_host: VirtualHost, what: str, kind: type[Sync]
) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(lambda: kind(Fail("on_stop", what)))
        assert await ref.ask(Do("", "")) == "done"
        await asyncio.wait_for(system.stop(ref), 5.0)
        assert system.actor_count == 0
    assert system.fault is None


@pytest.mark.parametrize("what", THROWN)
async def test_a_factory_that_fails_is_the_spawners_error_and_at_a_restart_a_failure(
    virtual_host: VirtualHost, what: str
) -> None:
    fails = iter([Fail("receive", what), Fail("__init__", what), Fail("", "")])
    async with System(host=virtual_host) as system:
        with pytest.raises(BaseException) as caught:  # noqa: PT011 (whatever it is)
            system.spawn(lambda: Sync(Fail("__init__", what)))
        assert type(caught.value) is type(thrown(what))
        assert system.actor_count == 0

        ref = system.spawn(lambda: Sync(next(fails)))
        assert await outcome_of(ref.ask(Do("", ""))) == "ActorFailed"
        assert await ref.ask(Do("", ""), timeout_s=20.0) == "done"
        assert system.failures == 2


@pytest.mark.parametrize("what", THROWN)
async def test_a_listener_that_raises_disturbs_neither_the_others_nor_what_it_listens_to(
    world: World, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    heard: list[str] = []

    def fails(*_: object) -> None:
        raise thrown(what)

    system, to_the_loop = world.systems["b"], watch_the_loop()
    for listen in (system.events.subscribe, system.dead_letters.listen, system.on_link):
        listen(fails)
        listen(lambda *_: heard.append("heard"))
    caplog.clear()

    ref = system.spawn(lambda: Sync(Fail("", "")))  # actor.started
    await ref.ask(Do("", ""))
    await system.stop(ref)  # actor.stopped
    ref.tell(Do("", ""))  # a dead letter, which is an event, too
    world.systems["a"].declare_lost("b", "for a change of the link")
    await asyncio.sleep(5)

    assert len(heard) >= 5
    assert await world.systems["a"].at(Address("b", "server")).ask(Ping()) == "pong"
    assert {record.message.split()[0] for record in caplog.records if record.levelno >= logging.ERROR} == {
        "listener.failed"
    }
    assert system.fault is None
    assert to_the_loop == []


@pytest.mark.parametrize("how", ["sys.exit(3)", "raise KeyboardInterrupt"])
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_an_exit_ends_the_program(how: str, kind: str) -> None:
    program = f"""
import asyncio, sys
from coterie import Actor, Ask, System, message
@message
class Do(Ask[int]): pass
class Exits(Actor[Do]):
    {kind} receive(self, msg: Do) -> int:
        {how}
async def main():
    async with System() as system:
        await system.spawn(Exits).ask(Do())
asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == (3 if "exit" in how else -signal.SIGINT)
    assert "never" not in ended.stderr


@pytest.mark.parametrize("kind", [Sync, Async], ids=["def", "async def"])
async def test_a_message_that_is_stashed_by_a_handler_that_fails_is_handled_once(
    virtual_host: VirtualHost, kind: type[Sync]
) -> None:
    handled: list[Do] = []

    class Counting(kind):  # type: ignore[misc,valid-type]
        def _handle(self, msg: Any) -> object:
            handled.append(msg)
            return super()._handle(msg)

    fail = Fail("stash", "an ordinary error")
    async with System(host=virtual_host) as system:
        ref: Ref[Any] = system.spawn(lambda: Counting(fail))
        ref.tell(Do("stash", "told"))
        await asyncio.sleep(5)
        assert await ref.ask(Do("", "asked")) == "done"
        assert system.failures == 1

    assert [msg.what for msg in handled] == ["told", "asked"]


# What a handler returns, and what an actor takes.


@message(name="user_code.Add")
class Add(Ask[int]):
    """Add to a total."""

    amount: int


@message(name="user_code.Foreign")
class Foreign(Ask[int]):
    """No actor here takes it."""


def logged(receive: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(receive)
    def wrapper(self: object, msg: object) -> Any:
        return receive(self, msg)

    return wrapper


class Decorated(Actor[Add]):
    """An `async def` behind a plain decorator."""

    total = 0

    @logged
    async def receive(self, msg: Add, /) -> int:
        await asyncio.sleep(0)
        self.total += msg.amount
        return self.total


class Partial(Actor[Add]):
    """A `partialmethod` of an `async def`."""

    async def _go(self, extra: int, msg: Add) -> int:
        return msg.amount + extra

    receive: Any = functools.partialmethod(_go, 10)


@pytest.mark.parametrize(("kind", "reply"), [(Decorated, 3), (Partial, 13)])
async def test_an_async_def_within_decorators_is_awaited(virtual_host: VirtualHost, kind: Any, reply: int) -> None:
    async with System(host=virtual_host) as system:
        assert await system.spawn(kind).ask(Add(3)) == reply


@pytest.mark.parametrize("made", ["coroutine", "future", "task"])
async def test_a_reply_that_must_be_awaited_never_reaches_an_asker(virtual_host: VirtualHost, made: str) -> None:
    async def go() -> int:
        return 3

    class Lazy(Actor[Add]):
        def receive(self, msg: Add, /) -> Any:
            loop = self.context.system.loop
            ways: dict[str, Callable[[], Any]] = {
                "coroutine": go,
                "future": loop.create_future,
                "task": lambda: loop.create_task(go()),
            }
            return ways[made]()

    async with System(host=virtual_host) as system:
        lazy = system.spawn(Lazy)
        with pytest.raises(ActorFailed, match=r"Lazy\.receive is a `def` and returned a .*: make it an `async def`"):
            await lazy.ask(Add(1))
        lazy.tell(Add(1))
        await asyncio.sleep(1)
        assert system.failures == 2


async def test_an_async_def_that_forgets_an_await_is_told_to_await(virtual_host: VirtualHost) -> None:
    class Forgetful(Actor[Add]):
        def __init__(self, other: Ref[Add]) -> None:
            self._other = other

        async def receive(self, msg: Add, /) -> Any:
            return self._other.ask(msg)

    async with System(host=virtual_host) as system:
        forgetful = system.spawn(functools.partial(Forgetful, system.spawn(Decorated)))
        with pytest.raises(ActorFailed, match=r"failed on Add: MessageTypeError: the reply is a .*: await it first"):
            await forgetful.ask(Add(1))
        assert system.failures == 1


async def test_no_reply_that_is_given_later_has_to_be_awaited_either(virtual_host: VirtualHost) -> None:
    class Later(Actor[Add]):
        def receive(self, msg: Add, /) -> None:
            future: Any = self.context.system.loop.create_future()
            if msg.amount:
                self.context.reply_from(msg, self._make(future))
                return
            later = self.context.reply_later(msg)
            with pytest.raises(MessageTypeError, match=r"the reply is a .*Future: await it first"):
                later.reply(future)
            later.reply(7)

        async def _make(self, future: Any) -> Any:
            return future

    async with System(host=virtual_host) as system:
        ref = system.spawn(Later)
        assert await ref.ask(Add(0)) == 7
        with pytest.raises(MessageTypeError, match=r"the reply is a .*Future: await it first"):
            await ref.ask(Add(1))  # errors of coterie are passed on as they are
        assert system.failures == 0


async def test_an_actor_takes_what_its_class_names_and_nothing_else(virtual_host: VirtualHost) -> None:
    class Counter(Actor[Add]):
        def receive(self, msg: Add, /) -> int:
            return msg.amount

    async with System(host=virtual_host) as system:
        ref: Ref[Any] = system.spawn(Counter, name="counter")
        for send in (ref.tell, ref.ask, ref.offer):
            with pytest.raises(MessageTypeError, match=r"'counter' does not take Foreign: its Actor\[…\] names Add"):
                send(Foreign())
            with pytest.raises(MessageTypeError, match="'Add' is not a message: send an instance of it"):
                send(Add)  # type: ignore[arg-type]
            with pytest.raises(MessageTypeError, match="int is not a message: decorate the class with @message"):
                send(3)  # type: ignore[arg-type]
        assert await ref.ask(Add(2)) == 2
        assert system.failures == 0


async def test_a_class_without_receive_is_refused_at_the_spawn(virtual_host: VirtualHost) -> None:
    class Mute(Actor[Add]):
        pass

    async with System(host=virtual_host) as system:
        with pytest.raises(MessageTypeError, match="Mute has no receive"):
            system.spawn(Mute)
        assert system.actor_count == 0


async def test_a_handler_that_cancels_its_own_task_does_not_end_the_next_message(virtual_host: VirtualHost) -> None:
    class Stray(Actor[Add]):
        async def receive(self, msg: Add, /) -> int:
            task = asyncio.current_task()
            assert task is not None
            if msg.amount == 1:
                task.cancel()
            else:
                await asyncio.sleep(0.1)
            return msg.amount + 10 * task.cancelling()

    async with System(host=virtual_host) as system:
        ref = system.spawn(Stray)
        assert await asyncio.gather(*(ref.ask(Add(amount)) for amount in (1, 2, 1, 3))) == [11, 2, 11, 3]
        assert system.failures == 0


@pytest.mark.parametrize("delay_s", [float("nan"), float("inf"), -float("inf")])
async def test_a_timer_needs_a_finite_delay(virtual_host: VirtualHost, delay_s: float) -> None:
    class Timed(Actor[Add]):
        def receive(self, msg: Add, /) -> int:
            for start in (self.context.after, self.context.every):
                with pytest.raises(ValueError, match=r"it must be a finite number of seconds"):
                    start(delay_s, msg)
            self.context.after(-1.0, Add(0))
            return 1

    async with System(host=virtual_host) as system:
        ref = system.spawn(Timed)
        assert await ref.ask(Add(1)) == 1
        assert await outcome_of(ref.ask(Add(1), timeout_s=-float("inf"))) in ("1", "AskTimeout")
        assert system.failures == 0


async def test_in_virtual_time_nothing_is_printed_without_a_handler(
    virtual_host: VirtualHost, capfd: pytest.CaptureFixture[str]
) -> None:
    """Failures are wanted there, and a program would print hundreds."""
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []  # pytest's own
    try:
        async with System(host=virtual_host) as system:
            ref = system.spawn(lambda: Sync(Fail("receive", "an ordinary error")))
            assert await outcome_of(ref.ask(Do("", ""))) == "ActorFailed"
    finally:
        root.handlers = handlers

    assert capfd.readouterr() == ("", "")


# The page.


def test_the_page_has_the_table_that_is_checked_here() -> None:
    page = (ROOT / "docs" / "failures.md").read_text(encoding="utf-8")
    rows = {
        row[0]: row[1:] for row in re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| (\d) \| (yes|no) \|", page, re.MULTILINE)
    }

    assert rows == {hook.where: (hook.outcome, str(hook.failures), "yes" if hook.is_logged else "no") for hook in HOOKS}
    assert [what for what in THROWN if what not in page] == []
