"""Checkers: observe all disks, messages and state machines, and raise `Violation` when an invariant is broken.

A checker is called with what became durable (`wrote`), what left a node (`sent`) and what was done (`applied`,
`answered`), and relies on no statement of the algorithm. It raises `Violation`, with a stable name, at the first step
that breaks an invariant. Checkers are pure and know no simulator: they check any system that reports these events.

`linearizability/`: decides whether a history of client operations is linearizable; models, counterexamples, HTML page.
`liveness_checker.py`: `LivenessChecker`, checks that a group has a leader and serves reads after all faults have ended.
`membership_checker.py`: `MembershipChecker`, checks how the members of a Raft group change, and which may decide.
`raft_checker.py`: `RaftChecker`, checks the invariants of a Raft group.
`raft_disk.py`: `RaftDisk`, models the disk of one Raft node.
`raft_log_checker.py`: `RaftLogChecker`, checks the invariants of Raft's logs on its own copy of every disk.
`reads_checker.py`: `ReadsChecker`, checks that reads which are no entries see all that was told before.
`runtime_checker.py`: `RuntimeChecker`, checks delivery, order, asks, restarts and watches of an actor runtime.
`sessions_checker.py`: `SessionsChecker`, checks that each session command is executed exactly once.
`storage_checker.py`: `StorageChecker`, checks that a log store recovers every acknowledged write.
`synod_checker.py`: `SynodChecker`, checks the invariants of single-decree Paxos.
`violation.py`: `Violation`, the exception for a broken invariant; `ViolationContext`, the present step and time.
"""

from __future__ import annotations

from coterie.protocols.checking.liveness_checker import LivenessChecker
from coterie.protocols.checking.raft_checker import RaftChecker
from coterie.protocols.checking.raft_log_checker import RaftLogChecker
from coterie.protocols.checking.reads_checker import ReadsChecker
from coterie.protocols.checking.runtime_checker import RuntimeChecker
from coterie.protocols.checking.sessions_checker import SessionsChecker
from coterie.protocols.checking.storage_checker import StorageChecker
from coterie.protocols.checking.synod_checker import SynodChecker
from coterie.protocols.checking.violation import Violation, ViolationContext

__all__ = [
    "LivenessChecker",
    "RaftChecker",
    "RaftLogChecker",
    "ReadsChecker",
    "RuntimeChecker",
    "SessionsChecker",
    "StorageChecker",
    "SynodChecker",
    "Violation",
    "ViolationContext",
]
