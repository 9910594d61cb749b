"""Hashing: policies that send requests of the same key to the same target, and move few keys when targets change.

`keyed_picker.py`: `KeyTable`, the interface of these policies: says to which target a hash belongs
`hash_ring.py`: `HashRing`, a ring with virtual nodes
`rendezvous.py`: `Rendezvous`, the target of the highest score for the key
`maglev.py`: `Maglev`, a table that is filled by turns; `prime_numbers.py`: its size must be prime
`jump_hash.py`: `JumpHash`, numbered targets without a table
`bounded_loads.py`: `BoundedLoads`, passes on the keys of targets that have more than their part of the load

A request without a key gets a random one: without keys these policies are a random choice by weight.
"""

from coterie.protocols.balancing.hashing.bounded_loads import BoundedLoads
from coterie.protocols.balancing.hashing.hash_ring import HashRing
from coterie.protocols.balancing.hashing.jump_hash import JumpHash
from coterie.protocols.balancing.hashing.maglev import Maglev
from coterie.protocols.balancing.hashing.rendezvous import Rendezvous
from coterie.protocols.stable_hash import stable_hash

__all__ = ["BoundedLoads", "HashRing", "JumpHash", "Maglev", "Rendezvous", "stable_hash"]
