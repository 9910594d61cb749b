"""`StoreWatch`: lets a leader say which node runs with another store than the member on it, and the command to run.

Such a node counts for nothing. Its disk was lost or emptied, or the wrong data directory is mounted; it waits in
silence, since only an operator can tell which. While its store is being replaced there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.role import RaftRole
from coterie.runtime.actor import Context

__all__ = ["StoreWatch", "replacement_advice"]

LOOK_S: Final = 1.0
TOLD_MAX: Final = 256
STORE_CHARS: Final = 8


def replacement_advice(group: str, node: str, store: str) -> str:
    """Return what an operator does about a node that does not run with its member's `store`."""
    return (
        f"put the data directory of {node} with the store {store[:STORE_CHARS]} back, if it exists; if it is lost: "
        f"start {node} with an empty one and --bootstrap join, then coterie raft replace {group} {node} --store "
        f"{store[:STORE_CHARS]}"
    )


class StoreWatch:
    """The watch of one life of a replica.

    Args:
        raft: its part in the protocol.
        context: of the actor.
        is_being_replaced: returns whether an operator's command replaces the store of a node now.
    """

    def __init__(self, raft: Raft, context: Context, is_being_replaced: Callable[[str], bool]) -> None:
        self._raft = raft
        self._context = context
        self._is_being_replaced = is_being_replaced
        self._look_at_s = 0.0
        self._told: dict[tuple[str, str], None] = {}

    def advance(self, now: float) -> None:
        """Look once a second, as the leader (`now`: monotonic, s)."""
        if now < self._look_at_s or self._raft.role is not RaftRole.LEADER:
            return
        self._look_at_s = now + LOOK_S
        network = self._context.system.remoting.network()
        members = self._raft.facts.known_members
        for node in dict.fromkeys(member.node for member in members):
            bound = [member.store_id for member in members if member.node == node and member.store_id is not None]
            process = network.known_peer(node)
            if bound and process is not None and process.store not in ("", *bound):
                self._tell(node, process.store, bound[0])

    def _tell(self, node: str, store: str, remembered: str) -> None:
        if (node, store) in self._told or self._is_being_replaced(node):
            return
        self._told[node, store] = None
        if len(self._told) > TOLD_MAX:
            del self._told[next(iter(self._told))]
        group = self._context.self_ref.path
        advice = replacement_advice(group, node, remembered)
        self._context.log.warning(
            "group.other_store", group=group, peer=node, store=store, remembered=remembered, advice=advice
        )
