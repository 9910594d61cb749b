"""`Pool`: sends each request to a worker that a load-balancing policy picks, and reports the outcome to the policy.

The policy learns of the workers when they change (`Pool._update`), not at each request. A request picks one
(`Balancer.pick`, `protocols/balancing/`), is sent, and its outcome is reported, exactly once. If it was refused, or is
`Idempotent` and lost, it goes to a worker that it has not tried: `Pool._retry`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from coterie.actors.pools.pool_messages import Idempotent
from coterie.actors.pools.worker_lists import WorkerLists
from coterie.errors import (
    ActorFailed,
    ActorNotFound,
    ActorStopped,
    AskTimeout,
    ConnectionLost,
    CoterieError,
    MailboxFullError,
    NoTargets,
    Outcome,
    TooManyInFlight,
    TransportError,
)
from coterie.protocols.balancing import Balancer, Pick, Policy, RequestOutcome, RoutingKey, Target, UnknownPick
from coterie.runtime.messages.message import Ask
from coterie.runtime.refs import Ref
from coterie.runtime.system import System

__all__ = ["Pool"]

R = TypeVar("R")

ASK_TIMEOUT_S: Final = 5.0

EXPIRY_MARGIN_S: Final = 10.0
"""How long after the deadline of a request its pick expires, if its outcome was not reported until then, seconds."""

RETRYABLE: Final = (
    TransportError,
    ActorStopped,
    ActorNotFound,
    MailboxFullError,
    TooManyInFlight,
    AskTimeout,
    ConnectionLost,
)
"""After these another worker is asked if the outcome is definite or the message is `Idempotent`."""


class Pool:
    """One caller's handle to a pool: `ask` goes to the worker that its policy picks.

    Nodes without a link are left out; so are suspected nodes, as long as another one has a worker to ask.

    Args:
        system: a node of the cluster, or a client linked to it.
        name: the pool's name.
        nodes: returns the nodes that may be asked now.
        policy: decides which worker is picked; this caller has its own state of it.
        is_suspected: returns whether a node is suspected to have failed (default: none is); whoever passes it calls
            `targets_changed` when an opinion changes.
    """

    def __init__(
        self,
        system: System,
        name: str,
        nodes: Callable[[], Sequence[str]],
        *,
        policy: Policy,
        is_suspected: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._system = system
        self._name = name
        self._nodes = nodes
        self._is_suspected = is_suspected
        self._policy = policy
        self._monotonic = system.host.clock.monotonic
        self._lists = WorkerLists(system, name, nodes, self.targets_changed)
        self._is_current = False
        self._refs: dict[str, Ref[Any]] = {}
        self._balancer = Balancer(policy, rng=system.host.random)
        self._reserve: Balancer | None = None  # of the suspected workers, while there are others

    def close(self) -> None:
        """End the timers, and the requests for the lists of workers."""
        self._lists.close()

    # --- requests ---------------------------------------------------------------------------------------------------

    async def ask(
        self,
        msg: Ask[R],
        *,
        key: RoutingKey | None = None,
        timeout_s: float = ASK_TIMEOUT_S,
        attempt_s: float | None = None,
    ) -> R:
        """Ask a worker. If it did not take the message (it has stopped, or is full), ask another one.

        An `Idempotent` message is also sent to another worker if the outcome of the first attempt is unknown: the link
        dropped, or no answer came within `attempt_s`.

        Args:
            msg: the message.
            key: the key of the request, for policies that send the same key to the same worker.
            timeout_s: how long all attempts may take together, s.
            attempt_s: how long one attempt of an `Idempotent` message may take, s (default: all the time left).

        Raises:
            NoTargets: no worker of the pool can be reached; the outcome is definite.
            CoterieError: as `Ref.ask`, of the last attempt; its `outcome` shows whether a worker may have handled it.
        """
        deadline = self._monotonic() + timeout_s
        tried: dict[str, None] = {}
        last_error: CoterieError | None = None
        is_idempotent = isinstance(msg, Idempotent)
        while (left_s := deadline - self._monotonic()) > 0 or last_error is None:
            if not self._is_current:
                await self._update()
            picked = self._pick_untried(tried, key, deadline)
            if picked is None:
                break
            limit_s = min(left_s, attempt_s) if is_idempotent and attempt_s is not None else left_s
            try:
                return await self._attempt(*picked, msg, max(0.0, limit_s))
            except RETRYABLE as error:
                if error.outcome is not Outcome.DEFINITE and not is_idempotent:
                    raise
                last_error = error
        raise last_error or NoTargets(self._name)

    async def workers(self) -> list[Ref[Any]]:
        """Return the workers that can be reached now, alternating between the nodes."""
        if not self._is_current:
            await self._update()
        return list(self._refs.values())

    def targets_changed(self) -> None:
        """Take the workers, and the opinions of their nodes, into account anew, at the next request."""
        self._is_current = False

    async def _update(self) -> None:
        """Tell the policy which workers there are. Suspected nodes are left out, as long as others have workers."""
        reachable = self._nodes()
        trusted = [node for node in reachable if not self._is_suspected(node)]
        self._lists.refresh(trusted or reachable)
        if self._lists.is_waiting:
            await self._lists.wait()
        if not self._is_current:
            self._is_current = True
            self._replace_targets(self._nodes())

    def _replace_targets(self, nodes: Sequence[str]) -> None:
        now = self._monotonic()
        ref_by_target = self._workers_in_turn(nodes)
        self._refs = {target.key: ref for target, ref in ref_by_target}
        trusted = [target for target, _ in ref_by_target if not self._is_suspected(target.node)]
        suspected = [target for target, _ in ref_by_target if self._is_suspected(target.node)]
        self._balancer.update(trusted or suspected, now=now)
        self._reserve = None
        if trusted and suspected:
            self._reserve = Balancer(self._policy, rng=self._system.host.random)
            self._reserve.update(suspected, now=now)

    def _workers_in_turn(self, nodes: Sequence[str]) -> list[tuple[Target, Ref[Any]]]:
        """Return the first worker of each node, then the second one of each, and so on."""
        lists = [workers for node in nodes if (workers := self._lists.of(node)) is not None]
        depth = max((len(workers.refs) for workers in lists), default=0)
        return [
            (Target(f"{ref.node}/{ref.path}", workers.weight, ref.node), ref)
            for at in range(depth)
            for workers in lists
            for ref in workers.refs[at : at + 1]
        ]

    def _pick_untried(
        self, tried: dict[str, None], key: RoutingKey | None, deadline: float
    ) -> tuple[Balancer, Pick] | None:
        """Pick one of the workers that were not asked yet, of a suspected node if there is no other; None: no more."""
        now = self._monotonic()
        for balancer in (self._balancer, self._reserve):
            if balancer is None:
                continue
            pick = balancer.pick(now=now, key=key, exclude=tried.keys(), expires_at=deadline + EXPIRY_MARGIN_S)
            if pick is not None:
                tried[pick.target] = None
                return balancer, pick
        return None

    async def _attempt(self, balancer: Balancer, pick: Pick, msg: Ask[R], timeout_s: float) -> R:
        """Ask one worker, and report the outcome to the policy exactly once."""
        ref = self._refs[pick.target]
        outcome = RequestOutcome.LOST  # if the caller gives up
        try:
            reply: R = await ref.ask(msg, timeout_s=timeout_s)
            outcome = RequestOutcome.ANSWERED
            return reply
        except CoterieError as error:
            outcome = _outcome_of(error)
            if isinstance(error, ActorStopped | ActorNotFound):
                self._lists.discard(ref)
            raise
        except Exception:
            outcome = RequestOutcome.ANSWERED  # an error that the message declares
            raise
        finally:
            self._report(balancer, pick.token, outcome)

    def _report(self, balancer: Balancer, token: int, outcome: RequestOutcome) -> None:
        try:
            balancer.report(token, outcome, now=self._monotonic())
        except UnknownPick:  # this process stood still for so long that the pick has expired
            self._system.log.info("pool.report_too_late", pool=self._name)


def _outcome_of(error: CoterieError) -> RequestOutcome:
    if isinstance(error, ActorFailed):
        return RequestOutcome.FAILED
    return RequestOutcome.REFUSED if error.outcome is Outcome.DEFINITE else RequestOutcome.LOST
