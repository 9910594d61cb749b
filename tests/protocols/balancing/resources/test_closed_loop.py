"""Three nodes under an open load; a hog takes 60 % of one of them for 20 s: the shares follow what is left.

Each node's samples are half a second old at most, noisy, and contain a part of the load that the weights cause: the
loop is closed.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass

import pytest

from coterie.protocols.balancing import Balancer, LoadReport, NodeResources, RequestOutcome, Target
from coterie.protocols.balancing.resources import ResourceWeights

REQUESTS_PER_S, COST_S, SAMPLE_S, REPLY_S = 300, 0.003, 0.5, 0.05
HOG, HOG_FROM_S, HOG_UNTIL_S, END_S = 0.6, 10.0, 30.0, 50.0
LEAK = 0.1
"""The part of a pool's own load that a node takes for load from elsewhere."""


@dataclass
class Node:
    """A node, whose hog is another process (`on_loop` False) or another actor on its event loop."""

    name: str
    on_loop: bool
    rng: random.Random
    noise: float
    hog: float = 0.0
    work_s: float = 0.0
    report: LoadReport | None = None

    def sample(self) -> None:
        wanted = self.work_s / SAMPLE_S
        granted = 1.0 if self.on_loop else 1.0 - self.hog
        other = self.hog if self.on_loop else 0.0
        used = min(1.0, other + wanted / granted)
        noisy = self.rng.uniform(-self.noise, self.noise)
        elsewhere = other + LEAK * (used - other) + noisy
        self.report = LoadReport(
            resources=NodeResources(
                loop_used=used, loop_used_elsewhere=max(0.0, elsewhere), cpu_granted=granted + noisy
            )
        )
        self.work_s = 0.0


def run(policy: ResourceWeights, *, on_loop: bool, noise: float = 0.02) -> dict[float, float]:
    """Return the share of the node with the hog in each half second, by its end."""
    rng = random.Random(5)
    nodes = {name: Node(name, on_loop, rng, noise) for name in ("n1", "n2", "n3")}
    balancer = Balancer(policy, rng=rng)
    balancer.update([Target(name, node=name) for name in nodes], now=0.0)
    replies: deque[tuple[float, int, str]] = deque()
    shares, sample_at, picked, total = {}, SAMPLE_S, 0, 0
    for number in range(int(END_S * REQUESTS_PER_S)):
        now = number / REQUESTS_PER_S
        nodes["n3"].hog = HOG if HOG_FROM_S <= now < HOG_UNTIL_S else 0.0
        if now >= sample_at:
            for node in nodes.values():
                node.sample()
            shares[sample_at], picked, total, sample_at = picked / total, 0, 0, sample_at + SAMPLE_S
        while replies and replies[0][0] <= now:
            _, token, name = replies.popleft()
            balancer.report(token, RequestOutcome.ANSWERED, now=now, load=nodes[name].report)
        pick = balancer.pick(now=now)
        assert pick is not None
        nodes[pick.target].work_s += COST_S
        replies.append((now + REPLY_S, pick.token, pick.target))
        picked, total = picked + (pick.target == "n3"), total + 1
    return shares


@pytest.mark.parametrize("on_loop", [True, False], ids=["another actor", "another process"])
def test_a_hogs_node_gets_its_remaining_capacity_within_5_s_and_all_back_without_oscillation(on_loop: bool) -> None:
    shares = run(ResourceWeights(), on_loop=on_loop)
    left = (1 - HOG) / (3 - HOG)
    calm = [share for at, share in shares.items() if 3 < at <= HOG_FROM_S or at > HOG_UNTIL_S + 5]
    hogged = [share for at, share in shares.items() if HOG_FROM_S + 5 < at <= HOG_UNTIL_S]

    assert all(share == pytest.approx(1 / 3, rel=0.1) for share in calm)
    assert all(share == pytest.approx(left, rel=0.1) for share in hogged)
    for begin_s, end_s, low, high in ((HOG_FROM_S, HOG_FROM_S + 5, left, 1 / 3), (HOG_UNTIL_S, END_S, left, 1 / 3)):
        settling = [share for at, share in shares.items() if begin_s < at <= end_s]
        assert min(settling) > 0.9 * low  # no undershoot
        assert max(settling) < 1.1 * high  # no overshoot


def test_without_smoothing_the_share_swings_with_noisy_samples() -> None:
    def spread(policy: ResourceWeights) -> float:
        calm = [share for at, share in run(policy, on_loop=False, noise=0.2).items() if at <= HOG_FROM_S]
        return max(calm) - min(calm)

    assert spread(ResourceWeights(smoothing_s=0.0)) > 1.5 * spread(ResourceWeights())
