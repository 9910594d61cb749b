"""`buggify`: makes rare branches of application code run more often in a simulation: `if buggify("cache.evict"): …`.

Source: the "buggify" of FoundationDB (Zhou et al., FoundationDB: A Distributed Unbundled Transactional Key Value Store,
SIGMOD 2021, §4): a site is enabled or disabled for a whole run; an enabled site fires with a small probability.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

__all__ = ["BuggifySite", "BuggifySites", "buggify"]

ENABLED_PROBABILITY = 0.5
"""The probability that a site is enabled in a run, so that runs differ in which rare branches they take."""


def buggify(site: str, probability: float = 0.1) -> bool:
    """Return True occasionally in a simulation, and always False outside of one.

    Args:
        site: the name of the place; places with the same name share one count.
        probability: of True at a site that is enabled in this run, 0 … 1.

    Raises:
        ValueError: the probability is outside 0 … 1 (checked only in a simulation).
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return False
    sites = getattr(loop, "buggify_sites", None)
    return isinstance(sites, BuggifySites) and sites.fires(site, probability)


@dataclass(slots=True)
class BuggifySite:
    """One site in one run: whether it is enabled, how often it was reached, how often it returned True."""

    is_enabled: bool
    reached: int = 0
    fired: int = 0


class BuggifySites:
    """The sites of one run. `seed` decides which are enabled and when they fire."""

    def __init__(self, seed: int) -> None:
        self.by_name: dict[str, BuggifySite] = {}
        """The sites reached so far by name, in the order in which they were first reached."""
        self._seed = seed
        self._rng_by_name: dict[str, random.Random] = {}

    def fires(self, name: str, probability: float) -> bool:
        """Return whether the site `name` fires now. ValueError if the probability is outside 0 … 1."""
        if not 0 <= probability <= 1:
            raise ValueError(f"buggify({name!r}, {probability}): a probability must be between 0 and 1")
        if name not in self.by_name:
            # Each site has its own generator, so that reaching one site does not change the draws of another.
            rng = self._rng_by_name[name] = random.Random(f"{self._seed}/site/{name}")
            self.by_name[name] = BuggifySite(is_enabled=rng.random() < ENABLED_PROBABILITY)
        site = self.by_name[name]
        site.reached += 1
        has_fired = site.is_enabled and self._rng_by_name[name].random() < probability
        site.fired += has_fired
        return has_fired
