"""Replicated groups: the Raft actor, its clients, sessions and state machines."""
