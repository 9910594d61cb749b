"""`MembershipConfig`: the settings of a cluster's membership; the same on all its nodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from coterie.protocols.membership.cut_detector import CutConfig

__all__ = ["MembershipConfig"]


@dataclass(frozen=True, slots=True)
class MembershipConfig:
    """The settings of membership.

    A member that crashes is noticed after `failed_min` probes, is down some 0.1 s later, and is removed when its lease
    has run out: `probe_interval_s · (failed_min + ½) + lease_s · (1 + clock_drift)`, 6 s by default. The leader of the
    group expels nobody before it has reached the group without a pause for as long as `window` probes take.

    Attributes:
        probe_interval_s: how often a member probes each member that it observes, and how long it waits for the reply,
            s. Default 0.5. Too low: work for nothing, and short pauses count. Too high: crashes are noticed late.
        window: how many of the last probes of a member count. Default 10, as in Rapid (USENIX ATC 2018, §6).
        failed_min: how many of these must be lost until a member is accused. Default 6, that is 3 s without a reply
            (Rapid accuses from 4 lost ones on). Too low: a pause expels healthy members. Too high: crashes are noticed
            late.
        lease_s: how long a member may act after it has asked the view's group whether it is in, s. Default 2.5. Too
            low: an election of that group stops singletons. Too high: they begin elsewhere that much later.
        renew_every_s: how often a member asks, s. Default 0.7, so that it may fail three times within a lease.
        clock_drift: by which share clocks of two nodes may differ in speed. Default 0.05: far more than quartz does;
            below what is true, two members could hold one lease at once.
        change_every_s: for how long joins and other changes are collected into one view, s, if there was one shortly
            before. Default 1.0. Too low: a hundred nodes that start together make a hundred views. Too high: a second
            node waits for that long after a first one. A first change, and a crash, wait for 0.1 s only.
        stable_after_s: for how long a node's situation must have been the same before a partition policy decides, s.
            Default 3.0. Too low: a short disturbance stops nodes. Too high: a cut-off node serves for longer.
        cut: the settings of the cut detector.

    Raises:
        ValueError: a number is out of its range; the text names it.
    """

    probe_interval_s: float = 0.5
    window: int = 10
    failed_min: int = 6
    lease_s: float = 2.5
    renew_every_s: float = 0.7
    clock_drift: float = 0.05
    change_every_s: float = 1.0
    stable_after_s: float = 3.0
    cut: CutConfig = field(default_factory=CutConfig)

    def __post_init__(self) -> None:
        for name in ("probe_interval_s", "lease_s", "renew_every_s"):
            if not 0 < getattr(self, name) < inf:
                raise ValueError(f"{name} must be above 0 and finite, not {getattr(self, name)}")
        for name in ("clock_drift", "change_every_s", "stable_after_s"):
            if not 0 <= getattr(self, name) < inf:
                raise ValueError(f"{name} must be 0 or above and finite, not {getattr(self, name)}")
        if not 1 <= self.failed_min <= self.window <= 64:
            raise ValueError(
                f"probes must be 1 ≤ failed_min ≤ window ≤ 64, not failed_min={self.failed_min}, window={self.window}"
            )
        if not self.renew_every_s < self.lease_s / 2:
            raise ValueError(
                f"renew_every_s={self.renew_every_s} must be below half of lease_s={self.lease_s}: one lost answer "
                "would stop the member"
            )
