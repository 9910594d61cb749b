"""Writes a small data directory with everything that is durable, the same bytes each time, and packs it as text.

`python -m tests.actors.groups.durable.kept_store` prints it. The present one is kept in `store-format-2.json`.
"""

from __future__ import annotations

import base64
import json
import sys
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from coterie.actors.groups.raft_records import write_of
from coterie.actors.paxos.synod_records import encode_state
from coterie.actors.peer_stores import PeerStores
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checkpoints import Checkpoint, encode_checkpoint
from coterie.protocols.checkpoints.digest_history import DIGEST_BYTES, Digest
from coterie.protocols.paxos.synod_messages import AcceptorState, Ballot, Proposal, ProposerState, SynodState
from coterie.protocols.quorums import Weighted
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.membership.membership import Membership, StoreId
from coterie.protocols.raft.raft_messages import HardState, LogWrite
from coterie.protocols.replicated_log import INCARNATION_BYTES, Entry, EntryKind, LogIndex, LogPosition, Term
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_loop import run_virtual
from coterie.runtime.storage.data_directory import format_store
from coterie.runtime.storage.log_store import Write
from coterie.runtime.storage.segmented_log import SegmentedLog

__all__ = ["BASE", "DIRECTORY", "FACTS", "LOG", "NODE", "SYNOD", "unpack", "write_store"]

DIRECTORY: Final = "data"
NODE: Final = NodeId("n1")
NODES: Final = (NODE, NodeId("n2"), NodeId("n3"))
STORES: Final = {node: StoreId(f"{number}" * 32) for number, node in enumerate(NODES)}
FOUNDERS: Final = Membership.founding(NODES, Weighted({NODE: 2, NODES[1]: 1, NODES[2]: 1}))
FOUNDED: Final = GroupFacts.founding("kept", "store", FOUNDERS)
BASE: Final = LogPosition(LogIndex(100), Term(3))
SYNOD: Final = SynodState(AcceptorState(Ballot(2, NODE), Proposal(Ballot(1, NODES[1]), b"value")), ProposerState(2))


def entry(index: int, term: int, kind: EntryKind, command: bytes, stamp_ms: int) -> Entry:
    return Entry(LogIndex(index), Term(term), kind, command, stamp_ms)


LOG: Final = (
    entry(1, 1, EntryKind.NOOP, b"", 0),
    entry(2, 1, EntryKind.MEMBERSHIP, FOUNDERS.with_stores(STORES).encode(), 1),
    entry(3, 1, EntryKind.SCHEMA, b'{"a schema": "opaque to the log"}', 1),
    entry(4, 2, EntryKind.COMMAND, b"a command, opaque to the log", 2**40),
    entry(5, 2, EntryKind.COMMAND, bytes(range(256)), 2**40 + 1),
    entry(6, 2, EntryKind.CHECKPOINT, encode_checkpoint(Checkpoint(LogIndex(5), Digest(b"d" * DIGEST_BYTES))), 2**53),
    entry(7, 2, EntryKind.INCARNATION, bytes(range(INCARNATION_BYTES)), 2**53),
)
FACTS: Final = FOUNDED.with_entry(LOG[1]).with_entry(LOG[2])


async def write(disk: VirtualDisk) -> None:
    host = VirtualHost(NODE, disk=disk, seed=7)
    await format_store(host, DIRECTORY, cluster="kept", node=NODE)
    log = await SegmentedLog.open(host, DIRECTORY, cluster="kept", node=NODE)
    for logged in raft_writes():
        log.write(write_of("store", logged), lambda: None)
    log.write(write_of("based", LogWrite(HardState(Term(3), None, replace(FOUNDED, base=BASE)))), lambda: None)
    log.drop_before("based", BASE.index + 1)
    log.write(write_of("based", LogWrite(entries=(entry(101, 4, EntryKind.NOOP, b"", 9),))), lambda: None)
    stores = PeerStores("store", log)
    stores.register(NODE, log.store_id, lambda: None)
    stores.hear(NODES[1], STORES[NODES[1]], lambda: None)
    log.write(Write("config", metadata=encode_state(SYNOD)), lambda: None)
    await log.state("store")
    await log.close()


def raft_writes() -> Sequence[LogWrite]:
    dropped = entry(4, 1, EntryKind.COMMAND, b"was truncated", 1)
    return (
        LogWrite(HardState(Term(0), None, FOUNDED)),
        LogWrite(HardState(Term(1), NodeId(STORES[NODE]), FOUNDED)),
        LogWrite(HardState(Term(1), NodeId(STORES[NODE]), FACTS), None, (*LOG[:3], dropped)),
        LogWrite(HardState(Term(2), NodeId(STORES[NODES[1]]), FACTS)),
        LogWrite(None, LogIndex(4), LOG[3:]),
    )


def write_store() -> dict[str, bytes]:
    """Return the files of the data directory, by name."""
    disk = VirtualDisk()
    run_virtual(lambda: write(disk))
    return {name: disk.contents(f"{DIRECTORY}/{name}") for name in disk.names(DIRECTORY)}


def pack(files: dict[str, bytes]) -> str:
    texts = {name: base64.b85encode(zlib.compress(data, 9)).decode() for name, data in files.items()}
    return json.dumps(texts, indent=1, sort_keys=True) + "\n"


def unpack(text: str) -> dict[str, bytes]:
    """Return the files that a kept text holds, by name."""
    return {name: zlib.decompress(base64.b85decode(data)) for name, data in json.loads(text).items()}


if __name__ == "__main__":
    sys.stdout.write(pack(write_store()))
