"""`Policy`: defines the interface of load-balancing policies: settings that make a `Picker`, the state of one caller.

    policy = PowerOfTwoChoices(PeakEwma())       # settings: frozen, validated, shared by all callers
    picker = policy.make(rng)                    # the state of one caller, driven by a `Balancer`

A policy that looks at the load of targets takes a `Measure` ("how loaded is it?"), and decides only whom to pick. A
policy may wrap another one: it adds targets to `exclude`, or rejects what the other has chosen.
"""

from __future__ import annotations

import dataclasses
import enum
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from coterie.protocols.algorithm import Observe
from coterie.protocols.balancing.load_report import LoadReport

__all__ = [
    "NOTHING",
    "Picker",
    "Policy",
    "Probe",
    "RequestOutcome",
    "RoutingKey",
    "Target",
    "uses_keys",
    "uses_load_reports",
]

RoutingKey = str | bytes
"""Requests of the same key should go to the same target: policies that hash keys need one, the others ignore it."""

NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Target:
    """A target of requests: `key` identifies it while it exists, `weight` (above 0, finite) is its share.

    `node`: the machine that it shares with other targets; reports about a node's resources count for all of them.
    """

    key: str
    weight: float = 1.0
    node: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.weight < float("inf"):
            raise ValueError(f"target {self.key!r} has weight {self.weight}: it must be above 0 and finite")


class RequestOutcome(enum.Enum):
    """How a request ended, as its caller saw it."""

    ANSWERED = "answered"  # a reply, or an error that the message declares
    REFUSED = "refused"  # it did not take the message: stopped, full, or unreachable
    FAILED = "failed"  # it took the message and raised
    LOST = "lost"  # unknown: no answer in time, the link dropped, or the caller gave up

    @property
    def is_success(self) -> bool:
        """True for `ANSWERED`."""
        return self is RequestOutcome.ANSWERED


class Probe(NamedTuple):
    """Effect: ask `target` for its `LoadReport`, and call `probed` with the answer, or with None after `timeout_s`.

    `number` is unique within one picker.
    """

    target: str
    number: int
    timeout_s: float


class Picker(ABC):
    """The state of a policy for one caller. It does no I/O; `now` is monotonic, in seconds.

    For each pick a `Balancer` calls `choose`, once or more often, then `picked` once, and later `settled` once. Only
    targets of the last `update` are named in `picked` and `settled`: the state of a target that left is dropped, and
    reports of its open picks are not passed on, not even if a target of the same key has joined since.
    """

    @abstractmethod
    def update(self, targets: Sequence[Target], *, now: float) -> None:
        """Replace the targets (each key once; may be empty). The state of those that stay is kept."""

    @abstractmethod
    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        """Return the key of a target that is not in `exclude`; None if there is none.

        It may count as a turn, but it is not yet a request: a wrapper may reject it, and ask again with it excluded.
        """

    def picked(self, target: str, *, now: float) -> Sequence[Probe]:
        """Record that a request goes to `target`; return the probes to send."""
        return ()

    def settled(  # noqa: B027 (as most hooks here: doing nothing is right for a policy that does not need it)
        self, target: str, outcome: RequestOutcome, *, latency_s: float, load: LoadReport | None, now: float
    ) -> None:
        """Record how a request to `target` ended, `latency_s` after its pick; `load`: its report with the reply."""

    def probed(self, probe: Probe, load: LoadReport | None, *, now: float) -> None:  # noqa: B027 (as `settled`)
        """Record the answer of a probe; None if there was none. The target may have left since."""

    def recovered(self, target: str, *, now: float) -> None:  # noqa: B027 (as `settled`)
        """Treat `target` as new: it was left out for a while, because it failed or was suspected, and is used again."""

    def deadline(self) -> float | None:
        """Return the next time at which `tick` must be called; None if it need not be called."""
        return None

    def tick(self, *, now: float) -> Sequence[Probe]:
        """Handle expired timers; return the probes to send."""
        return ()

    def observations(self) -> Sequence[Observe]:
        """Return the events since the last call, and forget them: an ejected target, a circuit that opened."""
        return ()

    @abstractmethod
    def explain(self) -> str:
        """Return one sentence: why the last `choose` returned what it did, with the numbers that it compared."""

    def states(self, *, now: float) -> Mapping[str, str]:
        """Return the targets that are not treated as usual, with the reason: `ejected until …`, `warming up, 40 %`."""
        return {}

    def shares(self, *, now: float) -> Mapping[str, float] | None:
        """Return the share (they add up to 1) that each target is meant to get; None if the policy sets no shares."""
        return None


class Policy(Protocol):
    """The settings of a policy, a frozen dataclass. Each caller makes its own picker."""

    def make(self, rng: random.Random) -> Picker:
        """Return a new picker without targets, which draws from `rng`."""
        ...


def uses_load_reports(settings: object) -> bool:
    """Return whether a policy, or one that it wraps, or its measure looks at the reports that come with replies.

    Those that do say so with a class attribute, `uses_load_reports = True`; the others cost their targets no reports.
    """
    return _says(settings, "uses_load_reports")


def uses_keys(settings: object) -> bool:
    """Return whether a policy, or one that it wraps, picks by the key of each request.

    Those that do say so with a class attribute, `uses_keys = True`; without a key they pick at random.
    """
    return _says(settings, "uses_keys")


def _says(settings: object, attribute: str) -> bool:
    """Return whether `attribute` is True of settings, or of settings in their fields."""
    if getattr(settings, attribute, False):
        return True
    if isinstance(settings, type) or not dataclasses.is_dataclass(settings):
        return False
    inner = (getattr(settings, field.name) for field in dataclasses.fields(settings))
    return any(_says(each, attribute) for each in inner if hasattr(each, "make"))
