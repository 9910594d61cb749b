"""Raft (Ongaro and Ousterhout, 2014), pure."""
