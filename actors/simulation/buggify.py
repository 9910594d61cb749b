"""Rare branches of users' own code, taken more often in a simulation: `if sometimes("cache.evict"): …`.

Source: the "buggify" of FoundationDB (Zhou et al., FoundationDB: A Distributed Unbundled Transactional Key Value Store,
SIGMOD 2021, §4): a site is switched on or off for a whole run, and a site that is on fires with a small probability.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

__all__ = ["Site", "Sites", "sometimes"]

SWITCHED_ON = 0.5
"""The probability that a site is on in a run: runs differ in kind, not only in order."""


def sometimes(site: str, probability: float = 0.1) -> bool:
    """Return True now and then in a simulation, and always False outside of one.

    Args:
        site: names the place; every place with the same name shares one count.
        probability: how often a site that is on in this run answers True, 0 … 1.

    Raises:
        ValueError: the probability is none (in a simulation).
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return False
    sites = getattr(loop, "sites", None)
    return isinstance(sites, Sites) and sites.is_hit(site, probability)


@dataclass(slots=True)
class Site:
    """One site in one run: whether it is on, how often it was reached, how often it answered True."""

    is_on: bool
    reached: int = 0
    fired: int = 0


class Sites:
    """The sites of one run. `seed` decides which are on and when they fire."""

    def __init__(self, seed: int) -> None:
        self.by_name: dict[str, Site] = {}
        """What was reached so far, in the order of the first time."""
        self._seed = seed
        self._rng_by_name: dict[str, random.Random] = {}

    def is_hit(self, name: str, probability: float) -> bool:
        """Return whether `name` fires now."""
        if not 0 <= probability <= 1:
            raise ValueError(f"sometimes({name!r}, {probability}): a probability is between 0 and 1")
        if name not in self.by_name:
            # A generator of its own for each: another site that is reached once more changes nothing here.
            rng = self._rng_by_name[name] = random.Random(f"{self._seed}/site/{name}")
            self.by_name[name] = Site(is_on=rng.random() < SWITCHED_ON)
        site = self.by_name[name]
        site.reached += 1
        is_hit = site.is_on and self._rng_by_name[name].random() < probability
        site.fired += is_hit
        return is_hit
