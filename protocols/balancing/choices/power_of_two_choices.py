"""`PowerOfTwoChoices`: balances load by drawing two targets, and picking the less loaded one, by any measure."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from coterie.protocols.balancing.choices.drawn_candidates import draw_candidates
from coterie.protocols.balancing.measure import Measure
from coterie.protocols.balancing.measures.in_flight import InFlight
from coterie.protocols.balancing.policy import Picker
from coterie.protocols.balancing.settings_checks import measure_mistake, refuse

__all__ = ["PowerOfTwoChoices"]


@dataclass(frozen=True, slots=True)
class PowerOfTwoChoices:
    """Draws two targets at random, and picks the one of lower load.

    Many callers that know the same do not choose the same target: each sees its own two. With `PeakEwma()` it is the
    default balancer of Finagle and Linkerd.

    Source: Mitzenmacher, "The power of two choices in randomized load balancing", 2001.

    Attributes:
        measure: says how loaded a target is. Default: this caller's requests in flight, per weight.

    Raises:
        TypeError: `measure` is not a measure; the error names it.
    """

    measure: Measure = field(default_factory=InFlight)

    def __post_init__(self) -> None:
        refuse(type(self).__name__, measure_mistake("measure", self.measure))

    def make(self, rng: random.Random) -> Picker:
        """Return a picker whose measure knows nothing yet."""
        return draw_candidates(self.measure, 2, rng)
