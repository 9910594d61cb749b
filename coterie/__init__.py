"""coterie: actors for asyncio that agree with each other.

Names are loaded when they are first used, so that `import coterie.protocols` does not load asyncio.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coterie.actors.client import Client
    from coterie.actors.client_session import Identity, Session
    from coterie.actors.group_client import GroupClient
    from coterie.actors.key_value import KeyValue
    from coterie.actors.key_value_client import KeyValueClient
    from coterie.actors.node import Node
    from coterie.actors.pool import Idempotent
    from coterie.actors.simulation.sites import sometimes
    from coterie.actors.state_machine import Query, StateMachine
    from coterie.actors.synod_client import SynodClient
    from coterie.actors.topology import Topology
    from coterie.errors import CommandRefused, CoterieError, Outcome
    from coterie.protocols.balancing import RandomChoice, RoundRobin, SmoothWeighted
    from coterie.protocols.raft.config import RaftConfig
    from coterie.runtime.actor import Actor, Context, Later, Terminated, Timer
    from coterie.runtime.events import Event
    from coterie.runtime.mailbox import Overflow
    from coterie.runtime.messages import Ask, message
    from coterie.runtime.refs import Address, Ref
    from coterie.runtime.stats import SystemStats
    from coterie.runtime.supervision import Restart, Strategy, Supervision
    from coterie.runtime.system import System, SystemConfig
    from coterie.runtime.tls import TlsConfig
    from coterie.runtime.transport.auth import SharedKey

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
    "message",
    "sometimes",
]

_HOMES = {
    "Actor": "runtime.actor",
    "Address": "runtime.refs",
    "Ask": "runtime.messages",
    "Client": "actors.client",
    "CommandRefused": "errors",
    "Context": "runtime.actor",
    "CoterieError": "errors",
    "Event": "runtime.events",
    "GroupClient": "actors.group_client",
    "Idempotent": "actors.pool",
    "Identity": "actors.client_session",
    "KeyValue": "actors.key_value",
    "KeyValueClient": "actors.key_value_client",
    "Later": "runtime.actor",
    "Node": "actors.node",
    "Outcome": "errors",
    "Overflow": "runtime.mailbox",
    "Query": "actors.state_machine",
    "RaftConfig": "protocols.raft.config",
    "RandomChoice": "protocols.balancing",
    "Ref": "runtime.refs",
    "Restart": "runtime.supervision",
    "RoundRobin": "protocols.balancing",
    "Session": "actors.client_session",
    "SharedKey": "runtime.transport.auth",
    "SmoothWeighted": "protocols.balancing",
    "StateMachine": "actors.state_machine",
    "Strategy": "runtime.supervision",
    "Supervision": "runtime.supervision",
    "SynodClient": "actors.synod_client",
    "System": "runtime.system",
    "SystemConfig": "runtime.system",
    "SystemStats": "runtime.stats",
    "Terminated": "runtime.actor",
    "Timer": "runtime.actor",
    "TlsConfig": "runtime.tls",
    "Topology": "actors.topology",
    "message": "runtime.messages",
    "sometimes": "actors.simulation.sites",
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
