"""`SwimConfig`: sets the periods, time-outs and multipliers of SWIM, explains each, and has three presets."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import isfinite
from typing import TYPE_CHECKING, Final

from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.failure_detector import check_peers
from coterie.protocols.detection.swim.probe_order import OrderKind

if TYPE_CHECKING:
    from coterie.protocols.detection.swim.swim import Swim

__all__ = ["SwimConfig"]

PACKET_BUDGET_MAX_BYTES: Final = 65_000
"""A UDP datagram holds 65,507 bytes; the rest is for its header and authentication."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwimConfig:
    """Times in seconds. The defaults are the preset `lan` (those of hashicorp/memberlist's `DefaultLANConfig`).

    Attributes:
        period_s: one member is probed in each period. Lower: detection is faster, and the load (two messages per member
            and period) higher. Higher: the reverse.
        probe_timeout_s: how long to wait for a direct acknowledgement before others are asked to probe. Lower than the
            network's 99th percentile: needless indirect probes. It must be below `period_s`.
        indirect_probes: how many other members are asked. 0: one lost datagram is enough for a suspicion.
        suspicion_multiplier: α, the shortest suspicion in periods (· max(1, log10 n)). Lower: failures are declared
            sooner, and slow members have less time to refute.
        suspicion_max_multiplier: β, the longest suspicion in shortest ones. 1: independent confirmations change
            nothing (SWIM without LHA-Suspicion).
        confirmations: k, how many independent confirmations make a suspicion as short as it gets; None: α − 2 (as
            memberlist; the Lifeguard paper uses 3 with α = 5). In a cluster with fewer other members it is 0.
        inquiries: how often a suspicion that comes to its end is inquired about, each time with the suspect and
            `gossip_fanout` − 1 others, which answer with newer records. More: fewer false failures under heavy loss,
            and more messages for each failure. 0: as in SWIM.
        retransmit_multiplier: λ, how often each news is sent, · ⌈log10(n + 1)⌉. Too low: some members never hear it
            before the next full exchange.
        gossip_interval_s, gossip_fanout: while there is news, it is sent to so many random members at each interval,
            besides riding on probes.
        packet_budget_bytes: the most bytes of records in one datagram, 64 … 65,000. Above about 1,200 it exceeds
            `DatagramConfig.max_bytes` (1,400 with the headers), and goes over the link instead; if that is raised, too,
            datagrams are fragmented.
        exchange_interval_s: how often all records are exchanged with one random member, over a stream; 0: never. It
            repairs what gossip has missed; its bytes grow with n.
        announce_interval_s: how often `gossip_fanout` failed members are told so: those that live refute. It heals
            partitions. 0: never.
        local_health_max: the largest score of Lifeguard's local health (LHA-Probe); 0: SWIM without it.
        has_buddy: whether a suspected member is told of the suspicion with the next probe (the Buddy System).
        stall_s: a timer that is handled later than this means that this process stood still: pending probes are
            abandoned, suspicions are prolonged by the pause, and the local health worsens; nobody is accused. Infinite:
            our own pauses are ignored, as in SWIM.
        start_grace_s: a member that has never acknowledged a probe of this process is not accused so soon after the
            start: the nodes of a cluster do not start at the same moment. Too low: each start of a cluster ends in
            false alarms. Too high: a node that does not start at all is noticed late.
        probe_order: round robin over a shuffled list, or at random.
        learns_members: whether members that are named by others are added; otherwise only those given at the start
            are monitored.
        members_max: the most members, in whatever state.

    Raises:
        ValueError: a value is out of its range, or two contradict each other; the message names them.
    """

    period_s: float = 1.0
    probe_timeout_s: float = 0.5
    indirect_probes: int = 3
    suspicion_multiplier: float = 4.0
    suspicion_max_multiplier: float = 6.0
    confirmations: int | None = None
    inquiries: int = 4
    retransmit_multiplier: int = 4
    gossip_interval_s: float = 0.2
    gossip_fanout: int = 3
    packet_budget_bytes: int = 1100
    exchange_interval_s: float = 30.0
    announce_interval_s: float = 30.0
    local_health_max: int = 8
    has_buddy: bool = True
    stall_s: float = 0.25
    start_grace_s: float = 10.0
    probe_order: OrderKind = OrderKind.ROUND_ROBIN
    learns_members: bool = False
    members_max: int = 10_000

    def __post_init__(self) -> None:
        for name in ("period_s", "probe_timeout_s", "gossip_interval_s", "stall_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} ({getattr(self, name)}) must be above 0")
        for name in (
            "indirect_probes",
            "inquiries",
            "start_grace_s",
            "exchange_interval_s",
            "announce_interval_s",
            "local_health_max",
        ):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} ({getattr(self, name)}) must be at least 0")
        for name in ("suspicion_multiplier", "suspicion_max_multiplier", "retransmit_multiplier", "gossip_fanout"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name} ({getattr(self, name)}) must be at least 1")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and field.name != "stall_s" and not isfinite(value):
                raise ValueError(f"{field.name} ({value}) must be finite")
        self._check_contradictions()

    def _check_contradictions(self) -> None:
        if self.probe_timeout_s >= self.period_s:
            raise ValueError(
                f"probe_timeout_s ({self.probe_timeout_s}) must be below period_s ({self.period_s}): "
                "indirect probes need the rest of the period"
            )
        if self.confirmations is not None and self.confirmations < 0:
            raise ValueError(f"confirmations ({self.confirmations}) must be at least 0")
        if self.packet_budget_bytes < 64:
            raise ValueError(f"packet_budget_bytes ({self.packet_budget_bytes}) must be at least 64: one record")
        if self.packet_budget_bytes > PACKET_BUDGET_MAX_BYTES:
            raise ValueError(
                f"packet_budget_bytes ({self.packet_budget_bytes}) must be at most {PACKET_BUDGET_MAX_BYTES:,}: "
                "a UDP datagram holds no more"
            )
        if self.members_max < 1:
            raise ValueError(f"members_max ({self.members_max}) must be at least 1")

    @classmethod
    def lan(cls) -> SwimConfig:
        """Return the preset for one data centre: period 1 s (memberlist's `DefaultLANConfig`)."""
        return cls()

    @classmethod
    def wan(cls) -> SwimConfig:
        """Return the preset for several data centres: period 5 s (memberlist's `DefaultWANConfig`)."""
        return cls(
            period_s=5.0,
            probe_timeout_s=3.0,
            suspicion_multiplier=6.0,
            gossip_interval_s=0.5,
            gossip_fanout=4,
            exchange_interval_s=60.0,
            announce_interval_s=60.0,
            start_grace_s=20.0,
            stall_s=1.0,
        )

    @classmethod
    def local(cls) -> SwimConfig:
        """Return our own preset for one machine or rack: period 0.2 s, first suspicion well within 1.5 s.

        (memberlist's `DefaultLocalConfig` has a period of 1 s; its suspicions come after up to 5 s.)
        """
        return cls(
            period_s=0.2,
            probe_timeout_s=0.08,
            gossip_interval_s=0.05,
            exchange_interval_s=10.0,
            announce_interval_s=2.0,
            start_grace_s=5.0,
            stall_s=0.1,
        )

    def confirmations_among(self, members: int) -> int:
        """Return k in a cluster of `members` members: 0 if there are not enough others to confirm."""
        k = round(self.suspicion_multiplier) - 2 if self.confirmations is None else self.confirmations
        return k if 0 < k <= members - 2 else 0

    def make(self, node: NodeId, peers: Sequence[NodeId], *, seed: int) -> Swim:
        """Return a member `node` that begins with `peers`; see `MakeDetector`.

        Raises:
            ValueError: `peers` contains `node`, or a peer twice.
        """
        from coterie.protocols.detection.swim.swim import Swim, initial_records  # noqa: PLC0415 (it imports this file)

        check_peers(node, peers)
        return Swim(node, self, initial_records([node, *peers]), random.Random(seed))
