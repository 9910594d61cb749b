"""Stored schemas: checks that the code of the topology's machines does not contradict the schemas in a node's store.

The check comes before the node listens: an entry that the code reads as something else must not be applied. Code that
is older than what is recorded may start: its replica stores and votes, and tells why it does no more.
"""

from __future__ import annotations

from collections.abc import Sequence

from coterie.actors.groups.evolution.group_schemas import contradictions
from coterie.actors.groups.evolution.machine_schema import machine_schema
from coterie.actors.groups.raft_records import read_restored
from coterie.actors.topology.parts import Part, RaftPart
from coterie.errors import TopologyError
from coterie.runtime.storage.log_store import LogStore

__all__ = ["check_stored_schemas"]


async def check_stored_schemas(store: LogStore, parts: Sequence[Part], *, topology: str, node: str, data: str) -> None:
    """Compare the machines of the Raft groups on `node` with what their logs in the store have recorded.

    Raises:
        TopologyError: code contradicts what is recorded and committed; with all contradictions.
        StorageError, UnsupportedFormat, InvariantViolated: a group in the store cannot be read.
    """
    mistakes = []
    for part in [part for part in parts if isinstance(part, RaftPart) and part.name in store.groups()]:
        facts = (await read_restored(store, part.name)).hard_state.facts
        found = contradictions(machine_schema(type(part.machine())), facts)
        mistakes += [f"group {part.name!r} in {data!r}: {text}" for text in found]
    if mistakes:
        raise TopologyError(topology, tuple(mistakes))
