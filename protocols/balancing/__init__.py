"""Load balancing: defines the policies that pick one of several targets for the next request, without I/O.

`balancer.py`: `Balancer`, picks targets with a policy, and settles each pick exactly once
`policy.py`: `Policy`, the interface of policies: settings that make a `Picker`
`measure.py`: `Measure`, the interface of measures: how loaded each target is
`load_report.py`: `LoadReport`, what a target reports about its load
`guards/`: wrappers of policies that limit what failing and new targets receive; budgets for retries
`choices/`: policies that pick by turn, by chance, by weight or by measured load
"""

from coterie.protocols.balancing.balancer import Balancer, Pick, TargetStatus, UnknownPick
from coterie.protocols.balancing.choices.round_robin import RoundRobin
from coterie.protocols.balancing.load_report import LoadReport, NodeResources
from coterie.protocols.balancing.policy import Picker, Policy, Probe, RequestOutcome, RoutingKey, Target

__all__ = [
    "Balancer",
    "LoadReport",
    "NodeResources",
    "Pick",
    "Picker",
    "Policy",
    "Probe",
    "RequestOutcome",
    "RoundRobin",
    "RoutingKey",
    "Target",
    "TargetStatus",
    "UnknownPick",
]
