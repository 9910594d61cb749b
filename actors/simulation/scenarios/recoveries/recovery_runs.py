"""Recovery runs: let a group begin anew while a node of the group as it was comes back; failed ones raise `Violation`.

They run in virtual time without faults: the checkers of a simulation would take a store that was recovered for a broken
one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Final

from coterie.actors.groups.key_value import KeyValue
from coterie.actors.groups.raft_records import read_restored, write_of
from coterie.actors.node import Node
from coterie.actors.recovery.quorum_recovery import acceptance_token, recover_group
from coterie.actors.topology import Topology
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.raft.membership.membership import Membership
from coterie.protocols.raft.raft_messages import LogWrite, Restored
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_loop import run_virtual
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork
from coterie.runtime.storage.segmented_log import SegmentedLog

__all__ = ["revived_old_node"]

CLUSTER: Final = "kv"
GROUP: Final = "store"
DATA: Final = "data"
ADDRESSES: Final = {"n1": "127.0.0.1:7401", "n2": "127.0.0.1:7402", "n3": "127.0.0.1:7403"}
SETTLE_S: Final = 10.0


def revived_old_node(seed: int) -> None:
    """Recover a group in the store of n1, and start n2 with what it holds of the group as it was.

    The worst case: the log of the new group names the store of n2. It must not follow the new group all the same.

    Raises:
        Violation: it does.
    """
    run_virtual(partial(_revive, _Machines(seed)))


class _Machines:
    """Three machines with their disks and their network."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._network = VirtualNetwork()
        self._disks = {name: VirtualDisk() for name in ADDRESSES}
        self._topology = Topology(CLUSTER, nodes=list(ADDRESSES))
        self._topology.raft(GROUP, machine=KeyValue)

    def host(self, name: str) -> VirtualHost:
        """Return a host that draws other numbers each time."""
        self._seed += 1
        return VirtualHost(name, network=self._network, disk=self._disks[name], seed=self._seed)

    @asynccontextmanager
    async def running(self, *names: str, is_new: bool = False) -> AsyncIterator[dict[str, Node]]:
        """Run these nodes for as long as the block lasts."""
        async with AsyncExitStack() as stack:
            nodes = {}
            for name in names:
                node = self._topology.start(
                    node=name,
                    listen=ADDRESSES[name],
                    peers={peer: address for peer, address in ADDRESSES.items() if peer != name},
                    data=DATA,
                    bootstrap="new" if is_new else None,
                    host=self.host(name),
                )
                nodes[name] = await stack.enter_async_context(node)
            yield nodes

    @asynccontextmanager
    async def opened(self, name: str) -> AsyncIterator[SegmentedLog]:
        """Open the store of a node that is down, for as long as the block lasts."""
        store = await SegmentedLog.open(self.host(name), DATA, cluster=CLUSTER, node=name)
        try:
            yield store
        finally:
            await store.close()


async def _revive(machines: _Machines) -> None:
    async with machines.running(*ADDRESSES, is_new=True) as nodes:
        await nodes["n1"].key_value(GROUP).put(b"k", b"v")
        await asyncio.sleep(SETTLE_S)
    async with machines.opened("n2") as store:
        before = await read_restored(store, GROUP)
    await _recover(machines)
    async with machines.running("n1", "n2"):
        await asyncio.sleep(SETTLE_S)
    async with machines.opened("n2") as store:
        after = await read_restored(store, GROUP)
    if after.last_index > before.last_index:
        detail = f"it has followed the group that began anew, from entry {before.last_index} to {after.last_index}"
        ViolationContext().fail("group.incarnations_apart", NodeId("n2"), detail)


async def _recover(machines: _Machines) -> None:
    """Let the group begin anew in the store of n1, then make all its former stores members again."""
    async with machines.opened("n1") as store:
        former = await read_restored(store, GROUP)
        token = acceptance_token(store.store_id, former.hard_state, former.last_index)
    await recover_group(machines.host("n1"), DATA, GROUP, token=token)
    async with machines.opened("n1") as store:
        await _make_members(store, await read_restored(store, GROUP), former.hard_state.facts.membership)


async def _make_members(store: SegmentedLog, found: Restored, members: Membership) -> None:
    term, index = found.hard_state.term, LogIndex(found.last_index + 1)
    entry = Entry(index, term, EntryKind.MEMBERSHIP, members.encode(), found.last_stamp_ms)
    register = replace(found.hard_state, facts=found.hard_state.facts.with_entry(entry))
    store.write(write_of(GROUP, LogWrite(register, entries=(entry,))), lambda: None)
    await store.state(GROUP)
