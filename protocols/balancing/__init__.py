"""Load balancing: defines the policies that pick one of several targets for the next request, without I/O.

`balancer.py`: `Balancer`, picks targets with a policy, and settles each pick exactly once
`policy.py`: `Policy`, the interface of policies: settings that make a `Picker`
`policy_text.py`: `policy_text`, formats settings as their user writes them
`measure.py`: `Measure`, the interface of measures: how loaded each target is
`kept_events.py`: `KeptEvents`, keeps the events of a policy until they are fetched
`load_report.py`: `LoadReport`, what a target reports about its load
`settings_checks.py`: says why an argument is no policy, no measure or no capacity formula
`random_draw.py`: `draw_allowed` and `draw_distinct`, draw targets at random
`weights_in_range.py`: `weights_in_range`, scales extreme weights, so that sums of them are finite
`choices/`: policies that pick by turn, by chance, by weight or by measured load
`measures/`: measures of load: requests in flight, latencies, C3's score
`resources/`: weights that follow the remaining capacity of the targets' nodes
`hashing/`: policies that send requests of the same key to the same target
`guards/`: wrappers of policies that limit what failing and new targets receive; budgets for retries
`prequal/`: Prequal: probes in advance, and picks by requests in flight and by latency
"""

from coterie.protocols.balancing.balancer import Balancer, Pick, TargetStatus, UnknownPick
from coterie.protocols.balancing.choices.least_loaded import LeastLoaded
from coterie.protocols.balancing.choices.least_request import LeastRequest
from coterie.protocols.balancing.choices.power_of_two_choices import PowerOfTwoChoices
from coterie.protocols.balancing.choices.random_choice import RandomChoice
from coterie.protocols.balancing.choices.reported_weights import ReportedWeights
from coterie.protocols.balancing.choices.round_robin import RoundRobin
from coterie.protocols.balancing.choices.smooth_weighted import SmoothWeighted
from coterie.protocols.balancing.choices.static_stride import StaticStride
from coterie.protocols.balancing.guards import (
    CircuitBreaker,
    Hedger,
    Hedging,
    OutlierEjection,
    RetryBudget,
    RetryTokens,
    SlowStart,
)
from coterie.protocols.balancing.hashing import BoundedLoads, HashRing, JumpHash, Maglev, Rendezvous, stable_hash
from coterie.protocols.balancing.load_report import LoadReport, NodeResources
from coterie.protocols.balancing.measure import Measure, Meter
from coterie.protocols.balancing.measures.c3 import C3
from coterie.protocols.balancing.measures.in_flight import InFlight
from coterie.protocols.balancing.measures.peak_ewma import PeakEwma
from coterie.protocols.balancing.measures.reported_in_flight import ReportedInFlight
from coterie.protocols.balancing.policy import Picker, Policy, Probe, RequestOutcome, RoutingKey, Target
from coterie.protocols.balancing.prequal.latency_by_load import LatencyByLoad
from coterie.protocols.balancing.prequal.prequal import Prequal
from coterie.protocols.balancing.resources import CapacityFormula, OrleansScore, RemainingCapacity, ResourceWeights

__all__ = [
    "C3",
    "Balancer",
    "BoundedLoads",
    "CapacityFormula",
    "CircuitBreaker",
    "HashRing",
    "Hedger",
    "Hedging",
    "InFlight",
    "JumpHash",
    "LatencyByLoad",
    "LeastLoaded",
    "LeastRequest",
    "LoadReport",
    "Maglev",
    "Measure",
    "Meter",
    "NodeResources",
    "OrleansScore",
    "OutlierEjection",
    "PeakEwma",
    "Pick",
    "Picker",
    "Policy",
    "PowerOfTwoChoices",
    "Prequal",
    "Probe",
    "RandomChoice",
    "RemainingCapacity",
    "Rendezvous",
    "ReportedInFlight",
    "ReportedWeights",
    "RequestOutcome",
    "ResourceWeights",
    "RetryBudget",
    "RetryTokens",
    "RoundRobin",
    "RoutingKey",
    "SlowStart",
    "SmoothWeighted",
    "StaticStride",
    "Target",
    "TargetStatus",
    "UnknownPick",
    "stable_hash",
]
