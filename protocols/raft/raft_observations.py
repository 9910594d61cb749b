"""Raft observations: name the events that a Raft node reports to operators, and the data of each.

None is made per heartbeat or per command: an observation is a change that an operator would ask about.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "CHANGE_ENDED",
    "CHANGE_STARTED",
    "COMMIT_RESUMED",
    "COMMIT_STALLED",
    "CONFLICT_FOUND",
    "ELECTION_STARTED",
    "ENTRIES_LOST",
    "LEADER_ELECTED",
    "LEADER_RECOGNIZED",
    "LOAD_DISCARDED",
    "LOG_ADOPTED",
    "LOG_COMPACTED",
    "LOG_TRUNCATED",
    "MEMBERS_APPENDED",
    "MEMBER_REMOVED",
    "MESSAGE_DISCARDED",
    "PRE_VOTE_STARTED",
    "QUARANTINE_ENTERED",
    "SNAPSHOT_DAMAGED",
    "SNAPSHOT_FETCH_STARTED",
    "SNAPSHOT_INSTALLED",
    "SNAPSHOT_NEEDED",
    "STEPPED_DOWN",
    "TERM_ADVANCED",
    "TERM_IMPLAUSIBLE",
    "TRANSFER_ABORTED",
    "TRANSFER_STARTED",
    "VOTE_GRANTED",
]

PRE_VOTE_STARTED: Final = "raft.pre_vote_started"
"""This node has no active leader and asks whether it could win: `node`, `term` (the present one)."""

ELECTION_STARTED: Final = "raft.election_started"
"""This node became a candidate: `node`, `term` (the new one)."""

VOTE_GRANTED: Final = "raft.vote_granted"
"""This node voted: `node`, `term`, `candidate`."""

LEADER_ELECTED: Final = "raft.leader_elected"
"""This node won: `node`, `term`, `last_index` (of its log, before its own first entry)."""

LEADER_RECOGNIZED: Final = "raft.leader_recognized"
"""This node learned which node leads the term: `node`, `term`, `leader`."""

SNAPSHOT_NEEDED: Final = "raft.snapshot_needed"
"""A follower lacks entries that this leader's log no longer has, and is offered a snapshot: `node`, `term`, `peer`,
`base_index`."""

SNAPSHOT_FETCH_STARTED: Final = "raft.snapshot_fetch_started"
"""This follower fetches the leader's snapshot: `node`, `term`, `leader`, `index` (its last entry), `size_bytes`."""

SNAPSHOT_INSTALLED: Final = "raft.snapshot_installed"
"""The leader's snapshot takes the place of this follower's log up to it: `node`, `term`, `leader`, `index`,
`size_bytes`."""

SNAPSHOT_DAMAGED: Final = "raft.snapshot_damaged"
"""What was fetched is not the leader's snapshot, and is fetched again: `node`, `term`, `leader`, `index`."""

LOG_COMPACTED: Final = "raft.log_compacted"
"""A snapshot at `index` takes the place of this node's entries up to `base_index`: `node`, `term`, `index`,
`base_index`, `dropped_entries`."""

STEPPED_DOWN: Final = "raft.stepped_down"
"""This node no longer leads: `node`, `term` (the one it led), `reason` ("newer_term", "no_quorum", "quarantine", or
"removed": it is no voter any more)."""

QUARANTINE_ENTERED: Final = "raft.quarantine_entered"
"""This node stores and votes, but neither applies nor leads: `node`, `term`, `reason` (as the actor gave it)."""

TERM_ADVANCED: Final = "raft.term_advanced"
"""This node learned of a newer term: `node`, `term` (the new one), `previous_term`."""

CONFLICT_FOUND: Final = "raft.conflict_found"
"""A follower's log differs from or ends before this leader's: `node`, `term`, `peer`, `refused_index`, `next_index`."""

ENTRIES_LOST: Final = "raft.entries_lost"
"""A follower has lost entries that it had acknowledged in this term, and counts for nothing any more in it: `node`,
`term`, `peer`, `refused_index`, `acknowledged_index`. Its disk was replaced by an older copy, or has lost its end."""

COMMIT_STALLED: Final = "raft.commit_stalled"
"""Entries have waited for a quorum for long, mostly for its disks: `node`, `term`, `commit_index`, `waiting_entries`,
`waited_s`, `held_up_by` (the members that have not acknowledged the first of them, this node too)."""

COMMIT_RESUMED: Final = "raft.commit_resumed"
"""A leader that had reported `raft.commit_stalled` commits again: `node`, `term`, `commit_index`, `stalled_s`."""

LOG_ADOPTED: Final = "raft.log_adopted"
"""No quorum elected this node only because its log was older, so it took entries of a voter: `node`, `term`, `voter`,
`entries` (their number), `last_index` (of the log now)."""

LOG_TRUNCATED: Final = "raft.log_truncated"
"""This follower dropped entries that conflict with the leader's: `node`, `term`, `from_index`, `dropped_entries`."""

LOAD_DISCARDED: Final = "raft.load_discarded"
"""Entries read from the disk no longer fit the log: `node`, `reader`, `first_index`, `entries`."""

MESSAGE_DISCARDED: Final = "raft.message_discarded"
"""A peer's AppendEntries is malformed (a gap, a falling term), or its answer fits no message of this leader: `node`,
`sender`, `term` (the message's)."""

TERM_IMPLAUSIBLE: Final = "raft.term_implausible"
"""A member speaks in a term that is too far ahead to be true (see `plausibility`), and is not heard: `node`, `sender`,
`term`, `own_term`. Told once for each sender."""

TRANSFER_STARTED: Final = "raft.transfer_started"
"""This leader hands its leadership to another member, and takes no commands meanwhile: `node`, `term`, `target`,
`reason` ("operator", "removed": this node leaves the group; "short_of_space": its disk has no room for commands)."""

TRANSFER_ABORTED: Final = "raft.transfer_aborted"
"""The target did not lead in time, and this leader goes on: `node`, `term`, `target`, `reason`."""

CHANGE_STARTED: Final = "raft.change_started"
"""This leader changes the members, as an operator asked: `node`, `term`, `change`."""

CHANGE_ENDED: Final = "raft.change_ended"
"""That is over: `node`, `term`, `change`, `is_done`, `reason` (why not)."""

MEMBERS_APPENDED: Final = "raft.members_appended"
"""This leader appended new members, which count from now on: `node`, `term`, `index`, `members` (each with its role),
`is_joint` (decisions need a majority of the old voters and one of the new ones)."""

MEMBER_REMOVED: Final = "raft.member_removed"
"""This node was removed from the group, and that is committed: `node`, `term`, `index`. It asks for no votes."""

SEVERE: Final = frozenset({ENTRIES_LOST, QUARANTINE_ENTERED, TERM_IMPLAUSIBLE})
"""The events that are errors: a node has broken a promise, or cannot take its full part."""

SERIOUS: Final = frozenset({COMMIT_STALLED, SNAPSHOT_DAMAGED})
"""The events that are warnings: the group answers no commands, or a node does not catch up."""
