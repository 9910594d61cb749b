"""coterie: an actor runtime for asyncio, with Raft, Paxos and a deterministic simulator.

Public names are loaded at their first use, so that `import coterie.protocols` does not load asyncio.

`__main__.py`: entry point of `python -m coterie`, runs the command line
`cluster_processes.py`: starts, kills, pauses and ends the node processes of a cluster on this machine
`errors.py`: defines all exceptions
`node_process.py`: starts and ends one node as a child process
`reserved_port.py`: reserves a free loopback port for a node, also while the node is down
`actors/`: runs the consensus protocols as actors; has clients, worker pools and cluster topologies
`cli/`: defines and runs the commands of the command line
`demo/`: counts identifiers on a cluster, kills a node during the work, and verifies the counts
`exploring/`: runs a simulation with many seeds, and shrinks failing runs
`nemesis/`: injects faults into a cluster of real processes
`protocols/`: implements Raft and Paxos as pure state machines; checks and simulates them
`runtime/`: runs actors: mailboxes, supervision, transport between nodes, storage
`supervision/`: restarts node processes that end, and kills those that hang
`testing/`: provides a test kit for users' actors
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coterie.actors.client import Client
    from coterie.actors.groups.client_session import Identity, Session
    from coterie.actors.groups.group_client import GroupClient
    from coterie.actors.groups.key_value import KeyValue
    from coterie.actors.groups.key_value_client import KeyValueClient
    from coterie.actors.groups.state_machine import Query, StateMachine
    from coterie.actors.node import Node
    from coterie.actors.paxos.synod_client import SynodClient
    from coterie.actors.pools.pool import Idempotent
    from coterie.actors.simulation.buggify import buggify
    from coterie.actors.topology import Topology
    from coterie.errors import CommandRefused, CoterieError, Outcome
    from coterie.protocols.balancing import RandomChoice, RoundRobin, SmoothWeighted
    from coterie.protocols.raft.raft_config import RaftConfig
    from coterie.runtime.actor import Actor, Context, Later, Terminated, Timer
    from coterie.runtime.cells.mailbox import Overflow
    from coterie.runtime.cells.supervision import Restart, Strategy, Supervision
    from coterie.runtime.hosts.tls_config import TlsConfig
    from coterie.runtime.messages.message import Ask, message
    from coterie.runtime.observing.actor_events import Event
    from coterie.runtime.observing.system_stats import SystemStats
    from coterie.runtime.refs import Address, Ref
    from coterie.runtime.system import System, SystemConfig
    from coterie.runtime.transport.handshake.shared_key import SharedKey

__all__ = [
    "Actor",
    "Address",
    "Ask",
    "Client",
    "CommandRefused",
    "Context",
    "CoterieError",
    "Event",
    "GroupClient",
    "Idempotent",
    "Identity",
    "KeyValue",
    "KeyValueClient",
    "Later",
    "Node",
    "Outcome",
    "Overflow",
    "Query",
    "RaftConfig",
    "RandomChoice",
    "Ref",
    "Restart",
    "RoundRobin",
    "Session",
    "SharedKey",
    "SmoothWeighted",
    "StateMachine",
    "Strategy",
    "Supervision",
    "SynodClient",
    "System",
    "SystemConfig",
    "SystemStats",
    "Terminated",
    "Timer",
    "TlsConfig",
    "Topology",
    "buggify",
    "message",
]

_HOMES = {
    "Actor": "runtime.actor",
    "Address": "runtime.refs",
    "Ask": "runtime.messages.message",
    "Client": "actors.client",
    "CommandRefused": "errors",
    "Context": "runtime.actor",
    "CoterieError": "errors",
    "Event": "runtime.observing.actor_events",
    "GroupClient": "actors.groups.group_client",
    "Idempotent": "actors.pools.pool",
    "Identity": "actors.groups.client_session",
    "KeyValue": "actors.groups.key_value",
    "KeyValueClient": "actors.groups.key_value_client",
    "Later": "runtime.actor",
    "Node": "actors.node",
    "Outcome": "errors",
    "Overflow": "runtime.cells.mailbox",
    "Query": "actors.groups.state_machine",
    "RaftConfig": "protocols.raft.raft_config",
    "RandomChoice": "protocols.balancing",
    "Ref": "runtime.refs",
    "Restart": "runtime.cells.supervision",
    "RoundRobin": "protocols.balancing",
    "Session": "actors.groups.client_session",
    "SharedKey": "runtime.transport.handshake.shared_key",
    "SmoothWeighted": "protocols.balancing",
    "StateMachine": "actors.groups.state_machine",
    "Strategy": "runtime.cells.supervision",
    "Supervision": "runtime.cells.supervision",
    "SynodClient": "actors.paxos.synod_client",
    "System": "runtime.system",
    "SystemConfig": "runtime.system",
    "SystemStats": "runtime.observing.system_stats",
    "Terminated": "runtime.actor",
    "Timer": "runtime.actor",
    "TlsConfig": "runtime.hosts.tls_config",
    "Topology": "actors.topology",
    "buggify": "actors.simulation.buggify",
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
