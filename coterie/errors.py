"""Errors: defines all exceptions of coterie; the `outcome` of each tells if the failed operation has happened.

The root is `CoterieError`. The class of an error names the cause, its attributes hold the facts. This module imports
only the standard library; every other module may import it.
"""

from __future__ import annotations

import enum

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


class Outcome(enum.Enum):
    """The outcome of an operation that ended with an error.

    DEFINITE: it did not happen, and will not: it may be repeated.
    UNKNOWN: it may have happened, or may still happen.
    HAPPENED: it happened, for certain; only its result is missing, or is an error. To repeat it would do it again.
    """

    DEFINITE = "definite"
    UNKNOWN = "unknown"
    HAPPENED = "happened"


class CoterieError(Exception):
    """The base class of all errors that coterie raises on purpose.

    `outcome`: the operation definitely did not happen, may have happened, or has happened.
    `for_clients`: what a client of the cluster gets instead of the text, if it is the answer to an ask; None: the text.
    """

    outcome: Outcome = Outcome.DEFINITE
    for_clients: str | None = None


class InvariantViolated(CoterieError):
    """A safety invariant of an algorithm does not hold: the group halts and is never restarted into this state."""

    outcome = Outcome.UNKNOWN


class SimulationStuck(CoterieError):
    """A simulation took more simulated time or more steps than its limit: the message names what it waits for."""


class PlanError(CoterieError, ValueError):
    """A fault plan that cannot be carried out: the message names the fault or field and the most similar valid one."""


class MessageTypeError(CoterieError, TypeError):
    """A class that cannot be a message: a mutable or unencodable field, a name declared twice."""


class BadMessage(CoterieError, ValueError):
    """A value from (or for) the wire does not fit its message type: it names the message, the field and the value."""


class WrongThread(CoterieError, RuntimeError):
    """A system was used outside its event loop: other threads use `system.threadsafe`."""

    def __init__(self, node: str) -> None:
        super().__init__(
            f"system {node!r} was used outside its event loop: nothing was done; other threads use system.threadsafe"
        )


class AskError(CoterieError):
    """An ask ended without a reply. `code` is the error's code on the wire."""

    code: str = "ask_error"


class AskTimeout(AskError, TimeoutError):
    """No reply came in time. The handler is not cancelled: it may have run, or may still."""

    code = "timeout"
    outcome = Outcome.UNKNOWN


class ActorNotFound(AskError):
    """No actor has that path."""

    code = "not_found"


class ActorStopped(AskError):
    """The actor stopped before it handled this message."""

    code = "stopped"


class ActorFailed(AskError):
    """The handler raised an exception; its effects before that remain. Its text is not for clients."""

    code = "failed"
    outcome = Outcome.UNKNOWN

    def __init__(self, text: str, *, for_clients: str = "it failed; the log of its node says why") -> None:
        super().__init__(text)
        self.for_clients = for_clients


class ActorGaveUp(CoterieError):
    """An actor has spent its restart budget, and its `Supervision(ends_system=True)` ends the system."""


class AskCycle(AskError):
    """The ask would wait for itself: `chain`: the actors (path@node) of the cycle, first the one it leads back to."""

    code = "ask_cycle"

    def __init__(self, text: str, *, chain: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.chain = chain


class MailboxFullError(AskError):
    """The mailbox is full: `policy` is its overflow policy; `limit` and `actual` count messages of the lane.

    They are "" and 0 if the mailbox is on another node: the text contains the same facts.
    """

    code = "mailbox_full"

    def __init__(self, text: str, *, policy: str = "", limit: int = 0, actual: int = 0) -> None:
        super().__init__(text)
        self.policy, self.limit, self.actual = policy, limit, actual


class NotExported(ActorNotFound):
    """A client asked an actor that is not there for clients. It is told `ActorNotFound`, in the same words."""


class NodeStarting(ActorNotFound):
    """The node has not started yet: it does not know which actors it will have. Ask again."""

    code = "starting"


class ConnectionLost(AskError):
    """The connection dropped while the ask was in flight."""

    code = "connection_lost"
    outcome = Outcome.UNKNOWN


class TooManyInFlight(AskError):
    """Too many asks or offers to (or from) that node are unanswered: no more are accepted."""

    code = "too_many_in_flight"


class SpawnRefused(AskError):
    """The node refused a remote spawn: unregistered kind, not for clients, or a name that is taken or invalid."""

    code = "spawn_refused"


class VirtualDeadlock(CoterieError):
    """In virtual time nothing is ready and no timer is set, but tasks still wait: they would wait forever.

    `waiting`: for each pending task, in order, where it waits.
    """

    def __init__(self, waiting: tuple[str, ...]) -> None:
        self.waiting = waiting
        lines = "".join(f"\n  {line}" for line in waiting)
        super().__init__(f"deadlock: nothing is ready, no timer is set, and {len(waiting)} task(s) wait:{lines}")


class FenceError(CoterieError, NotImplementedError):
    """Simulated code used the real machine: `call` is the function it called, `place` the caller's file and line."""

    def __init__(self, call: str, place: str, advice: str) -> None:
        super().__init__(f"{call} at {place} would leave the virtual world: {advice}")
        self.call, self.place = call, place


_NO_REPLACEMENT = (
    "a store that is lost for good is replaced: start the node with an empty data directory and --bootstrap join, then "
    "coterie raft replace; its groups go on meanwhile, while a quorum of the other voters is up"
)
"""The end of every message about a store that cannot be used any more."""


class StorageError(CoterieError):
    """The base class of the errors of durable stores. `path` is the data directory or the file concerned."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


class DataDirectoryInUse(StorageError):
    """Another process, or another System of this process, holds the lock of the data directory."""

    def __init__(self, path: str) -> None:
        super().__init__(path, f"data directory {path!r} is in use: stop the node that has it open, or choose another")


class NotFormatted(StorageError):
    """The data directory was never formatted, or formatting was interrupted by a crash."""

    def __init__(self, path: str) -> None:
        advice = 'is it a data directory? A new node formats it at its first start (bootstrap="new", --bootstrap new)'
        super().__init__(path, f"{path!r} is not formatted: {advice}")


class AlreadyFormatted(StorageError):
    """Formatting would destroy an existing store."""

    def __init__(self, path: str) -> None:
        advice = "leave out --bootstrap (bootstrap=) to start its node; give a new node a directory of its own"
        super().__init__(path, f"{path!r} already holds a store: {advice}")


class MetaFileMissing(StorageError):
    """The data directory holds a log without its meta file: it can be neither opened nor formatted.

    Without the file the store is lost: it names the store, and the checksums of the log depend on it.
    """

    def __init__(self, path: str) -> None:
        super().__init__(
            path,
            f"{path!r} holds log segments without their file 'meta', which names the cluster, the node and the store: "
            f"put that file back from where it went. Without it the store is lost, and a new one in its place does not "
            f"help: the other voters of its groups refuse a new store under the name of its node; {_NO_REPLACEMENT}",
        )


class WrongStore(StorageError):
    """The store belongs to another cluster or node; `expected` and `found` are (cluster, node)."""

    def __init__(self, path: str, *, expected: tuple[str, str], found: tuple[str, str]) -> None:
        super().__init__(
            path,
            f"{path!r} belongs to node {found[1]!r} of cluster {found[0]!r}, not to node {expected[1]!r} of cluster "
            f"{expected[0]!r}: check the data directory and the node name",
        )
        self.expected, self.found = expected, found


class UnsupportedFormat(StorageError):
    """The store, or something in it, was written in a format that this release cannot read; nothing was changed.

    `part` names what has the number `found`: the storage format, or that of one kind of record.
    """

    def __init__(self, path: str, *, found: int, supported: int | str, part: str = "storage format") -> None:
        super().__init__(
            path,
            f"{path!r} has {part} {found}, this release reads {supported} and converts nothing: use a release that "
            f"reads {found}",
        )
        self.part, self.found, self.supported = part, found, supported


class StorageDamaged(StorageError):
    """Durable bytes cannot be read back, at `offset` (bytes) of file `path`. Nothing was changed or truncated."""

    def __init__(self, path: str, offset: int, reason: str) -> None:
        super().__init__(path, f"{path!r} is damaged at byte {offset}: {reason}; keep the files: {_NO_REPLACEMENT}")
        self.offset, self.reason = offset, reason


class StoreWentBack(StorageError):
    """The store lost what it had acknowledged (`evidence`): its node neither votes, counts nor leads in any group."""

    def __init__(self, path: str, evidence: str) -> None:
        super().__init__(path, f"the store of {path!r} went back in time: {evidence}; {_NO_REPLACEMENT}")
        self.evidence = evidence


class StorageFailed(StorageError):
    """A write or sync failed, or the store is closed: writes not reported durable may be on disk or lost."""

    outcome = Outcome.UNKNOWN

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            path,
            f"the store in {path!r} has stopped: {reason}; it is not retried: remove the cause, then restart the node",
        )
        self.reason = reason


class TransportError(CoterieError):
    """The base class of the errors between two nodes. Unless a subclass says otherwise, nothing was sent."""


class NodeUnreachable(TransportError):
    """There is no link to `node` now: the item was not queued and will not be sent."""

    def __init__(self, node: str, why: str, *, advice: str = "send again once its link is up") -> None:
        super().__init__(f"node {node!r} is unreachable ({why}): nothing was sent; {advice}")
        self.node = node


class NoTargets(NodeUnreachable, AskError):
    """A pool or balancer has no target that can be asked now: nothing was sent. `pool` is "" if it is on another node.

    It crosses the wire as itself, unlike other errors of the transport: a balancer passes it on.
    """

    code = "no_targets"

    def __init__(self, text: str, *, pool: str = "") -> None:
        CoterieError.__init__(self, text)
        self.node = self.pool = pool


class OutboundFull(TransportError):
    """Too many bytes already wait for `node` (it reads too slowly, or not at all): the item was not queued."""

    def __init__(self, node: str, *, size_bytes: int, pending_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"outbound buffer to node {node!r} is full ({pending_bytes} of {limit_bytes} bytes wait): an item of "
            f"{size_bytes} bytes was refused; send less, send later, or raise outbound_limit_bytes="
        )
        self.node, self.size_bytes = node, size_bytes
        self.pending_bytes, self.limit_bytes = pending_bytes, limit_bytes


class FrameTooLarge(TransportError):
    """One item exceeds the size limit of `node`: it was not queued."""

    def __init__(
        self, node: str, *, size_bytes: int, limit_bytes: int, setting: str = "message_cap_bytes= on every node"
    ) -> None:
        super().__init__(
            f"an item for node {node!r} has {size_bytes} bytes, the limit is {limit_bytes}: it was refused; "
            f"send it in parts, or raise {setting}"
        )
        self.node, self.size_bytes, self.limit_bytes = node, size_bytes, limit_bytes

    @classmethod
    def told(cls, text: str) -> FrameTooLarge:
        """Return the error with which a node answered: all that is known of it is its text."""
        error = cls("", size_bytes=0, limit_bytes=0)
        error.args = (text,)
        return error


class TooManyParts(FrameTooLarge):
    """One item has more arrays, maps and entries of maps than its size allows: it was not queued."""

    def __init__(self, node: str, *, size_bytes: int, parts_max: int) -> None:
        super().__init__(node, size_bytes=size_bytes, limit_bytes=size_bytes)
        self.parts_max = parts_max
        text = (
            f"an item for node {node!r} of {size_bytes} bytes has more than {parts_max} parts (an array is one, a map "
            f"four, an entry of a map two): it was refused; send it in several messages, or numbers as one bytes"
        )
        self.args = (text,)


class BrokenFrame(TransportError):
    """The peer sent bytes that are not a valid frame: its connection is closed and counted."""


class HandshakeRefused(TransportError):
    """A handshake failed: `reason` is the short code (`wrong_cluster`, …), the message has the details."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(f"{reason}: {text}")
        self.reason = reason


class InsecureBind(TransportError):
    """Listening on an address that is not loopback, without authentication, was refused before anything was bound."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"refused to listen on {host!r}: connections are neither authenticated nor encrypted, and any program that "
            f"reaches it could act as a node; listen on 127.0.0.1, give auth= or tls=, or pass insecure=True on a "
            f"network you trust"
        )
        self.host = host


class CommandError(CoterieError):
    """A command to a replicated state machine did not end with a reply."""


class CommandRefused(CommandError):
    """The command was refused, and nothing changed. Raised by user-written state machines, too."""


class CommandFailed(CommandError):
    """The state machine raised an exception; its changes before that remain, the same on all replicas."""

    outcome = Outcome.HAPPENED


class ReplyTooLarge(CommandFailed):
    """The command was executed, but its reply of `size_bytes` exceeds `limit_bytes`, what one answer may have."""

    def __init__(self, message: str, *, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(message)
        self.size_bytes, self.limit_bytes = size_bytes, limit_bytes


class _EndedCommand(CommandError):
    def __init__(self, message: str, outcome: Outcome) -> None:
        super().__init__(message)
        self.outcome = outcome


class CommandTimeout(_EndedCommand, TimeoutError):
    """No reply came in time.

    `outcome`: DEFINITE if no node ever accepted the command; HAPPENED if it was executed, and only its reply was late.
    """


class CommandTooLate(_EndedCommand):
    """The session no longer has the result of this command: it is below the low-water mark, or the session has ended.

    It is not executed by this attempt. `outcome` is UNKNOWN if an earlier attempt, or another client with the same
    identity, may have executed it; HAPPENED if one has.
    """


class CommandUnsettled(_EndedCommand):
    """A retry of the command was refused, but an earlier attempt may have been executed (UNKNOWN), or was (HAPPENED).

    Repeat it under the same identity (`GroupClient.execute_as`), or find out whether it took effect.
    """


class SnapshotFailed(CoterieError, ValueError):
    """The state of a machine cannot be saved, or not be restored: the message names what prevents it, and what to do.

    A state that was being restored must not be used. A state that was being saved is as it was.
    """


class TopologyError(CoterieError, ValueError):
    """A topology that cannot run: `mistakes` are all mistakes that were found, one line each."""

    def __init__(self, topology: str, mistakes: tuple[str, ...]) -> None:
        super().__init__(f"topology {topology!r} cannot run: {'; '.join(mistakes)}")
        self.topology, self.mistakes = topology, mistakes


class NotInView(CoterieError):
    """Node `node` is not in the view of its cluster as it was expected to be, or not in time; `why` says more."""

    def __init__(self, node: str, why: str) -> None:
        super().__init__(f"node {node!r} is not in the view as expected: {why}")
        self.node = node


class RemovedFromView(CoterieError):
    """The cluster has decided that this life of the node is out, so its system has ended: start the process again."""

    def __init__(self, node: str, why: str) -> None:
        super().__init__(f"node {node!r} has ended: {why}; start it again, so that it joins as a new member")
        self.node = node
