"""Operations of a Raft group and of singletons: what clients see, and how long it takes, while nodes come and go.

`raft_catch_up.py`: measures how long a follower takes that was down while others wrote, by log and by snapshot
`raft_operations.py`: restarts, upgrades and repairs a cluster under load: failed calls, longest pause, latencies
`singleton_failover.py`: measures the time from the end of a singleton's node to the first answer of the next one
"""
