"""`Profile`: defines a named mixture of faults, from which `draw_plan` draws a fault plan at random.

| profile | faults | what must hold |
| --- | --- | --- |
| calm | none | everything |
| flaky-network | messages and links | everything |
| crashes | processes crash, pause and run slowly | everything |
| disk | syncs fail or are slow, replicas lose state | everything |
| everything | all kinds of the level | everything |
| raft | elections: isolated leaders, votes and commits under fast restarts, links that flap | everything |
| synod | duels: proposers and acceptors that restart or stall within a round | everything |
| byzantine-client | clients that send anything; some crashes, pauses, partitions and delays | everything |
| beyond-budget | more than a minority loses state, clocks run far too fast or slow | safety alone, not progress |

A replica that has lost state never comes back under its old name. So beyond the budget a majority may be gone
permanently: nothing more can be decided, and nothing that was decided may be contradicted.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from coterie.errors import PlanError
from coterie.protocols.faults.fault_budget import BEYOND_BUDGET, StateLoss, check_budget, max_state_losses
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Fault, Level
from coterie.protocols.faults.nearest_name import hint
from coterie.protocols.faults.profiles.hostile_recipes import HOSTILE_RECIPES
from coterie.protocols.faults.profiles.network_recipes import NETWORK_RECIPES
from coterie.protocols.faults.profiles.node_recipes import NODE_RECIPES
from coterie.protocols.faults.profiles.random_draws import RandomDraws

__all__ = ["PROFILES", "Profile", "draw_plan", "draw_state_loss_nodes", "is_live", "profile_named"]

RECIPES = {**NETWORK_RECIPES, **NODE_RECIPES, **HOSTILE_RECIPES}
FAULTS_PER_S = 0.9
LATEST_START = 0.9
"""The fraction of a plan's time within which faults begin, so that the last ones can take effect."""
MOST_DRAWS = 200


@dataclass(frozen=True, slots=True)
class Profile:
    """A named mixture of faults.

    Attributes:
        name: its name.
        weights: the relative probability of each recipe; empty: no faults.
        is_live: whether a group must make progress again after the plan has ended.
    """

    name: str
    weights: Mapping[str, float]
    is_live: bool = True


FLAKY = {
    "storm": 4, "delay": 1, "loss": 1, "duplicate": 1, "reorder": 1, "reset": 1, "reset_mid_frame": 1, "half_open": 1,
    "corrupt": 1, "bandwidth": 1, "partition": 4, "clog": 1, "flap": 1,
}  # fmt: skip
CRASHES = {"crash": 6, "fast_crash": 2, "outage": 1, "pause": 2, "slow_node": 1}
DISK = {
    "crash": 3, "outage": 1, "fsync_error": 2, "slow_disk": 2, "disk_full": 1, "short_write": 1, "stale_disk": 0.5,
    "wiped_disk": 0.5, "bit_rot": 0.5,
}  # fmt: skip
EVERYTHING = {
    "crash": 18, "fast_crash": 4, "outage": 2, "pause": 3, "slow_node": 1, "stale_disk": 0.3, "wiped_disk": 0.3,
    "storm": 4, "delay": 1, "loss": 1, "duplicate": 1, "reorder": 1, "reset": 1, "reset_mid_frame": 1, "half_open": 1,
    "corrupt": 1, "bandwidth": 1, "partition": 6, "clog": 1, "flap": 1, "clock_rate": 1, "wall_jump": 1,
    "fsync_error": 1.5, "disk_full": 0.5, "short_write": 0.5, "bit_rot": 0.3, "slow_disk": 2, "raise_in_handler": 0.5,
    "cancel_handler": 0.5, "hang_handler": 0.5, "poison_message": 0.5, "full_mailbox": 0.5, "random_order": 0.5,
    "priorities": 0.5, "starve": 0.5,
}  # fmt: skip
RAFT = {
    "crash": 5, "fast_crash": 10, "outage": 1, "pause": 2, "leader_partition": 4, "partition": 1, "flap": 2, "storm": 3,
    "reorder": 1, "clog": 1, "clock_rate": 1, "slow_disk": 2, "fsync_error": 1,
}  # fmt: skip
SYNOD = {
    "crash": 4, "fast_crash": 8, "outage": 1, "pause": 3, "storm": 3, "delay": 2, "duplicate": 1, "reorder": 2,
    "reset": 1, "leader_partition": 2, "clog": 1, "slow_disk": 2, "starve": 1, "priorities": 1, "fsync_error": 1,
}  # fmt: skip
BYZANTINE_CLIENT = {"hostile_client": 12, "crash": 2, "pause": 0.5, "partition": 2, "delay": 0.5}
BEYOND = {"crash": 4, "wiped_disk": 2, "stale_disk": 2, "bit_rot": 1, "wild_clock": 2, "storm": 1, "partition": 1}

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            Profile("calm", {}),
            Profile("flaky-network", FLAKY),
            Profile("crashes", CRASHES),
            Profile("disk", DISK),
            Profile("everything", EVERYTHING),
            Profile("raft", RAFT),
            Profile("synod", SYNOD),
            Profile("byzantine-client", BYZANTINE_CLIENT),
            Profile(BEYOND_BUDGET, BEYOND, is_live=False),
        )
    }
)
"""The profiles by name."""


def profile_named(name: str) -> Profile:
    """Return the profile called `name`.

    Raises:
        PlanError: there is no such profile; the error names the nearest.
    """
    if name not in PROFILES:
        raise PlanError(f"there is no profile {name!r}{hint(name, PROFILES)}")
    return PROFILES[name]


def is_live(plan: FaultPlan) -> bool:
    """Return whether a group must make progress again after `plan` has ended: not if it is beyond the budget."""
    profile = PROFILES.get(plan.profile or "")
    return profile is None or profile.is_live


def draw_plan(
    name: str,
    rng: random.Random,
    nodes: Sequence[str],
    duration_s: float,
    *,
    level: Level,
    faults: int | None = None,
    early_bias: float = 1.0,
    state_loss_nodes: Sequence[str] | None = None,
) -> FaultPlan:
    """Draw a plan of profile `name`, with kinds of faults that `level` has. It is within the budget of its profile.

    Args:
        name: the profile.
        rng: the source of all random draws.
        nodes: the nodes of the run.
        duration_s: when everything heals.
        level: the level at which the plan will be carried out.
        faults: the number of draws (some draw several faults); None: about one a second.
        early_bias: above 1, faults are early rather than evenly distributed.
        state_loss_nodes: the nodes that may lose their state; None: they are drawn.

    Raises:
        PlanError: there is no such profile, or it has no fault for so few nodes at that level.
    """
    profile = profile_named(name)
    count = 0 if not profile.weights else math.ceil(FAULTS_PER_S * duration_s) if faults is None else faults
    if state_loss_nodes is None:
        state_loss_nodes = draw_state_loss_nodes(name, rng, nodes)
    times = sorted(LATEST_START * rng.random() ** early_bias * duration_s for _ in range(count))
    occasions = (RandomDraws(rng, tuple(nodes), tuple(state_loss_nodes), at_s, duration_s) for at_s in times)
    drawn = [fault for draws in occasions for fault in _draw_faults(profile, draws, level)]
    plan = FaultPlan(tuple(nodes), tuple(_one_state_loss_per_node(drawn)), duration_s, profile.name)
    check_budget(plan)
    return plan


def draw_state_loss_nodes(name: str, rng: random.Random, nodes: Sequence[str]) -> tuple[str, ...]:
    """Draw the nodes that may lose their state: at most a minority; under `beyond-budget` a majority or all."""
    most = max_state_losses(len(nodes))
    count = rng.randint(most + 1, len(nodes)) if name == BEYOND_BUDGET else rng.randint(0, most)
    return tuple(rng.sample(list(nodes), count))


def _one_state_loss_per_node(faults: Sequence[Fault]) -> list[Fault]:
    """Leave out later state losses of a node: after the first it is gone."""
    gone: dict[str, None] = {}
    kept: list[Fault] = []
    for fault in faults:
        if isinstance(fault, StateLoss):
            if fault.target in gone:
                continue
            gone[fault.target] = None
        kept.append(fault)
    return kept


def _draw_faults(profile: Profile, draws: RandomDraws, level: Level) -> list[Fault]:
    names, weights = list(profile.weights), list(profile.weights.values())
    for _ in range(MOST_DRAWS):
        recipe = RECIPES[draws.rng.choices(names, weights)[0]]
        possible = [fault for fault in recipe(draws) if level in fault.LEVELS]
        if possible:
            return possible
    raise PlanError(f"profile {profile.name!r} has no fault for {len(draws.nodes)} nodes at level {level.value!r}")
