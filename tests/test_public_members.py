"""The members of the public classes: what `help(System)` shows is for users, and nothing new slips in unnoticed.

A name that is new here is a promise to users. What coterie's own actors need of a public class belongs in an internal
object (`System.registry`, `System.remoting`, `ClusterApi.handles`) or gets an underscore.
"""

from __future__ import annotations

import enum
import inspect
from dataclasses import fields, is_dataclass

import pytest

import coterie

POLICY = "make"
DETECTOR_ACTOR = "context observed on_restart on_start on_stop on_visit_end perform persist receive send takes_any"
CLUSTER = "actor group key_value known_groups nodes pool singleton synod"

MEMBERS = {
    "Actor": "context on_restart on_start on_stop on_visit_end receive takes_any",
    "Address": "from_wire to_wire",
    "Ask": "",
    "BalancerActor": "context on_restart on_start on_stop on_visit_end receive takes_any",
    "BoundedLoads": "capacity make",
    "C3": f"{POLICY} uses_load_reports",
    "ChenActor": DETECTOR_ACTOR,
    "ChenConfig": f"{POLICY} for_quality lan local peer_detector wan",
    "CircuitBreaker": POLICY,
    "Client": f"{CLUSTER} all_linked cluster find_service known_nodes linked",
    "ClientKey": "",
    "ClusterMembership": (
        "at_handover has_ended leader leave lease_ends_at may_act me on_change own refusal registry stand subscribe "
        "unheard until up view with_role"
    ),
    "Context": (
        "after become clock deadline every log pipe random reply_from reply_later run_blocking self_ref spawn stash "
        "stop system unstash unwatch wake watch"
    ),
    "DeadlineConfig": f"{POLICY} lan local peer_detector wan",
    "DetectorActor": DETECTOR_ACTOR,
    "Event": "",
    "Everywhere": "selects",
    "Failed": "",
    "GroupClient": (
        "activate add backup close code execute execute_as leader members on_leader open_session promote read "
        "read_stale remove replace status transfer"
    ),
    "GroupMember": "",
    "HashRing": "make points uses_keys",
    "HeartbeatActor": DETECTOR_ACTOR,
    "Hedging": POLICY,
    "Idempotent": "",
    "Identity": "",
    "InFlight": POLICY,
    "JumpHash": f"{POLICY} uses_keys",
    "KeepAll": "check keeps_serving otherwise",
    "KeepMajority": "check keeps_serving",
    "KeepRole": "check keeps_serving",
    "KeyValue": "apply index migrate read restore snapshot state_type transient version",
    "KeyValueClient": "batch compare_and_swap delete get increment put scan",
    "Label": "selects",
    "Later": "asker fail is_awaited reply",
    "LeastLoaded": POLICY,
    "LeastRequest": POLICY,
    "Maglev": f"{POLICY} uses_keys",
    "Member": "changed identity is_down is_up label",
    "MemberId": "count incarnation index name",
    "Members": "mistakes roles_of",
    "MembershipActor": DETECTOR_ACTOR,
    "MembershipConfig": "",
    "Node": f"{CLUSTER} drain ended name receptionist",
    "NodeHealth": "failed is_suspected on_failed on_suspected on_trusted subscribe suspected take unhealthy",
    "OrleansScore": "capacities",
    "Outcome": "DEFINITE HAPPENED UNKNOWN",
    "OutlierEjection": f"{POLICY} ejection_s is_panic",
    "Overflow": "DROP_NEW DROP_OLD FAIL",
    "PeakEwma": POLICY,
    "PeerFailed": "",
    "PeerSuspected": "",
    "PeerTrusted": "",
    "PhiAccrualActor": DETECTOR_ACTOR,
    "PhiAccrualConfig": f"{POLICY} lan local peer_detector wan",
    "Pool": "ask close is_closed report tell workers",
    "PowerOfTwoChoices": POLICY,
    "Prequal": POLICY,
    "Query": "",
    "RaftConfig": "",
    "RandomChoice": POLICY,
    "Receptionist": "find instances register subscribe unregister unregister_all",
    "Ref": "address as_client ask delivery from_peer from_wire incarnation node offer path tell to_wire uid",
    "RemainingCapacity": "capacities",
    "Rendezvous": f"{POLICY} uses_keys",
    "ReportedInFlight": f"{POLICY} uses_load_reports",
    "ReportedWeights": f"{POLICY} uses_load_reports",
    "ResourceWeights": f"{POLICY} uses_load_reports",
    "Restart": "PERMANENT TEMPORARY TRANSIENT",
    "RetryBudget": POLICY,
    "Role": "selects",
    "RoundRobin": POLICY,
    "RttPhiActor": DETECTOR_ACTOR,
    "RttPhiConfig": "deviations lan local longest_timeout_s make min_deviation_s shortest_timeout_s wan",
    "ServiceInstance": "address",
    "ServiceUpdate": "",
    "Session": "low_water next settle",
    "SharedKey": "",
    "SizeLimits": "",
    "SlowStart": f"{POLICY} part",
    "SmoothWeighted": POLICY,
    "SnapshotPolicy": "is_due",
    "Speaker": "CLIENT MEMBER NOBODY NODE OPERATOR",
    "Stand": "ACT END SERVE STOP",
    "StateMachine": "apply index migrate read restore snapshot state_type transient version",
    "StaticQuorum": "check keeps_serving",
    "StaticStride": POLICY,
    "Strategy": "ALL_FOR_ONE ONE_FOR_ONE REST_FOR_ONE",
    "Supervision": "",
    "Suspected": "",
    "Swim": "deadline handle incarnation lan local local_health members suspicion tick wan",
    "SwimActor": DETECTOR_ACTOR,
    "SwimConfig": "confirmations_among lan local make wan",
    "SynodClient": "propose value",
    "System": (
        "actor_count add_peer at at_end declare_lost dial extension fail fault linked links listen lookup loop on_link "
        "reload_certificates spawn spawn_on stats stop waiting"
    ),
    "SystemConfig": "",
    "SystemStats": "",
    "Terminated": "",
    "Timer": "cancel interval_s is_cancelled is_pending message take",
    "TlsConfig": "",
    "Topology": (
        "actor balancer detector diagram group_names parts pool pool_part raft run singleton "
        "singleton_names start synod together validate with_parts"
    ),
    "Trusted": "",
    "View": "find member present up",
    "ViewUpdate": "",
}
"""The members of each public class that is no exception, without the fields of dataclasses."""


def public_classes() -> dict[str, type]:
    found = {name: getattr(coterie, name) for name in coterie.__all__}
    return {
        name: found_class
        for name, found_class in found.items()
        if inspect.isclass(found_class) and not issubclass(found_class, BaseException)
    }


def members(cls: type) -> list[str]:
    own_fields = {field.name for field in fields(cls)} if is_dataclass(cls) else set()
    names = {member.name for member in cls} if issubclass(cls, enum.Enum) else set(dir(cls)) - own_fields
    return sorted(name for name in names if not name.startswith("_"))


@pytest.mark.parametrize("name", sorted(public_classes()))
def test_a_public_class_has_the_members_that_are_promised(name: str) -> None:
    assert members(public_classes()[name]) == sorted(MEMBERS[name].split())


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_each_public_method_says_what_it_does(name: str) -> None:
    cls = public_classes()[name]
    attributes = {member: inspect.getattr_static(cls, member) for member in members(cls)}
    silent = [
        member
        for member, attribute in attributes.items()
        if isinstance(attribute, property | staticmethod | classmethod) or inspect.isfunction(attribute)
        if not inspect.getdoc(getattr(cls, member))
    ]

    assert silent == []


def test_the_list_names_no_other_class() -> None:
    assert sorted(MEMBERS) == sorted(public_classes())
