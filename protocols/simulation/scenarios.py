"""The scenarios by name: each runs one seed and says what it came to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from coterie.protocols.simulation.raft_scenario import run_raft_seed
from coterie.protocols.simulation.synod_scenario import run_synod_seed
from coterie.protocols.simulation.verdict import Verdict

__all__ = ["SCENARIOS", "RunSeed"]


class RunSeed(Protocol):
    """Runs one seed."""

    def __call__(self, seed: int, *, nodes: int | None = None, hashed: bool = False) -> Verdict:
        """Run `seed` with `nodes` nodes (None: as the seed says); `hashed` fills `Verdict.digest`."""
        ...


SCENARIOS: Mapping[str, RunSeed] = {"raft": run_raft_seed, "synod": run_synod_seed}
