"""Checkers: they observe disks, messages and state machines, and raise `Violation` when an invariant breaks.

A checker is called with what became durable (`wrote`), what left a node (`sent`) and what was done (`applied`,
`answered`), and relies on no statement of the algorithm. It raises `Violation`, with a stable name, at the first step
that breaks an invariant. Checkers are pure and know no simulator: they check any system that reports these events.

`linearizability/`: decides whether a history of client operations is linearizable; models, counterexamples, HTML page.
`liveness_checker.py`: `LivenessChecker`, a healed group has a leader and serves reads within a time limit.
`raft_checker.py`: `RaftChecker`, the invariants of a Raft group.
`raft_disk.py`: `RaftDisk`, the durable state of one Raft node.
`raft_log_checker.py`: `RaftLogChecker`, the invariants of Raft's logs, checked on the disk images.
`runtime_checker.py`: `RuntimeChecker`, delivery, order, supervision and watches of an actor runtime.
`sessions_checker.py`: `SessionsChecker`, exactly-once execution of session commands.
`storage_checker.py`: `StorageChecker`, a recovery reads what a log store acknowledged.
`synod_checker.py`: `SynodChecker`, the invariants of a synod (single-decree Paxos).
`violation.py`: `Violation` and `ViolationContext`, a broken invariant and the step and time at which it broke.
"""

from __future__ import annotations

from coterie.protocols.checking.liveness_checker import LivenessChecker
from coterie.protocols.checking.raft_checker import RaftChecker
from coterie.protocols.checking.raft_log_checker import RaftLogChecker
from coterie.protocols.checking.runtime_checker import RuntimeChecker
from coterie.protocols.checking.sessions_checker import SessionsChecker
from coterie.protocols.checking.storage_checker import StorageChecker
from coterie.protocols.checking.synod_checker import SynodChecker
from coterie.protocols.checking.violation import Violation, ViolationContext

__all__ = [
    "LivenessChecker",
    "RaftChecker",
    "RaftLogChecker",
    "RuntimeChecker",
    "SessionsChecker",
    "StorageChecker",
    "SynodChecker",
    "Violation",
    "ViolationContext",
]
