"""`BalancerActor`: passes each message on to one of its targets, picked by a load-balancing policy.

    asker ──ask──▶ BalancerActor ──ask──▶ target         the deadline and the chain of the ask travel on, and the
          ◀─reply───            ◀─reply──                reply or error comes back as it is

A target may be another balancer. Callers that know the targets need no balancer actor: a `Pool` picks without a hop.
"""

from __future__ import annotations

import functools
import operator
import types
from collections.abc import Callable, Sequence
from typing import Any, Final, Self, TypeVar

from coterie.actors.pools.loads.load_messages import ProbeLoad, UnknownWorker
from coterie.actors.pools.pool import DEFAULT_RETRY_BUDGET, NodeOpinions, Pool
from coterie.actors.pools.pool_options import option_mistakes
from coterie.actors.pools.requests.fixed_targets import FixedTargets
from coterie.actors.pools.requests.target_source import MakeSource
from coterie.errors import ActorFailed, ActorNotFound, ActorStopped, NoTargets, Outcome, TransportError
from coterie.protocols.balancing import LatencyByLoad, LoadReport, Policy, RoutingKey
from coterie.protocols.balancing.guards import Hedging, RetryBudget
from coterie.protocols.balancing.settings_checks import refuse
from coterie.runtime.actor import Actor
from coterie.runtime.cells.cell import Cell
from coterie.runtime.messages.message import Ask
from coterie.runtime.observing.dead_letters import Reason
from coterie.runtime.observing.error_texts import error_line, type_name
from coterie.runtime.refs import Ref

__all__ = ["BalancerActor"]

M = TypeVar("M")

KINDS_MAX: Final = 256
"""How many sets of message types are remembered, each with the class of its balancers."""


class BalancerActor(Actor[M]):
    """Passes on what its targets take; spawn it with `system.spawn(partial(BalancerActor, Prequal(), refs))`.

    Asks are passed on with the time that they have left, and the reply or error comes back as it was; one that no
    target can take fails with `NoTargets`. Messages that are told are passed on too. Messages of one sender may
    overtake each other. To `ProbeLoad` it answers with its own load: the asks that it has passed on.

    Balancers must not pass on to each other in a circle. An ask in a circle ends with `AskCycle`, at the latest after
    64 hops. A message that is told carries no chain: in a circle without another target it goes round without end.

    Args:
        policy: decides which target is picked.
        targets: the refs of the targets; or a function that makes a `TargetSource`, as in `Pool`.
        messages: the classes of the messages that it accepts from other nodes (default: those that the targets of this
            system take). From its own system it accepts any message.
        key_of: returns the key of a message, for policies that send the same key to the same target. If it raises, or
            returns something else than a key, this message alone fails: an ask with `ActorFailed`, a message that was
            told becomes a dead letter.
        probes_targets: True if the targets answer `ProbeLoad` themselves: they are balancers on other nodes.
        retry_budget, hedging, opinions: as in `Pool`.

    Raises:
        TypeError: `policy`, `retry_budget` or `hedging` is not what it must be, or the targets are no refs; the error
            names it. `spawn` raises it at once.
        ValueError: two of the refs have the same node and path. `spawn` raises it at once.
    """

    takes_any = True

    def __new__(
        cls,
        policy: Policy,
        targets: Sequence[Ref[Any]] | MakeSource,
        *,
        messages: Sequence[type] | None = None,
        retry_budget: RetryBudget | None = None,
        hedging: Hedging | None = None,
        **_: Any,
    ) -> Self:
        """Return an actor of a class that names `messages`: they differ between balancers."""
        refuse("BalancerActor", *option_mistakes("policy", policy, retry_budget=retry_budget, hedging=hedging))
        if not callable(targets):
            _check_refs(targets)
        if messages is None:
            messages = () if callable(targets) else _local_messages(targets)
        return object.__new__(_class_for(tuple(messages)) if cls is BalancerActor else cls)  # type: ignore[return-value]

    def __init__(
        self,
        policy: Policy,
        targets: Sequence[Ref[M]] | MakeSource,
        *,
        messages: Sequence[type[M]] | None = None,
        key_of: Callable[[M], RoutingKey | None] | None = None,
        probes_targets: bool = False,
        retry_budget: RetryBudget | None = DEFAULT_RETRY_BUDGET,
        hedging: Hedging | None = None,
        opinions: NodeOpinions | None = None,
    ) -> None:
        self._policy = policy
        self._targets = targets
        self._key_of = key_of
        self._probes_targets = probes_targets
        self._retry_budget = retry_budget
        self._hedging = hedging
        self._opinions = opinions
        self._latencies = LatencyByLoad()

    def on_start(self) -> None:
        """Make the pool of the targets."""
        self._pool = Pool(
            self.context.system,
            self.context.self_ref.path,
            self._targets if callable(self._targets) else self._fixed_targets,
            policy=self._policy,
            retry_budget=self._retry_budget,
            hedging=self._hedging,
            opinions=self._opinions,
            kind="balancer",
        )

    def on_stop(self) -> None:
        """End the pool."""
        self._pool.close()

    def receive(self, msg: Any, /) -> object:
        """Pass a message on."""
        if isinstance(msg, ProbeLoad):
            return self._load(msg)
        try:
            key = self._key(msg)
        except Exception as error:  # noqa: BLE001 (the function is the user's; the balancer must outlive it)
            self._refuse(msg, f"key_of failed on {type_name(msg)}: {error_line(error)}")
            return None
        if self.context.deadline is None:
            self._pool.tell(msg, key)
        else:
            self.context.reply_from(msg, self._passed_on(msg, key, self.context.deadline))
        return None

    def _key(self, msg: Any) -> RoutingKey | None:
        key = None if self._key_of is None else self._key_of(msg)
        if key is not None and not isinstance(key, str | bytes):
            raise TypeError(f"it returned {key!r:.60}, which is no str, bytes or None")
        return key

    def _refuse(self, msg: Any, reason: str) -> None:
        path = self.context.self_ref.path
        self.context.log.error("balancer.message_refused", reason=reason)
        if self.context.deadline is None:
            self.context.system.dead_letters.add(Reason.BAD_MESSAGE, path, msg, reason)
        else:
            self.context.reply_later(msg).fail(ActorFailed(f"balancer {path!r}: {reason}"))

    async def _passed_on(self, msg: Ask[Any], key: RoutingKey | None, deadline: float) -> object:
        monotonic = self.context.clock.monotonic
        began, is_answered = monotonic(), False
        number = self._latencies.arrived(now=began)
        try:
            reply = await self._pool.ask(msg, key=key, timeout_s=deadline - began)
            is_answered = True
            return reply
        except (TransportError, ActorStopped, ActorNotFound) as error:
            # Of its targets, not of this actor: an asker must not take this actor for ended.
            if isinstance(error, NoTargets) or error.outcome is not Outcome.DEFINITE:
                raise
            raise NoTargets(f"{self.context.self_ref.path!r} reached none of its targets: {error}") from error
        finally:
            self._latencies.completed(number, now=monotonic(), is_sample=is_answered)

    def _load(self, msg: ProbeLoad) -> LoadReport:
        path = self.context.self_ref.path
        if msg.path != path:
            raise UnknownWorker(f"balancer {path!r} answers for itself, not for {msg.path!r:.100}")
        in_flight, latency_s = self._latencies.report(self.context.clock.monotonic())
        return LoadReport(in_flight=in_flight, latency_s=latency_s)

    def _fixed_targets(self, _is_used: Callable[[], bool], _subscribes: bool) -> FixedTargets:
        if callable(self._targets):
            raise TypeError("the targets are made by a function, not given as refs")
        return FixedTargets(self.context.system, self._targets, are_probed=self._probes_targets)


def _check_refs(targets: object) -> None:
    if isinstance(targets, str | bytes) or not isinstance(targets, Sequence):
        raise TypeError(f"targets={targets!r:.100} must be a sequence of refs, or a function that makes a source")
    seen: set[tuple[str, str]] = set()
    for ref in targets:
        if not isinstance(ref, Ref):
            raise TypeError(f"targets contain {ref!r:.100}, which is no ref")
        if (ref.node, ref.path) in seen:
            raise ValueError(f"target {ref.path!r} on node {ref.node!r} is given twice")
        seen.add((ref.node, ref.path))


def _local_messages(targets: Sequence[Ref[Any]]) -> tuple[type, ...]:
    """Return the message classes that the targets of this system take, each once."""
    cells = [ref.delivery for ref in targets if isinstance(ref.delivery, Cell)]
    return tuple(dict.fromkeys(described.cls for cell in cells for described in cell.actor_class.messages))


@functools.lru_cache(KINDS_MAX)
def _class_for(messages: tuple[type, ...]) -> type[BalancerActor[Any]]:
    """Return the class of the balancers of these messages."""
    declared = functools.reduce(operator.or_, messages, ProbeLoad)
    base = BalancerActor[declared]  # type: ignore[valid-type]  # known only at run time
    return types.new_class("BalancerActor", (base,))
