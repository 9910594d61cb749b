"""Errors: defines all exceptions of coterie; the `outcome` of each tells if the failed operation has happened.

The root is `CoterieError`. The class of an error names the cause, its attributes hold the facts. This module imports
only the standard library; every other module may import it.

`root_error.py`: defines `CoterieError`, and `Outcome`: whether a failed operation has happened
`program_errors.py`: what is wrong with a program, a declaration or a plan, or with coterie itself
`actor_errors.py`: why an ask has no reply, and why an actor has ended
`storage_errors.py`: what is wrong with a durable store, and what to do
`transport_errors.py`: what went wrong between two nodes
`command_errors.py`: why a command of a replicated group has no reply
`membership_errors.py`: why a node is not in the view of its cluster
"""

from __future__ import annotations

from coterie.errors.actor_errors import (
    ActorFailed,
    ActorGaveUp,
    ActorNotFound,
    ActorStopped,
    AskCycle,
    AskError,
    AskTimeout,
    ConnectionLost,
    MailboxFullError,
    NodeStarting,
    NotExported,
    SpawnRefused,
    TooManyInFlight,
)
from coterie.errors.command_errors import (
    CommandError,
    CommandFailed,
    CommandRefused,
    CommandTimeout,
    CommandTooLate,
    CommandUnsettled,
    ReplyTooLarge,
)
from coterie.errors.membership_errors import NotInView, RemovedFromView
from coterie.errors.program_errors import (
    BadMessage,
    FenceError,
    InvariantViolated,
    MessageTypeError,
    PlanError,
    SimulationStuck,
    SnapshotFailed,
    TopologyError,
    VirtualDeadlock,
    WrongThread,
)
from coterie.errors.root_error import CoterieError, Outcome
from coterie.errors.storage_errors import (
    AlreadyFormatted,
    DataDirectoryInUse,
    MetaFileMissing,
    NotFormatted,
    StorageDamaged,
    StorageError,
    StorageFailed,
    StoreWentBack,
    UnsupportedFormat,
    WrongStore,
)
from coterie.errors.transport_errors import (
    BrokenFrame,
    FrameTooLarge,
    HandshakeRefused,
    InsecureBind,
    NodeUnreachable,
    NoTargets,
    OutboundFull,
    TooManyParts,
    TransportError,
)

__all__ = [
    "ActorFailed",
    "ActorGaveUp",
    "ActorNotFound",
    "ActorStopped",
    "AlreadyFormatted",
    "AskCycle",
    "AskError",
    "AskTimeout",
    "BadMessage",
    "BrokenFrame",
    "CommandError",
    "CommandFailed",
    "CommandRefused",
    "CommandTimeout",
    "CommandTooLate",
    "CommandUnsettled",
    "ConnectionLost",
    "CoterieError",
    "DataDirectoryInUse",
    "FenceError",
    "FrameTooLarge",
    "HandshakeRefused",
    "InsecureBind",
    "InvariantViolated",
    "MailboxFullError",
    "MessageTypeError",
    "MetaFileMissing",
    "NoTargets",
    "NodeStarting",
    "NodeUnreachable",
    "NotExported",
    "NotFormatted",
    "NotInView",
    "OutboundFull",
    "Outcome",
    "PlanError",
    "RemovedFromView",
    "ReplyTooLarge",
    "SimulationStuck",
    "SnapshotFailed",
    "SpawnRefused",
    "StorageDamaged",
    "StorageError",
    "StorageFailed",
    "StoreWentBack",
    "TooManyInFlight",
    "TooManyParts",
    "TopologyError",
    "TransportError",
    "UnsupportedFormat",
    "VirtualDeadlock",
    "WrongStore",
    "WrongThread",
]

for _name in __all__:
    globals()[_name].__module__ = __name__  # users know them by this name: it is what tracebacks show
