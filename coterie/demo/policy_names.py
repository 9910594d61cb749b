"""Policy names: the load-balancing policies by name, for `coterie demo --balance`, each with its default settings."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from coterie.protocols.balancing import (
    C3,
    BoundedLoads,
    CircuitBreaker,
    HashRing,
    JumpHash,
    LeastLoaded,
    LeastRequest,
    Maglev,
    OutlierEjection,
    PeakEwma,
    Policy,
    PowerOfTwoChoices,
    Prequal,
    RandomChoice,
    Rendezvous,
    ReportedInFlight,
    ReportedWeights,
    ResourceWeights,
    RoundRobin,
    SlowStart,
    SmoothWeighted,
    StaticStride,
)

__all__ = ["POLICY_BY_NAME", "UnknownPolicy", "policy_named"]

POLICY_BY_NAME: Final[Mapping[str, Policy]] = MappingProxyType(
    {
        "bounded-loads": BoundedLoads(),
        "c3": LeastLoaded(C3()),
        "circuit-breaker": CircuitBreaker(LeastRequest()),
        "hash-ring": HashRing(),
        "jump-hash": JumpHash(),
        "least-loaded": LeastLoaded(),
        "least-reported": LeastLoaded(ReportedInFlight()),
        "least-request": LeastRequest(),
        "maglev": Maglev(),
        "outlier-ejection": OutlierEjection(LeastRequest()),
        "peak-ewma": PowerOfTwoChoices(PeakEwma()),
        "prequal": Prequal(),
        "random": RandomChoice(),
        "rendezvous": Rendezvous(),
        "reported-weights": ReportedWeights(),
        "resource-weights": ResourceWeights(),
        "round-robin": RoundRobin(),
        "slow-start": SlowStart(LeastRequest()),
        "smooth-weighted": SmoothWeighted(),
        "static-stride": StaticStride(),
        "two-choices": PowerOfTwoChoices(),
    }
)
"""The policy of each name. Wrappers are around `LeastRequest`, measures in `LeastLoaded` or `PowerOfTwoChoices`."""

_CLASS_BY_NAME: Final[Mapping[str, str]] = MappingProxyType(
    {"least-reported": "ReportedInFlight", "random": "RandomChoice", "two-choices": "PowerOfTwoChoices"}
)
"""The class of the policy or measure, for the names that differ from it by more than dashes and capitals."""


class UnknownPolicy(ValueError):
    """No policy has this name; the text lists all names."""


def policy_named(name: str) -> Policy:
    """Return the policy of a name, or of its class: `two-choices`, `PowerOfTwoChoices`. Capitals, dashes do not count.

    Raises:
        UnknownPolicy: there is none.
    """
    for known, policy in POLICY_BY_NAME.items():
        if _plain(name) in (_plain(known), _plain(_CLASS_BY_NAME.get(known, known))):
            return policy
    raise UnknownPolicy(f"there is no policy {name!r}: choose one of {', '.join(POLICY_BY_NAME)}")


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").removesuffix("()")
