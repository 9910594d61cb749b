"""coterie: an actor runtime for asyncio, with Raft, Paxos and a deterministic simulator.

Public names are loaded at their first use, so that `import coterie.protocols` does not load asyncio.

`__main__.py`: entry point of `coterie` and `python -m coterie`, runs the command line
`cluster_processes.py`: starts, kills, pauses and ends the node processes of a cluster on this machine
`import_order.py`: puts the working directory at the end of the import path, here and in child processes
`interrupts.py`: says what Ctrl-C does in a process of the command line
`module_loading.py`: imports a module of the user, and names file and line of what goes wrong in it
`node_process.py`: starts and ends one node as a child process
`output_hooks.py`: makes printable what Python itself prints on stderr, warnings and uncaught errors
`reserved_port.py`: reserves a free loopback port for a node, also while the node is down
`standard_streams.py`: replaces standard streams that are closed, and writes out the rest of the output
`terminal_output.py`: prints lines, JSON and values, with what peers have chosen made printable
`actors/`: runs the consensus protocols as actors; has clients, worker pools and cluster topologies
`cli/`: defines and runs the commands of the command line
`demo/`: counts identifiers on a cluster, kills a node during the work, and verifies the counts
`errors/`: defines all exceptions
`exploring/`: runs a simulation with many seeds, and shrinks failing runs
`hardening/`: checks how a cluster is deployed
`nemesis/`: injects faults into a cluster of real processes
`protocols/`: implements Raft and Paxos as pure state machines; checks and simulates them
`runtime/`: runs actors: mailboxes, supervision, transport between nodes, storage
`supervision/`: restarts node processes that end, and kills those that hang
`testing/`: provides a test kit for users' actors
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # for checkers, as in `typing`, which takes some milliseconds to import
if TYPE_CHECKING:
    from coterie.actors.client import Client
    from coterie.actors.detection.detector_actor import DetectorActor
    from coterie.actors.detection.detector_kinds import (
        ChenActor,
        HeartbeatActor,
        PhiAccrualActor,
        RttPhiActor,
        SwimActor,
    )
    from coterie.actors.detection.detector_messages import PeerFailed, PeerSuspected, PeerTrusted
    from coterie.actors.detection.node_health import NodeHealth
    from coterie.actors.groups.client_session import Identity, Session
    from coterie.actors.groups.compaction.snapshot_policy import SnapshotPolicy
    from coterie.actors.groups.group_client import GroupClient
    from coterie.actors.groups.group_messages import GroupMember
    from coterie.actors.groups.key_value import KeyValue
    from coterie.actors.groups.key_value_client import KeyValueClient
    from coterie.actors.groups.state_machine import Query, StateMachine
    from coterie.actors.membership.cluster_membership import ClusterMembership
    from coterie.actors.membership.cluster_nodes import Everywhere, Label, Members, Role
    from coterie.actors.membership.membership_actor import MembershipActor
    from coterie.actors.membership.membership_records import ViewUpdate
    from coterie.actors.membership.receptionist.receptionist import Receptionist
    from coterie.actors.membership.receptionist.service_messages import ServiceInstance, ServiceUpdate
    from coterie.actors.node import Node
    from coterie.actors.paxos.synod_client import SynodClient
    from coterie.actors.pools.balancer_actor import BalancerActor
    from coterie.actors.pools.pool import Pool
    from coterie.actors.pools.pool_messages import Idempotent
    from coterie.actors.pools.pool_size import SizeLimits
    from coterie.actors.simulation.buggify import buggify
    from coterie.actors.topology import Topology
    from coterie.errors import (
        ActorFailed,
        ActorGaveUp,
        ActorNotFound,
        ActorStopped,
        AskCycle,
        AskError,
        AskTimeout,
        BadMessage,
        CommandError,
        CommandFailed,
        CommandRefused,
        CommandTimeout,
        CommandTooLate,
        CommandUnsettled,
        ConnectionLost,
        CoterieError,
        FenceError,
        FrameTooLarge,
        HandshakeRefused,
        InsecureBind,
        InvariantViolated,
        MailboxFullError,
        MessageTypeError,
        NodeStarting,
        NodeUnreachable,
        NoTargets,
        NotExported,
        NotInView,
        OutboundFull,
        Outcome,
        RemovedFromView,
        ReplyTooLarge,
        ServiceRefused,
        SpawnRefused,
        StorageError,
        TooManyInFlight,
        TopologyError,
        TransportError,
        WrongThread,
    )
    from coterie.protocols.balancing import (
        C3,
        BoundedLoads,
        CircuitBreaker,
        HashRing,
        Hedging,
        InFlight,
        JumpHash,
        LeastLoaded,
        LeastRequest,
        Maglev,
        OrleansScore,
        OutlierEjection,
        PeakEwma,
        PowerOfTwoChoices,
        Prequal,
        RandomChoice,
        RemainingCapacity,
        Rendezvous,
        ReportedInFlight,
        ReportedWeights,
        ResourceWeights,
        RetryBudget,
        RoundRobin,
        SlowStart,
        SmoothWeighted,
        StaticStride,
    )
    from coterie.protocols.detection.failure_detector import Failed, Suspected, Trusted
    from coterie.protocols.detection.heartbeats.chen_nfde import ChenConfig
    from coterie.protocols.detection.heartbeats.deadline import DeadlineConfig
    from coterie.protocols.detection.heartbeats.phi_accrual import PhiAccrualConfig
    from coterie.protocols.detection.probes.rtt_phi_config import RttPhiConfig
    from coterie.protocols.detection.swim.swim import Swim
    from coterie.protocols.detection.swim.swim_config import SwimConfig
    from coterie.protocols.membership.members import Member, MemberId
    from coterie.protocols.membership.node.membership_config import MembershipConfig
    from coterie.protocols.membership.partition_policy import KeepAll, KeepMajority, KeepRole, Stand, StaticQuorum
    from coterie.protocols.membership.view import View
    from coterie.protocols.raft.raft_config import RaftConfig
    from coterie.runtime.actor import Actor, Context, Later, Terminated, Timer
    from coterie.runtime.cells.mailbox import Overflow
    from coterie.runtime.cells.supervision import Restart, Strategy, Supervision
    from coterie.runtime.hosts.tls_config import TlsConfig
    from coterie.runtime.messages.message import Ask, message
    from coterie.runtime.messages.speakers import Speaker
    from coterie.runtime.messages.user_codecs import codec
    from coterie.runtime.observing.actor_events import Event
    from coterie.runtime.observing.system_stats import SystemStats
    from coterie.runtime.refs import Address, Ref
    from coterie.runtime.system import System, SystemConfig
    from coterie.runtime.transport.handshake.shared_key import ClientKey, SharedKey

__all__ = [  # noqa: RUF022 (it would take C3 for a constant, and put it first)
    "Actor",
    "ActorFailed",
    "ActorGaveUp",
    "ActorNotFound",
    "ActorStopped",
    "Address",
    "Ask",
    "AskCycle",
    "AskError",
    "AskTimeout",
    "BadMessage",
    "BalancerActor",
    "BoundedLoads",
    "C3",
    "ChenActor",
    "ChenConfig",
    "CircuitBreaker",
    "Client",
    "ClientKey",
    "ClusterMembership",
    "CommandError",
    "CommandFailed",
    "CommandRefused",
    "CommandTimeout",
    "CommandTooLate",
    "CommandUnsettled",
    "ConnectionLost",
    "Context",
    "CoterieError",
    "DeadlineConfig",
    "DetectorActor",
    "Event",
    "Everywhere",
    "Failed",
    "FenceError",
    "FrameTooLarge",
    "GroupClient",
    "GroupMember",
    "HandshakeRefused",
    "HashRing",
    "HeartbeatActor",
    "Hedging",
    "Idempotent",
    "Identity",
    "InFlight",
    "InsecureBind",
    "InvariantViolated",
    "JumpHash",
    "KeepAll",
    "KeepMajority",
    "KeepRole",
    "KeyValue",
    "KeyValueClient",
    "Label",
    "Later",
    "LeastLoaded",
    "LeastRequest",
    "Maglev",
    "MailboxFullError",
    "Member",
    "MemberId",
    "Members",
    "MembershipActor",
    "MembershipConfig",
    "MessageTypeError",
    "NoTargets",
    "Node",
    "NodeHealth",
    "NodeStarting",
    "NodeUnreachable",
    "NotExported",
    "NotInView",
    "OrleansScore",
    "OutboundFull",
    "Outcome",
    "OutlierEjection",
    "Overflow",
    "PeakEwma",
    "PeerFailed",
    "PeerSuspected",
    "PeerTrusted",
    "PhiAccrualActor",
    "PhiAccrualConfig",
    "Pool",
    "PowerOfTwoChoices",
    "Prequal",
    "Query",
    "RaftConfig",
    "RandomChoice",
    "Receptionist",
    "Ref",
    "RemainingCapacity",
    "RemovedFromView",
    "Rendezvous",
    "ReplyTooLarge",
    "ReportedInFlight",
    "ReportedWeights",
    "ResourceWeights",
    "Restart",
    "RetryBudget",
    "Role",
    "RoundRobin",
    "RttPhiActor",
    "RttPhiConfig",
    "ServiceInstance",
    "ServiceRefused",
    "ServiceUpdate",
    "Session",
    "SharedKey",
    "SizeLimits",
    "SlowStart",
    "SmoothWeighted",
    "SnapshotPolicy",
    "SpawnRefused",
    "Speaker",
    "Stand",
    "StateMachine",
    "StaticQuorum",
    "StaticStride",
    "StorageError",
    "Strategy",
    "Supervision",
    "Suspected",
    "Swim",
    "SwimActor",
    "SwimConfig",
    "SynodClient",
    "System",
    "SystemConfig",
    "SystemStats",
    "Terminated",
    "Timer",
    "TlsConfig",
    "TooManyInFlight",
    "Topology",
    "TopologyError",
    "TransportError",
    "Trusted",
    "View",
    "ViewUpdate",
    "WrongThread",
    "buggify",
    "codec",
    "message",
]

_HOMES = {
    "Actor": "runtime.actor",
    "ActorFailed": "errors",
    "ActorGaveUp": "errors",
    "ActorNotFound": "errors",
    "ActorStopped": "errors",
    "Address": "runtime.refs",
    "Ask": "runtime.messages.message",
    "AskCycle": "errors",
    "AskError": "errors",
    "AskTimeout": "errors",
    "BadMessage": "errors",
    "BalancerActor": "actors.pools.balancer_actor",
    "BoundedLoads": "protocols.balancing",
    "C3": "protocols.balancing",
    "ChenActor": "actors.detection.detector_kinds",
    "ChenConfig": "protocols.detection.heartbeats.chen_nfde",
    "CircuitBreaker": "protocols.balancing",
    "Client": "actors.client",
    "ClientKey": "runtime.transport.handshake.shared_key",
    "ClusterMembership": "actors.membership.cluster_membership",
    "CommandError": "errors",
    "CommandFailed": "errors",
    "CommandRefused": "errors",
    "CommandTimeout": "errors",
    "CommandTooLate": "errors",
    "CommandUnsettled": "errors",
    "ConnectionLost": "errors",
    "Context": "runtime.actor",
    "CoterieError": "errors",
    "DeadlineConfig": "protocols.detection.heartbeats.deadline",
    "DetectorActor": "actors.detection.detector_actor",
    "Event": "runtime.observing.actor_events",
    "Everywhere": "actors.membership.cluster_nodes",
    "Failed": "protocols.detection.failure_detector",
    "FenceError": "errors",
    "FrameTooLarge": "errors",
    "GroupClient": "actors.groups.group_client",
    "GroupMember": "actors.groups.group_messages",
    "HandshakeRefused": "errors",
    "HashRing": "protocols.balancing",
    "HeartbeatActor": "actors.detection.detector_kinds",
    "Hedging": "protocols.balancing",
    "Idempotent": "actors.pools.pool_messages",
    "Identity": "actors.groups.client_session",
    "InFlight": "protocols.balancing",
    "InsecureBind": "errors",
    "InvariantViolated": "errors",
    "JumpHash": "protocols.balancing",
    "KeepAll": "protocols.membership.partition_policy",
    "KeepMajority": "protocols.membership.partition_policy",
    "KeepRole": "protocols.membership.partition_policy",
    "KeyValue": "actors.groups.key_value",
    "KeyValueClient": "actors.groups.key_value_client",
    "Label": "actors.membership.cluster_nodes",
    "Later": "runtime.actor",
    "LeastLoaded": "protocols.balancing",
    "LeastRequest": "protocols.balancing",
    "Maglev": "protocols.balancing",
    "MailboxFullError": "errors",
    "Member": "protocols.membership.members",
    "MemberId": "protocols.membership.members",
    "Members": "actors.membership.cluster_nodes",
    "MembershipActor": "actors.membership.membership_actor",
    "MembershipConfig": "protocols.membership.node.membership_config",
    "MessageTypeError": "errors",
    "NoTargets": "errors",
    "Node": "actors.node",
    "NodeHealth": "actors.detection.node_health",
    "NodeStarting": "errors",
    "NodeUnreachable": "errors",
    "NotExported": "errors",
    "NotInView": "errors",
    "OrleansScore": "protocols.balancing",
    "OutboundFull": "errors",
    "Outcome": "errors",
    "OutlierEjection": "protocols.balancing",
    "Overflow": "runtime.cells.mailbox",
    "PeakEwma": "protocols.balancing",
    "PeerFailed": "actors.detection.detector_messages",
    "PeerSuspected": "actors.detection.detector_messages",
    "PeerTrusted": "actors.detection.detector_messages",
    "PhiAccrualActor": "actors.detection.detector_kinds",
    "PhiAccrualConfig": "protocols.detection.heartbeats.phi_accrual",
    "Pool": "actors.pools.pool",
    "PowerOfTwoChoices": "protocols.balancing",
    "Prequal": "protocols.balancing",
    "Query": "actors.groups.state_machine",
    "RaftConfig": "protocols.raft.raft_config",
    "RandomChoice": "protocols.balancing",
    "Receptionist": "actors.membership.receptionist.receptionist",
    "Ref": "runtime.refs",
    "RemainingCapacity": "protocols.balancing",
    "RemovedFromView": "errors",
    "Rendezvous": "protocols.balancing",
    "ReplyTooLarge": "errors",
    "ReportedInFlight": "protocols.balancing",
    "ReportedWeights": "protocols.balancing",
    "ResourceWeights": "protocols.balancing",
    "Restart": "runtime.cells.supervision",
    "RetryBudget": "protocols.balancing",
    "Role": "actors.membership.cluster_nodes",
    "RoundRobin": "protocols.balancing",
    "RttPhiActor": "actors.detection.detector_kinds",
    "RttPhiConfig": "protocols.detection.probes.rtt_phi_config",
    "ServiceInstance": "actors.membership.receptionist.service_messages",
    "ServiceRefused": "errors",
    "ServiceUpdate": "actors.membership.receptionist.service_messages",
    "Session": "actors.groups.client_session",
    "SharedKey": "runtime.transport.handshake.shared_key",
    "SizeLimits": "actors.pools.pool_size",
    "SlowStart": "protocols.balancing",
    "SmoothWeighted": "protocols.balancing",
    "SnapshotPolicy": "actors.groups.compaction.snapshot_policy",
    "SpawnRefused": "errors",
    "Speaker": "runtime.messages.speakers",
    "Stand": "protocols.membership.partition_policy",
    "StateMachine": "actors.groups.state_machine",
    "StaticQuorum": "protocols.membership.partition_policy",
    "StaticStride": "protocols.balancing",
    "StorageError": "errors",
    "Strategy": "runtime.cells.supervision",
    "Supervision": "runtime.cells.supervision",
    "Suspected": "protocols.detection.failure_detector",
    "Swim": "protocols.detection.swim.swim",
    "SwimActor": "actors.detection.detector_kinds",
    "SwimConfig": "protocols.detection.swim.swim_config",
    "SynodClient": "actors.paxos.synod_client",
    "System": "runtime.system",
    "SystemConfig": "runtime.system",
    "SystemStats": "runtime.observing.system_stats",
    "Terminated": "runtime.actor",
    "Timer": "runtime.actor",
    "TlsConfig": "runtime.hosts.tls_config",
    "TooManyInFlight": "errors",
    "Topology": "actors.topology",
    "TopologyError": "errors",
    "TransportError": "errors",
    "Trusted": "protocols.detection.failure_detector",
    "View": "protocols.membership.view",
    "ViewUpdate": "actors.membership.membership_records",
    "WrongThread": "errors",
    "buggify": "actors.simulation.buggify",
    "codec": "runtime.messages.user_codecs",
    "message": "runtime.messages.message",
}


def __getattr__(name: str) -> object:
    """Load a public name at its first use (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'coterie' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"coterie.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
