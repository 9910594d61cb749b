"""`Balancer`: picks targets with a policy, and settles each pick exactly once.

   update(targets)                    ┌────────────┐
──────────────────────────────────▶   │            │ ── Pick(target, token, probes) ──▶ the caller sends the request
   pick(now, key, exclude)            │  Balancer  │                                   and the probes
──────────────────────────────────▶   │            │
   report(token, outcome, load)       │  a Picker  │    a pick that nothing reports is settled as LOST at its
──────────────────────────────────▶   └────────────┘    expiry: a caller that leaks picks does no lasting harm
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, NamedTuple

from coterie.protocols.algorithm import Observe
from coterie.protocols.balancing.load_report import LoadReport
from coterie.protocols.balancing.policy import NOTHING, Picker, Policy, Probe, RequestOutcome, RoutingKey, Target

__all__ = ["Balancer", "Pick", "TargetStatus", "UnknownPick"]

ANSWERED: Final = RequestOutcome.ANSWERED
LATENCY_WEIGHT: Final = 0.1
"""The weight of the newest latency in the average of `TargetStatus`."""


class UnknownPick(ValueError):
    """A report for a pick that was never made, was reported already, or has expired."""


class Pick(NamedTuple):
    """A pick: send the request to `target`, report its outcome with `token`, and carry out `probes`."""

    target: str
    token: int
    probes: Sequence[Probe] = ()


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """One target as its caller sees it.

    Attributes:
        target: its key.
        node: its node.
        weight: its configured weight.
        state: `serving`, or why it is not treated as usual.
        in_flight: this caller's open picks.
        picks, failures: since it joined; failures are the requests without an answer.
        wanted_share: the share that the policy means it to have; None if the policy sets none.
        latency_s: moving average of answered requests; None before the first.
    """

    target: str
    node: str
    weight: float
    state: str
    in_flight: int
    picks: int
    failures: int
    wanted_share: float | None
    latency_s: float | None


class _Entry:
    """What is counted for one target, from when it joins until it leaves."""

    __slots__ = ("failures", "in_flight", "is_current", "latency_s", "picks", "target")

    def __init__(self, target: Target) -> None:
        self.target = target
        self.is_current = True
        self.picks = self.failures = self.in_flight = 0
        self.latency_s: float | None = None


class Balancer:
    """The load balancer of one caller: pure, and driven by the sender of the requests.

    Args:
        policy: decides which target is picked.
        rng: the source of random choices.
        expiry_s: when a pick that is not reported is settled as lost, unless `pick` says otherwise, s. Default 60:
            longer than requests take; too low settles requests that still run, too high counts leaked picks as load.
        on_error: gets the name of the method, `picked` or `settled`, and the exception that the policy has raised
            there; the request goes on. Default None: it is raised.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        rng: random.Random,
        expiry_s: float = 60.0,
        on_error: Callable[[str, Exception], object] | None = None,
    ) -> None:
        if not 0 < expiry_s < float("inf"):
            raise ValueError(f"expiry_s={expiry_s} must be above 0 and finite")
        self.policy = policy
        self._picker = picker = policy.make(rng)
        self._choose = picker.choose
        self._picked = None if type(picker).picked is Picker.picked else picker.picked  # None: it would do nothing
        self._settled = None if type(picker).settled is Picker.settled else picker.settled
        self._expiry_s = expiry_s
        self._on_error = on_error
        self._entries: dict[str, _Entry] = {}
        self._open: dict[int, tuple[_Entry, float, float]] = {}  # by token: the target, when picked, when it expires
        self._last_token = 0
        self._sweep_at = float("-inf")
        self.expired = 0

    # --- targets ----------------------------------------------------------------------------------------------------

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        """Replace the targets; the state of those that stay is kept. ValueError names a key that is given twice."""
        new = {target.key: target for target in targets}
        if len(new) != len(targets):
            keys = [target.key for target in targets]
            raise ValueError(f"target {next(key for key in keys if keys.count(key) > 1)!r} is given twice")
        for key in [key for key in self._entries if key not in new]:
            self._entries.pop(key).is_current = False
        for key, target in new.items():
            if key in self._entries:
                self._entries[key].target = target
            else:
                self._entries[key] = _Entry(target)
        self._picker.update(targets, now=now)

    def recovered(self, target: str, *, now: float) -> None:
        """Say that a target that the caller left out for a while, as it was suspected, is used again: it is as new."""
        if target in self._entries:
            self._picker.recovered(target, now=now)

    # --- requests ---------------------------------------------------------------------------------------------------

    def pick(
        self,
        *,
        now: float,
        key: RoutingKey | None = None,
        exclude: AbstractSet[str] = NOTHING,
        expires_at: float | None = None,
    ) -> Pick | None:
        """Pick a target for a request; None if all targets are excluded, or there is none.

        Args:
            now: monotonic, s.
            key: the key of the request, for policies that hash keys.
            exclude: keys of targets that must not be picked.
            expires_at: when the pick is settled as lost if it is not reported (default: after `expiry_s`).
        """
        if now >= self._sweep_at:
            self._sweep(now)
        target = self._choose(now=now, key=key, exclude=exclude)
        if target is None:
            return None
        probes: Sequence[Probe] = ()
        if self._picked is not None:
            try:
                probes = self._picked(target, now=now)
            except Exception as error:  # noqa: BLE001 - the policy is written by others
                self._failed("picked", error)
        entry = self._entries[target]
        entry.picks += 1
        entry.in_flight += 1
        token = self._last_token = self._last_token + 1
        self._open[token] = (entry, now, now + self._expiry_s if expires_at is None else expires_at)
        return tuple.__new__(Pick, (target, token, probes))  # a third of the time of Pick(…)

    def choose(self, *, now: float, key: RoutingKey | None = None, exclude: AbstractSet[str] = NOTHING) -> str | None:
        """Choose a target for a message that gets no answer; None as in `pick`. There is nothing to report.

        The policy takes its turn, but counts no request: such messages are not part of a target's load.
        """
        return self._choose(now=now, key=key, exclude=exclude)

    def report(self, token: int, outcome: RequestOutcome, *, now: float, load: LoadReport | None = None) -> None:
        """Settle a pick: how its request ended, and what its target reported with the reply.

        Raises:
            UnknownPick: no such pick is open: it was never made, was reported already, or has expired.
        """
        try:
            entry, picked_at, _ = self._open.pop(token)
        except KeyError:
            raise UnknownPick(self._describe_unknown(token)) from None
        self._settle(entry, outcome, now - picked_at if now > picked_at else 0.0, load, now)

    def _settle(
        self, entry: _Entry, outcome: RequestOutcome, latency_s: float, load: LoadReport | None, now: float
    ) -> None:
        entry.in_flight -= 1
        if outcome is ANSWERED:
            average_s = entry.latency_s
            entry.latency_s = latency_s if average_s is None else average_s + LATENCY_WEIGHT * (latency_s - average_s)
        else:
            entry.failures += 1
        if self._settled is not None and entry.is_current:
            try:
                self._settled(entry.target.key, outcome, latency_s=latency_s, load=load, now=now)
            except Exception as error:  # noqa: BLE001 - the policy is written by others
                self._failed("settled", error)

    def _failed(self, method: str, error: Exception) -> None:
        if self._on_error is None:
            raise error
        self._on_error(method, error)

    def _sweep(self, now: float) -> None:
        """Settle the expired picks as lost. It looks at all open picks, so it runs four times in `expiry_s` only."""
        self._sweep_at = now + self._expiry_s / 4
        for token in [token for token, (_, _, expires_at) in self._open.items() if now >= expires_at]:
            entry, picked_at, _ = self._open.pop(token)
            self.expired += 1
            self._settle(entry, RequestOutcome.LOST, now - picked_at, None, now)

    def _describe_unknown(self, token: int) -> str:
        if 0 < token <= self._last_token:
            return f"pick {token} was reported already, or has expired"
        return f"pick {token} was never made: the last one is {self._last_token}"

    # --- probes and time --------------------------------------------------------------------------------------------

    def probed(self, probe: Probe, load: LoadReport | None, *, now: float) -> None:
        """Take the answer of a probe; None if there was none in time."""
        self._picker.probed(probe, load, now=now)

    @property
    def has_timers(self) -> bool:
        """False if `deadline` is always None, whatever happens."""
        return type(self._picker).deadline is not Picker.deadline

    @property
    def has_events(self) -> bool:
        """False if `observations` is always empty, whatever happens."""
        return type(self._picker).observations is not Picker.observations

    @property
    def picks(self) -> int:
        """The number of picks since it was made."""
        return self._last_token

    @property
    def in_flight(self) -> int:
        """The number of open picks."""
        return len(self._open)

    @property
    def deadline(self) -> float | None:
        """The next time (monotonic, s) at which `tick` must be called; None while the policy has nothing to do."""
        return self._picker.deadline()

    def tick(self, *, now: float) -> Sequence[Probe]:
        """Settle expired picks and handle the policy's timers; return the probes to send."""
        if now >= self._sweep_at:
            self._sweep(now)
        return self._picker.tick(now=now)

    # --- reports ----------------------------------------------------------------------------------------------------

    def observations(self) -> Sequence[Observe]:
        """Return the policy's events since the last call, for the log; the oldest are lost if there are too many."""
        return self._picker.observations()

    def explain(self) -> str:
        """Return why the last pick fell as it did, in one sentence with the numbers that were compared."""
        return self._picker.explain()

    def statuses(self, *, now: float) -> list[TargetStatus]:
        """Return what is known of each target, in the order of `update`."""
        states = self._picker.states(now=now)
        shares = self._picker.shares(now=now) or {}
        return [
            TargetStatus(
                target=key,
                node=entry.target.node,
                weight=entry.target.weight,
                state=states.get(key, "serving"),
                in_flight=entry.in_flight,
                picks=entry.picks,
                failures=entry.failures,
                wanted_share=shares.get(key),
                latency_s=entry.latency_s,
            )
            for key, entry in self._entries.items()
        ]
