"""Paxos as actors: single-decree synods and their clients."""
