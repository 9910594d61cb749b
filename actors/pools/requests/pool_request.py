"""`PoolRequest`: makes the attempts of one request: the first, retries at other targets, and a hedge if it is slow.

    attempt ── answered ────────────────────────────▶ the reply
       │  └─── failed, may be repeated ──▶ the next target that was not tried, if the retry budget allows it
       │                                   all were tried: a pause, then once more around
       └────── slow, `Idempotent`, hedged ──▶ a second attempt elsewhere; the first reply counts

Retries end at the deadline, at an empty retry budget, or when the error is final; the last error is raised then. If
its outcome is definite, but that of an attempt before it is not, the error of that attempt is raised: a caller that is
told that nothing happened may rely on it. The text says how many attempts there were, and what limited them.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

from coterie.actors.pools.pool_messages import Idempotent
from coterie.actors.pools.requests.attempt_outcome import is_answer, may_be_repeated, was_not_sent
from coterie.errors import CoterieError, Outcome
from coterie.protocols.balancing import RoutingKey
from coterie.protocols.balancing.guards import Hedger, RetryTokens
from coterie.runtime.hosts.host import Host
from coterie.runtime.messages.message import Ask

__all__ = ["Attempt", "MakeAttempt", "PoolRequest"]

R = TypeVar("R")

PAUSE_S: Final = 0.01
PAUSE_MAX_S: Final = 1.0
"""The pause before a request goes round the targets again: doubled each time, and drawn at random up to that."""


@dataclass(frozen=True, slots=True)
class Attempt(Generic[R]):
    """An attempt under way: its target, when it was sent, and the future of its reply."""

    target: str
    sent_at: float
    reply: asyncio.Future[R]


class MakeAttempt(Protocol):
    """Makes an attempt: that of the pool."""

    async def __call__(
        self, msg: Ask[R], key: RoutingKey | None, tried: AbstractSet[str], deadline: float, timeout_s: float
    ) -> Attempt[R] | None:
        """Send `msg` to a target that is not in `tried`, for `timeout_s` or until `deadline`; None if there is none."""
        ...


@dataclass(slots=True)
class PoolRequest(Generic[R]):
    """One request.

    `no_targets`: makes the error of a request that no target can take.
    `deadline`: of all attempts (monotonic, s). `attempt_s`: of one of an `Idempotent` message, s; None: all the time.

    Raises:
        ValueError: `attempt_s` is not a finite number above 0.
    """

    make_attempt: MakeAttempt
    no_targets: Callable[[], CoterieError]
    host: Host
    msg: Ask[R]
    key: RoutingKey | None
    deadline: float
    attempt_s: float | None
    retries: RetryTokens | None
    hedger: Hedger | None
    tried: dict[str, None] = field(default_factory=dict)
    last_error: CoterieError | None = None
    unknown: CoterieError | None = None  # the last error after which the message may have been handled
    attempts: int = 0
    rounds: int = 0
    is_over_budget: bool = False

    def __post_init__(self) -> None:
        if self.attempt_s is not None and not 0 < self.attempt_s < math.inf:
            raise ValueError(f"attempt_s={self.attempt_s} must be above 0 and finite; None: all the time left")

    @property
    def is_idempotent(self) -> bool:
        """True if the message may be handled twice."""
        return isinstance(self.msg, Idempotent)

    async def reply(self) -> R:
        """Make attempts until one is answered; return the reply.

        Raises:
            CoterieError: that of the last attempt, or that there is no target; that of an earlier attempt if its
                outcome is unknown, and the last one's is definite.
        """
        if self.hedger is not None and self.is_idempotent:
            self.hedger.sent(now=self.now)
        try:
            return await self._answer()
        except CoterieError as error:
            if self.unknown is None or error.outcome is not Outcome.DEFINITE or is_answer(error, self.msg):
                raise
            raise self.unknown from None

    async def _answer(self) -> R:
        while (attempt := await self._next()) is not None:
            try:
                return await self._outcome(attempt)
            except CoterieError as error:
                if not self.may_go_on(error):
                    raise
        raise self._given_up()

    def may_go_on(self, error: CoterieError) -> bool:
        """Remember the error of an attempt; return whether another one may be made."""
        self._note(error)
        return may_be_repeated(error, is_idempotent=self.is_idempotent)

    def _note(self, error: CoterieError) -> None:
        self.last_error = error
        if error.outcome is not Outcome.DEFINITE:
            self.unknown = error

    def _given_up(self) -> CoterieError:
        """Return the error to raise; its text, which other nodes get as well, says why there was no other attempt."""
        error = self.unknown or self.last_error
        if error is None:
            return self.no_targets()
        facts = []
        if self.attempt_s is not None and self.is_idempotent:
            facts.append(f" of at most attempt_s={self.attempt_s:g}")
        if self.is_over_budget:
            facts.append("; the retry budget refused another one, see retry_budget=")
        if facts or self.attempts > 1:
            error.args = (f"{error} ({self.attempts} attempt{'s' if self.attempts > 1 else ''}{''.join(facts)})",)
        return error

    @property
    def now(self) -> float:
        """Monotonic time, s."""
        return self.host.clock.monotonic()

    # --- attempts ---------------------------------------------------------------------------------------------------

    async def _next(self) -> Attempt[R] | None:
        """Begin the next attempt; None if there must be no more."""
        if self.last_error is None:
            return await self._begin()
        if self.now >= self.deadline or not self._is_affordable(self.last_error):
            return None
        attempt = await self._begin()
        while attempt is None and await self._is_time_to_go_round():
            self.tried.clear()
            attempt = await self._begin()
        return attempt

    def _is_affordable(self, error: CoterieError) -> bool:
        """Take a retry from the budget. One after an attempt that was not even sent is free: it adds no load."""
        return was_not_sent(error) or self._takes_retry()

    def _takes_retry(self) -> bool:
        self.is_over_budget = self.retries is not None and not self.retries.take(now=self.now)
        return not self.is_over_budget

    async def _is_time_to_go_round(self) -> bool:
        """Pause, and return True; or return False at once if there is no budget for another round, or no time."""
        pause_s = min(PAUSE_S * 2**self.rounds, PAUSE_MAX_S) * self.host.random.uniform(0.5, 1.0)
        self.rounds += 1
        if self.retries is None or self.now + pause_s >= self.deadline or not self._takes_retry():
            return False
        await asyncio.sleep(pause_s)
        return True

    async def _begin(self) -> Attempt[R] | None:
        limit_s = math.inf if self.attempt_s is None or not self.is_idempotent else self.attempt_s
        attempt = await self.make_attempt(self.msg, self.key, self.tried.keys(), self.deadline, limit_s)
        if attempt is not None:
            self.tried[attempt.target] = None
            self.attempts += 1
        return attempt

    # --- hedging ----------------------------------------------------------------------------------------------------

    async def _outcome(self, attempt: Attempt[R]) -> R:
        hedger = self.hedger
        if hedger is None or not self.is_idempotent:
            return await attempt.reply
        delay_s = hedger.delay_s()
        try:
            if delay_s is None or await _is_done(attempt.reply, delay_s) or not hedger.take(now=self.now):
                return await attempt.reply
            return await self._first_reply(attempt)
        finally:
            hedger.waited(self.now - attempt.sent_at)

    async def _first_reply(self, first: Attempt[R]) -> R:
        """Begin a second attempt; return the answer that comes first. If one fails, the other one counts."""
        second = await self._second()
        if second is None:
            return await first.reply
        pair = [first.reply, second.reply]
        try:
            await asyncio.wait(pair, return_when=asyncio.FIRST_COMPLETED)
            if not any(self._is_answered(each) for each in pair):
                await asyncio.wait(pair)
        except asyncio.CancelledError:
            for each in pair:
                each.cancel()
            raise
        # The slower attempt goes on: its outcome is reported to the policy when it is known.
        answered = next((each for each in pair if self._is_answered(each)), None)
        if answered is None and isinstance(error := second.reply.exception(), CoterieError):
            self._note(error)
        return (answered or first.reply).result()

    async def _second(self) -> Attempt[R] | None:
        """Begin the second attempt; None if there is no target for it, or it cannot be sent: the first goes on."""
        try:
            return await self._begin()
        except CoterieError:
            return None

    def _is_answered(self, reply: asyncio.Future[R]) -> bool:
        if not reply.done() or reply.cancelled():
            return False
        error = reply.exception()
        return error is None or is_answer(error, self.msg)


async def _is_done(reply: asyncio.Future[Any], delay_s: float) -> bool:
    """Wait up to `delay_s`; return whether the attempt has ended. Cancels it if the caller gives up."""
    try:
        await asyncio.wait([reply], timeout=delay_s)
    except asyncio.CancelledError:
        reply.cancel()
        raise
    return reply.done()
