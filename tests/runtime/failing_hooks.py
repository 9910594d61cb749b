"""Everything that user code may throw, and every hook of an actor, a message and a listener that may throw it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from coterie.errors import AskTimeout
from coterie.runtime.actor import Actor, Terminated
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Ref

__all__ = ["HOOKS", "THROWN", "Bystander", "Do", "Fail", "Hook", "Ping", "Refusal"]


class NoText(Exception):
    """Its text is no string."""

    def __str__(self) -> Any:
        return 7  # noqa: PLE0307 (that is the point)


class BrokenText(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise AttributeError("no detail")


class Own(BaseException):
    """No `Exception`, and no exit."""


class ShyAttributes(Exception):
    """Raises whenever an attribute is read that an exception usually has."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(f"{name} is not for you")


class Collection(Exception):
    """Counts what it was never given, as soon as somebody asks whether it is true."""

    def __len__(self) -> int:
        return len(self.errors)  # type: ignore[attr-defined]


class OwnTraceback(Exception):
    """Cannot say where it was raised."""

    @property
    def __traceback__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("nowhere")

    @property
    def __suppress_context__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("who knows")


def _cyclic() -> Exception:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    return one


THROWN: Final[dict[str, Callable[[], BaseException]]] = {
    "an ordinary error": lambda: ValueError("ordinary"),
    "without a text": NoText,
    "a broken text": BrokenText,
    "a huge text": lambda: ValueError("x" * 3_000_000),
    "line breaks and controls": lambda: ValueError("a\nb\x1b[31m\u202e\ud800"),
    "shy attributes": ShyAttributes,
    "no truth": Collection,
    "a traceback of its own": OwnTraceback,
    "a cause that is its own cause": _cyclic,
    "a group": lambda: BaseExceptionGroup("several", [ValueError("one"), Own("other")]),
    "a BaseException": lambda: Own("own"),
    "GeneratorExit": GeneratorExit,
    "CancelledError": asyncio.CancelledError,
    "StopIteration": lambda: StopIteration(3),
    "StopAsyncIteration": StopAsyncIteration,
    "RecursionError": RecursionError,
    "MemoryError": MemoryError,
    "coterie's own error": lambda: AskTimeout("of an inner ask"),
}


def thrown(what: str) -> BaseException:
    """Return a new exception of a kind in `THROWN`."""
    return THROWN[what]()


@message(name="hooks.Ping")
class Ping(Ask[str]):
    """What a bystander answers."""


class Refusal(Exception):
    """A declared error that cannot be made from its values."""

    def __init__(self, what: str) -> None:
        Fail.made += 1
        if Fail.is_on and Fail.made > 1:  # the asker makes it a second time, from its values
            raise thrown(what)
        super().__init__(what)


@message(name="hooks.Do", raises=(Refusal,))
class Do(Ask[str]):
    """Let the hook `where` throw `what`; "": answer."""

    where: str
    what: str

    def __post_init__(self) -> None:
        if self.where == "__post_init__" and Fail.is_on:
            raise thrown(self.what)


@message(name="hooks.Piped")
class Piped:
    """The outcome of a pipe."""


class Fail:
    """Lets hooks throw. `is_on`: also those that run while a message is made."""

    is_on = False
    made = 0

    def __init__(self, where: str, what: str) -> None:
        self.where = where
        self.what = what
        self.times = 0

    def at(self, hook: str) -> None:
        """Throw in `hook`, the first time that it is called."""
        if hook == self.where and not self.times:
            self.times += 1
            raise thrown(self.what)


class Sync(Actor[Do | Piped]):
    """Fails where it is told to, once."""

    fail: Fail

    def __init__(self, fail: Fail) -> None:
        self.fail = fail
        fail.at("__init__")

    def on_start(self) -> object:
        self.fail.at("on_start")
        return None

    def on_stop(self) -> object:
        self.fail.at("on_stop")
        return None

    def on_restart(self, error: BaseException) -> object:
        self.fail.at("on_restart")
        return None

    def on_visit_end(self) -> None:
        self.fail.at("on_visit_end")

    def receive(self, msg: Do | Piped, /) -> object:
        return self._handle(msg)

    def _handle(self, msg: Do | Piped) -> object:
        if isinstance(msg, Piped):
            return None
        self.fail.at("receive")
        if msg.where == "on_restart":
            raise ValueError("so that it restarts")
        if msg.where == "declared error" and msg.what:
            raise Refusal(msg.what)
        if msg.where == "pipe":
            self.context.pipe(_thrown(self.fail, "pipe"), lambda _: Piped())
        if msg.where == "pipe's adapter":
            self.context.pipe(_nothing(), self._adapt)
        if msg.where == "reply_from" and msg.what:
            self.context.reply_from(msg, _thrown(self.fail, "reply_from"))
        if msg.where == "stash":
            self.context.stash()
            self.fail.at("stash")
            self.context.unstash()
        return "done"

    def _adapt(self, _: object) -> object:
        self.fail.at("pipe's adapter")
        return Piped()


class Async(Sync):
    """The same with `async def`."""

    async def on_start(self) -> object:
        await asyncio.sleep(0)
        return super().on_start()

    async def on_stop(self) -> object:
        await asyncio.sleep(0)
        return super().on_stop()

    async def on_restart(self, error: BaseException) -> object:
        await asyncio.sleep(0)
        return super().on_restart(error)

    async def receive(self, msg: Do | Piped, /) -> object:
        await asyncio.sleep(0)
        return self._handle(msg)


class Bystander(Actor[Ping | Terminated]):
    """Another actor of the same system."""

    def receive(self, msg: Ping | Terminated, /) -> str | None:
        return "pong" if isinstance(msg, Ping) else None


async def _thrown(fail: Fail, hook: str) -> str:
    await asyncio.sleep(0)
    fail.at(hook)
    return "done"


async def _nothing() -> None:
    await asyncio.sleep(0)


@dataclass(frozen=True)
class Hook:
    """A hook that throws. `outcome`: what the asker hears: the reply, or the class of the error.

    `failures`: how often the actor has failed then. `is_logged`: whether there is a record of level ERROR.
    """

    where: str
    outcome: str
    failures: int
    is_logged: bool = True
    trigger: Callable[[Ref[Any], str], Awaitable[object]] | None = None


HOOKS: Final = (
    Hook("receive", "ActorFailed", 1),
    Hook("on_start", "done", 1),
    Hook("on_restart", "ActorFailed", 2),
    Hook("on_visit_end", "done", 1),
    Hook("stash", "ActorFailed", 1),
    Hook("pipe", "done", 0),
    Hook("pipe's adapter", "done", 1),
    Hook("reply_from", "ActorFailed", 0, is_logged=False),
    Hook("declared error", "Refusal", 0, is_logged=False),
)
