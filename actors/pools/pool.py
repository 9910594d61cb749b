"""`Pool`: sends each request to a target that a load-balancing policy picks, and reports the outcome to the policy.

The policy learns of the targets when they change (`Pool._update`), not at each request. A request picks a target
(`Balancer.pick`, `protocols/balancing/`), is sent, and its outcome is reported, exactly once. `Pool.ask` contains the
common case: one attempt, which is answered. Everything else is `PoolRequest`: retries, hedges, time limits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from coterie.actors.pools.loads.load_book import LoadBook
from coterie.actors.pools.lost_targets import LOST, LostTargets
from coterie.actors.pools.policy_errors import PolicyErrors
from coterie.actors.pools.pool_reports import CallerReport, PoolCallers, TargetLine, shortened
from coterie.actors.pools.requests.attempt_outcome import TARGET_ENDED, outcome_of
from coterie.actors.pools.requests.load_probes import LoadProbes
from coterie.actors.pools.requests.pool_request import Attempt, PoolRequest
from coterie.actors.pools.requests.target_source import MakeSource, PoolTarget
from coterie.actors.pools.requests.waiting_tells import WaitingTells
from coterie.actors.pools.requests.worker_lists import LIST_TIMEOUT_S
from coterie.errors import CoterieError, NoTargets
from coterie.protocols.balancing import Balancer, Pick, Policy, RequestOutcome, RoutingKey, TargetStatus, UnknownPick
from coterie.protocols.balancing.guards import Hedging, RetryBudget
from coterie.protocols.balancing.policy import NOTHING, uses_load_reports
from coterie.protocols.balancing.policy_text import policy_text
from coterie.runtime.messages.message import Ask
from coterie.runtime.observing.dead_letters import Reason
from coterie.runtime.refs import Ref
from coterie.runtime.system import System

__all__ = ["DEFAULT_RETRY_BUDGET", "NodeOpinions", "Pool"]

R = TypeVar("R")

DEFAULT_RETRY_BUDGET: Final = RetryBudget()

EXPIRY_S: Final = 60.0
"""How long after its deadline a request's pick expires, if its outcome was not reported until then, seconds."""

_ANSWERED: Final = RequestOutcome.ANSWERED


class NodeOpinions(Protocol):
    """Which nodes are suspected to have failed: `NodeHealth`, for example."""

    def is_suspected(self, node: str) -> bool:
        """Return whether requests should go to other nodes."""
        ...

    def subscribe(self, listener: Callable[[Any], object], /) -> Callable[[], None]:
        """Call `listener` after each change; return a function that ends this."""
        ...


class Pool:
    """One caller's handle to the targets of a pool: `ask` and `tell` go to the one that its policy picks.

    Targets on nodes without a link are left out; so are suspected nodes, as long as another one has a target to ask.

    Args:
        system: a node of the cluster, or a client linked to it.
        name: the pool's name.
        source: makes what knows the targets.
        policy: decides which target is picked; this caller has its own state of it.
        retry_budget: limits retries; None: no limit, and no request goes round the targets twice.
        hedging: when slow `Idempotent` requests are sent a second time; None (default): never.
        opinions: which nodes are suspected to have failed (default: none is).
        kind: what reports call it: `pool`, or `balancer`.
    """

    def __init__(
        self,
        system: System,
        name: str,
        source: MakeSource,
        *,
        policy: Policy,
        retry_budget: RetryBudget | None = DEFAULT_RETRY_BUDGET,
        hedging: Hedging | None = None,
        opinions: NodeOpinions | None = None,
        kind: str = "pool",
    ) -> None:
        self.name = name
        self.kind = kind
        self.policy = policy
        self._system = system
        self._monotonic = system.host.clock.monotonic
        self._opinions = opinions
        self._unsubscribe = opinions.subscribe(lambda _: self._targets_changed()) if opinions is not None else None
        self._retries = None if retry_budget is None else retry_budget.make()
        self._hedger = None if hedging is None else hedging.make()
        self._policy_errors = PolicyErrors(system, name, shortened(policy_text(policy)))
        self._balancer = self._new_balancer()
        self._pick_now = self._balancer.pick
        self._report = self._balancer.report
        self._has_timers = self._balancer.has_timers
        self._has_events = self._balancer.has_events
        needs_loads = uses_load_reports(policy)
        self._book = system.extension(LoadBook) if needs_loads else None
        self._is_simple = not (needs_loads or self._has_timers or self._has_events)
        self._tells = 0
        self._source = source(self._use_mark(), needs_loads)
        self._source.changed = self._targets_changed
        self._probes = LoadProbes(system, self._balancer, target=self._probed_target, is_used=self._use_mark())
        self._waiting_tells = WaitingTells(system, name, known=self._update, send=self._tell_now)
        self._is_current = False
        self._is_closed = False
        self._was_ever_used = False
        self._lost = LostTargets()
        self._target_by_key: dict[str, PoolTarget] = {}
        self._ref_by_key: dict[str, Ref[Any]] = {}
        self._suspected: AbstractSet[str] = NOTHING
        self._callers = system.extension(PoolCallers)
        self._callers.add(self)

    def _new_balancer(self) -> Balancer:
        # Picks that get no expiry of their own are those of requests with the default time, or less.
        expiry_s = self._system.registry.ask_deadlines.timeout_of(self._system.config.ask_timeout_s) + EXPIRY_S
        rng = self._system.host.random
        return Balancer(self.policy, rng=rng, expiry_s=expiry_s, on_error=self._policy_errors.add)

    def close(self) -> None:
        """End the timers and the requests for the lists of workers. Later requests fail with `NoTargets`."""
        self._is_closed = True
        if self._unsubscribe is not None:
            self._unsubscribe()
        self._callers.remove(self)
        self._source.close()
        self._probes.close()
        self._waiting_tells.close()
        self._ref_by_key, self._target_by_key, self._suspected = {}, {}, NOTHING
        self._balancer.update((), now=self._monotonic())
        self._lost.clear()
        self._is_current = True

    @property
    def is_closed(self) -> bool:
        """True after `close`."""
        return self._is_closed

    # --- requests ---------------------------------------------------------------------------------------------------

    async def ask(
        self,
        msg: Ask[R],
        *,
        key: RoutingKey | None = None,
        timeout_s: float | None = None,
        attempt_s: float | None = None,
    ) -> R:
        """Ask a target. If it did not take the message (it has stopped, or is full), ask another one.

        An `Idempotent` message is also sent to another target if the outcome of the first attempt is unknown: the link
        dropped, or no answer came within `attempt_s`. No target is tried twice while there are others. After that the
        request goes round again, after a pause, as long as the retry budget and the time allow.

        Args:
            msg: the message.
            key: the key of the request, for policies that send the same key to the same target.
            timeout_s: how long the request may take, s (default: the system's, 5 s): all attempts together, and the
                wait for the first targets; never more than the ask that is being handled has left.
            attempt_s: how long one attempt of an `Idempotent` message may take, s; above 0, finite (default: all the
                time left).

        Raises:
            ValueError: `attempt_s` is out of its range, or `timeout_s` is NaN; nothing was sent.
            NoTargets: no target of the pool can be reached; the outcome is definite.
            CoterieError: as `Ref.ask`, of the last attempt; if after an earlier one a target may have handled the
                message, and the last one's outcome is definite, the error of the earlier one. If it gives up, the text
                has the number of attempts, and what limited them.
            TypeError: `key` is neither a str nor bytes; nothing was sent.
        """
        self._check_key(key)
        now = self._monotonic()
        if self._retries is not None:
            self._retries.sent(now=now)
        if not self._is_current or timeout_s is not None or attempt_s is not None or self._hedger is not None:
            return await self._request(msg, key, timeout_s, attempt_s).reply()
        pick = self._pick_now(now=now, key=key, exclude=self._suspected)
        if pick is None:
            return await self._request(msg, key, None, None).reply()
        target, token, probes = pick
        if probes:
            self._probes.send(probes)
        ref = self._ref_by_key[target]
        try:
            reply: R = await ref.ask(msg)
        except BaseException as error:
            self._settle(token, ref, now, error)
            if not isinstance(error, CoterieError):
                raise
            failure = error
        else:
            if self._is_simple:
                try:
                    self._report(token, _ANSWERED, now=self._monotonic())
                except UnknownPick:
                    self._report_is_late(ref)
            else:
                self._settle(token, ref, now, None)
            return reply
        request = self._request(msg, key, None, None, began=now)
        request.tried[target], request.attempts = None, 1
        if not request.may_go_on(failure):
            raise failure
        return await request.reply()

    def tell(self, msg: object, key: RoutingKey | None = None) -> None:
        """Tell a target a message. Never blocks. If there is no target, `msg` becomes a dead letter.

        Messages that are told before the first targets are known wait for them. The policy takes a turn, but counts no
        request: policies that compare requests in flight, and Prequal, do not see what is told.

        Raises:
            TypeError: `key` is neither a str nor bytes.
        """
        self._check_key(key)
        if not self._is_current or self._waiting_tells.is_waiting:
            self._waiting_tells.add(msg, key)
        else:
            self._tell_now(msg, key)

    def _check_key(self, key: object) -> None:
        if key is not None and not isinstance(key, (str, bytes)):
            kind = type(key).__name__
            raise TypeError(f"{self.kind} {self.name!r}: key={key!r:.60} is of type {kind}: it must be a str or bytes")

    def _tell_now(self, msg: object, key: RoutingKey | None) -> None:
        self._tells += 1
        now = self._monotonic()
        target = self._balancer.choose(now=now, key=key, exclude=self._suspected)
        if target is None and self._suspected:
            target = self._balancer.choose(now=now, key=key)
        if target is None:
            self._system.dead_letters.add(Reason.UNREACHABLE, self.name, msg, str(self._no_targets()))
        else:
            self._ref_by_key[target].tell(msg)

    def _no_targets(self) -> NoTargets:
        """Return the error of a request that no target can take."""
        why = "it is closed" if self._is_closed else self._explained_absence()
        return NoTargets(f"pool {self.name!r} has no target to ask: {why}; nothing was sent", pool=self.name)

    def _explained_absence(self) -> str:
        if not self._ref_by_key:
            return "it has no worker on a linked node"
        return self._explanation()

    def _explanation(self) -> str:
        """Return why the last pick fell as it did, and what is wrong with the policy."""
        explained = ""
        try:
            explained = self._balancer.explain()
        except Exception as error:  # noqa: BLE001 - the policy is written by others
            self._policy_errors.add("explain", error)
        return "; ".join(each for each in (str(self._policy_errors), explained) if each)

    # --- attempts ---------------------------------------------------------------------------------------------------

    def _request(
        self,
        msg: Ask[R],
        key: RoutingKey | None,
        timeout_s: float | None,
        attempt_s: float | None,
        began: float | None = None,
    ) -> PoolRequest[R]:
        ask_deadlines = self._system.registry.ask_deadlines
        now = self._monotonic() if began is None else began
        deadline = min(now + ask_deadlines.timeout_of(timeout_s), ask_deadlines.inherited_deadline())
        return PoolRequest(
            self._attempt,
            self._no_targets,
            self._system.host,
            msg,
            key,
            deadline,
            attempt_s,
            self._retries,
            self._hedger,
        )

    async def _attempt(
        self, msg: Ask[R], key: RoutingKey | None, tried: AbstractSet[str], deadline: float, timeout_s: float
    ) -> Attempt[R] | None:
        """Send `msg` to a target that is not in `tried`, on a suspected node if there is no other; None: there is none.

        The attempt lasts up to `timeout_s`, and not beyond `deadline`; its outcome is reported when it ends, whether or
        not a caller waits for it.
        """
        if not self._is_current:
            await self._update(deadline - self._monotonic())
        now = self._monotonic()
        pick = self._pick(now, key, tried | self._suspected if self._suspected else tried, deadline)
        if pick is None and self._suspected:
            pick = self._pick(now, key, tried, deadline)
        if pick is None:
            return None
        if pick.probes:
            self._probes.send(pick.probes)
        ref = self._ref_by_key[pick.target]
        try:
            reply: asyncio.Future[R] = ref.ask(msg, timeout_s=max(0.0, min(timeout_s, deadline - now)))
        except BaseException as error:
            self._settle(pick.token, ref, now, error)
            raise
        if reply.done():  # it could not be sent: reported before another target is picked
            self._ended(pick.token, ref, now, reply)
        else:
            reply.add_done_callback(partial(self._ended, pick.token, ref, now))
        return Attempt(pick.target, now, reply)

    def _pick(self, now: float, key: RoutingKey | None, exclude: AbstractSet[str], deadline: float) -> Pick | None:
        return self._balancer.pick(now=now, key=key, exclude=exclude, expires_at=deadline + EXPIRY_S)

    def _ended(self, token: int, ref: Ref[Any], sent_at: float, reply: asyncio.Future[Any]) -> None:
        self._settle(token, ref, sent_at, asyncio.CancelledError() if reply.cancelled() else reply.exception())

    def _settle(self, token: int, ref: Ref[Any], sent_at: float, error: BaseException | None) -> None:
        """Report how an attempt ended: once for each pick, whatever happens."""
        load = None if self._book is None else self._book.latest(ref, since=sent_at)
        outcome = _ANSWERED if error is None else outcome_of(error)
        try:
            self._report(token, outcome, now=self._monotonic(), load=load)
        except UnknownPick:
            self._report_is_late(ref)
        if self._has_events:
            self._log_events()
        if isinstance(error, TARGET_ENDED):
            self._source.discard(ref)
        if self._has_timers and self._probes.timer is None:
            self._arm()

    def _arm(self) -> None:
        try:
            self._probes.arm()
        except Exception as error:  # noqa: BLE001 - the policy is written by others
            self._policy_errors.add("deadline", error)

    def _report_is_late(self, ref: Ref[Any]) -> None:
        """Log that a pick had expired: this process stood still for long. It was settled as lost."""
        self._system.log.info("pool.report_too_late", pool=self.name, target=ref.path, peer=ref.node)

    def _log_events(self) -> None:
        """Log what the policy has done: a target ejected, a circuit opened."""
        try:
            events = self._balancer.observations()
        except Exception as error:  # noqa: BLE001 - the policy is written by others
            self._policy_errors.add("observations", error)
            return
        for event in events:
            self._system.log.info(event.event, pool=self.name, **event.facts)

    # --- reports ----------------------------------------------------------------------------------------------------

    def report(self, targets_max: int) -> CallerReport:
        """Return what is known of the targets, `targets_max` of them at most, and why the last pick fell as it did."""
        linked = self._linked()
        lost = [it for it in self._lost.statuses(linked=linked) if it.target not in self._target_by_key]
        statuses = [*self._balancer.statuses(now=self._monotonic()), *lost]
        picks = sum(status.picks for status in statuses)
        return CallerReport(
            name=self.name,
            kind=self.kind,
            policy=shortened(policy_text(self.policy)),
            explanation=shortened(self._explanation()) if self._was_ever_used else "",
            retries=0 if self._retries is None else self._retries.taken,
            retries_refused=0 if self._retries is None else self._retries.refused,
            hedges=0 if self._hedger is None else self._hedger.taken,
            targets_total=len(statuses),
            targets=tuple(self._target_line(status, picks, linked) for status in statuses[:targets_max]),
        )

    def _target_line(self, status: TargetStatus, picks: int, linked: AbstractSet[str]) -> TargetLine:
        return TargetLine(
            target=status.target,
            node=status.node,
            state=shortened(self._state(status, linked)),
            weight=status.weight,
            in_flight=status.in_flight,
            picks=status.picks,
            failures=status.failures,
            wanted_share=status.wanted_share,
            seen_share=status.picks / picks if picks else 0.0,
            latency_s=status.latency_s,
        )

    def _state(self, status: TargetStatus, linked: AbstractSet[str]) -> str:
        """Return the state now, although the policy learns of lost and suspected nodes at the next request only."""
        if status.node not in linked:
            return LOST
        if self._opinions is None or not self._opinions.is_suspected(status.node):
            return status.state
        return "suspected" if status.state == "serving" else f"suspected, {status.state}"

    def _linked(self) -> AbstractSet[str]:
        """Return the nodes that can be reached now, this one included."""
        return {self._system.node} | self._system.remoting.linked_names

    # --- targets ----------------------------------------------------------------------------------------------------

    async def workers(self) -> list[Ref[Any]]:
        """Return the targets that can be reached now, alternating between the nodes."""
        if not self._is_current:
            await self._update()
        return list(self._ref_by_key.values())

    def _targets_changed(self) -> None:
        """Take the targets, and the opinions of their nodes, into account anew, at the next request."""
        self._is_current = self._is_closed

    async def _update(self, timeout_s: float = LIST_TIMEOUT_S) -> None:
        """Tell the policy which targets there are, after those that are asked for have answered, or `timeout_s`."""
        self._was_ever_used = True
        self._source.refresh()
        if self._source.is_waiting:
            await self._source.wait(timeout_s)
        # Nothing has changed since the last `refresh`, which may be that of `wait`; if anything does, there is another
        # update.
        if not self._is_current:
            self._is_current = True
            self._take(self._source.targets())

    def _take(self, targets: Sequence[PoolTarget]) -> None:
        now = self._monotonic()
        target_by_key = {each.target.key: each for each in targets}
        if target_by_key != self._target_by_key:
            self._note_lost(target_by_key)
            self._target_by_key = target_by_key
            self._ref_by_key = {key: each.ref for key, each in target_by_key.items()}
            self._balancer.update([each.target for each in targets], now=now)
        opinions = self._opinions
        suspected = (
            [] if opinions is None else [it.target.key for it in targets if opinions.is_suspected(it.target.node)]
        )
        trusted_again = [key for key in self._suspected if key not in suspected]
        # If all are suspected, all are used: perhaps this node is the one that is cut off.
        self._suspected = frozenset(suspected) if len(suspected) < len(targets) else NOTHING
        for key in sorted(trusted_again):
            self._balancer.recovered(key, now=now)
        if self._has_timers:
            self._probes.arm()

    def _note_lost(self, staying: Mapping[str, PoolTarget]) -> None:
        """Remember the targets that leave because their node was lost, for reports."""
        if any(key not in staying for key in self._target_by_key):
            statuses = self._balancer.statuses(now=self._monotonic())
            self._lost.add([it for it in statuses if it.target not in staying], linked=self._linked())

    def _probed_target(self, key: str) -> PoolTarget | None:
        return None if key in self._suspected else self._target_by_key.get(key)

    def _use_mark(self) -> Callable[[], bool]:
        """Return a function that returns whether the pool was used since its last call, or has open requests."""
        seen = -1

        def is_used() -> bool:
            nonlocal seen
            before, seen = seen, self._balancer.picks + self._tells
            return seen != before or self._balancer.in_flight > 0

        return is_used
