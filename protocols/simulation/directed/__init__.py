"""Directed schedules: run an algorithm step by step; the test decides when each message, write and timer happens.

`balancing_trials.py`: schedules of load-balancing policies in which one promise would show if broken.
`detector_trials.py`: schedules in which a failure detector must suspect, or must not.
`directed_group.py`: `DirectedGroup`, runs a Raft group step by step, as a test decides.
`directed_transcript.py`: runs a directed schedule that is written as text, and writes what the nodes do.
`effect_lines.py`: `EffectLines`, describes events and effects of Raft nodes in lines of such a transcript.
`log_trials.py`: schedules in which logs meet that begin at different places or record different members.
`member_groups.py`: begins directed groups with any membership.
`member_trials.py`: schedules that change the members of a group at bad moments.
`prequal_trials.py`: answers probes of Prequal, and tests whom it picks.
`raft_schedules.py`: stalled disks, late answers and lies, which no Raft group may end badly by.
`raft_shorthand.py`: builds Raft messages, log entries and disks from plain numbers.
`session_trials.py`: schedules that repeat session commands and openings at bad moments.
`snapshot_trials.py`: schedules in which logs are compacted, and snapshots fetched and installed.
`swim_schedules.py`: runs SWIM members so that one broken promise shows.
`view_trials.py`: schedules of cluster membership in which one broken promise would show.
"""
