"""Detector topologies: one cluster of five nodes for each kind of failure detector; each node prints its opinions.

A printed line is `opinion <state> <peer> <monotonic s>`; all processes of one machine share the monotonic clock.
"""

from __future__ import annotations

import time
from typing import Final

from coterie import Topology
from coterie.actors.node import Node
from coterie.protocols.detection import ChenConfig, DeadlineConfig, MakeDetector, PhiAccrualConfig, RttPhiConfig
from coterie.protocols.detection.failure_detector import StateChange
from coterie.protocols.detection.swim.swim_config import SwimConfig

__all__ = ["DETECTORS", "NODES", "chen", "deadline", "phi_accrual", "rtt_phi", "swim"]

NODES: Final = ("n1", "n2", "n3", "n4", "n5")


def _print_opinion(node: Node, change: StateChange) -> None:
    del node
    print(f"opinion {type(change).__name__} {change.peer} {time.monotonic():.6f}", flush=True)


def _topology(name: str, config: MakeDetector) -> Topology:
    topology = Topology(f"detector-{name}", nodes=NODES)
    topology.detector(config, on_suspected=_print_opinion, on_failed=_print_opinion, on_trusted=_print_opinion)
    return topology


deadline = _topology("deadline", DeadlineConfig.local())
phi_accrual = _topology("phi_accrual", PhiAccrualConfig.local())
chen = _topology("chen", ChenConfig.local())
rtt_phi = _topology("rtt_phi", RttPhiConfig.local())
swim = _topology("swim", SwimConfig.local())

DETECTORS: Final = {"deadline": deadline, "phi_accrual": phi_accrual, "chen": chen, "rtt_phi": rtt_phi, "swim": swim}
"""The topologies by the name of their variable."""
