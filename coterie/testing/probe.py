"""A probe: an actor that keeps what it receives, so that a test can say what it expects.

probe = Probe(system)
greeter.tell(Greet("world", reply_to=probe.ref))
await probe.expect(Greeting("hello, world"))
"""

from __future__ import annotations

import asyncio
import functools
import operator
import types
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar, overload

from coterie.runtime.actor import Actor, Later, Terminated
from coterie.runtime.messages.message import Ask
from coterie.runtime.refs import Ref
from coterie.runtime.system import System
from coterie.testing.expectations import described, listed, matches

__all__ = ["Probe"]

M = TypeVar("M")
T = TypeVar("T")

PATIENCE_S: Final = 3.0
"""How long an expectation waits unless told: enough for a busy machine; a test that passes does not wait for it."""


class _Letter(NamedTuple):
    message: object
    later: Later[Any] | None


class _Recorder(Actor[M]):
    """The actor behind a probe."""

    def __init__(self, take: Callable[[_Letter], None]) -> None:
        self._take = take

    def receive(self, msg: object, /) -> object:
        self._take(_Letter(msg, self.context.reply_later(msg) if isinstance(msg, Ask) else None))
        return None


class Probe:
    """An actor that records, and what a test expects of it. Messages are expected in the order of their arrival.

    Args:
        system: where it lives.
        messages: the message classes that may come from other nodes. From its own system a probe takes any message.
        name: its path (default: one that the system makes).
        exported: whether clients outside the cluster may reach it.
    """

    def __init__(self, system: System, *messages: type, name: str | None = None, exported: bool = False) -> None:
        self._letters: list[_Letter] = []
        self._expected = 0
        self._arrived = asyncio.Event()
        self._recorder: _Recorder[Any]
        make = functools.partial(self._make, _recorder_of(messages))
        self.ref: Ref[Any] = system.spawn(make, name=name, exported=exported)
        """Where to send; takes every type of message."""

    def _make(self, recorder: type[_Recorder[Any]]) -> _Recorder[Any]:
        self._recorder = recorder(self._take)
        return self._recorder

    def _take(self, letter: _Letter) -> None:
        self._letters.append(letter)
        self._arrived.set()

    # --- looking ----------------------------------------------------------------------------------------------------

    @property
    def received(self) -> tuple[object, ...]:
        """Everything that came so far, the first first."""
        return tuple(letter.message for letter in self._letters)

    @property
    def unexpected(self) -> tuple[object, ...]:
        """What came and was not expected yet."""
        return self.received[self._expected :]

    # --- expecting --------------------------------------------------------------------------------------------------

    @overload
    async def expect(self, what: type[T], /, *, within_s: float = PATIENCE_S) -> T: ...
    @overload
    async def expect(self, what: types.FunctionType, /, *, within_s: float = PATIENCE_S) -> Any: ...
    @overload
    async def expect(self, what: T, /, *, within_s: float = PATIENCE_S) -> T: ...
    async def expect(self, what: object, /, *, within_s: float = PATIENCE_S) -> object:
        """Return the next message, which must be `what` and must come within `within_s` seconds of the loop's time.

        `what` is a class (an instance of it), a function of the message (one for which it is true), or a message (one
        that is equal).

        Raises:
            AssertionError: something else came next, or nothing; it says what did come.
        """
        __tracebackhide__ = True
        if not await self._next_came(within_s):
            raise AssertionError(
                f"{self._name} expected {described(what)} within {within_s:g} s, but nothing came; {self._so_far()}"
            )
        message = self._letters[self._expected].message
        if not matches(what, message):
            raise AssertionError(
                f"{self._name} expected {described(what)}, but next came {message!r}; "
                f"after it wait {listed(self.unexpected[1:])}; {self._so_far()}"
            )
        self._expected += 1
        return message

    @overload
    async def skip_to(self, what: type[T], /, *, within_s: float = PATIENCE_S) -> T: ...
    @overload
    async def skip_to(self, what: types.FunctionType, /, *, within_s: float = PATIENCE_S) -> Any: ...
    @overload
    async def skip_to(self, what: T, /, *, within_s: float = PATIENCE_S) -> T: ...
    async def skip_to(self, what: object, /, *, within_s: float = PATIENCE_S) -> object:
        """Return the next message that is `what`, and let go of those before it. As `expect` otherwise.

        Raises:
            AssertionError: it did not come within `within_s` seconds; it says what did.
        """
        __tracebackhide__ = True
        skipped: list[object] = []
        deadline = asyncio.get_running_loop().time() + within_s
        while await self._next_came(deadline - asyncio.get_running_loop().time()):
            message = self._letters[self._expected].message
            self._expected += 1
            if matches(what, message):
                return message
            skipped.append(message)
        raise AssertionError(
            f"{self._name} expected {described(what)} within {within_s:g} s, but came only {listed(skipped)}"
        )

    async def expect_none(self, *, for_s: float) -> None:
        """Wait `for_s` seconds (of the loop's time: in virtual time that costs none), in which nothing may come.

        Raises:
            AssertionError: something came, or had come and was not expected.
        """
        __tracebackhide__ = True
        if await self._next_came(for_s):
            raise AssertionError(f"{self._name} expected nothing for {for_s:g} s, but came {listed(self.unexpected)}")

    async def _next_came(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                while self._expected == len(self._letters):
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            return False
        return True

    # --- acting -----------------------------------------------------------------------------------------------------

    def reply(self, value: object) -> None:
        """Answer the ask that was expected last.

        Raises:
            ValueError: the message expected last is no ask, it was answered already, or none was expected yet.
        """
        self._take_later().reply(value)

    def fail(self, error: Exception) -> None:
        """Answer the ask that was expected last with an error, see `Later.fail`. ValueError as `reply`."""
        self._take_later().fail(error)

    def watch(self, ref: Ref[Any]) -> None:
        """Let `Terminated(ref, cause)` come when the actor of `ref` is no more. Raises as `Context.watch`."""
        self._recorder.context.watch(ref)

    def _take_later(self) -> Later[Any]:
        if not self._expected:
            raise ValueError(f"{self._name} has nothing to answer: expect an ask first")
        message, later = self._letters[self._expected - 1]
        if later is None:
            raise ValueError(f"{self._name} cannot answer {message!r}: it is no ask, or is answered already")
        self._letters[self._expected - 1] = _Letter(message, None)
        return later

    # --- telling ----------------------------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return f"probe {self.ref.path!r}"

    def _so_far(self) -> str:
        return f"expected so far: {listed(self.received[: self._expected])}"


def _recorder_of(messages: tuple[type, ...]) -> type[_Recorder[Any]]:
    """Return a class of actors that declares these messages (they differ from probe to probe)."""
    declared = functools.reduce(operator.or_, messages, Terminated)
    base = _Recorder[declared]  # type: ignore[valid-type]  # it is known only now
    return types.new_class("Probe", (base,))
