"""A group begins anew from a backup: all of it or nothing, in a store that lacks it, and apart from what it was."""

from __future__ import annotations

import contextlib
import random

import pytest

from coterie.actors.groups.backups.backup_errors import BackupDamaged, RestoreRefused
from coterie.actors.groups.compaction.group_snapshots import read_manifest, snapshot_name
from coterie.actors.groups.compaction.snapshot_content import FrameReader
from coterie.actors.groups.raft_records import encode_register, read_restored
from coterie.actors.groups.replicas.replica_snapshot import Section
from coterie.actors.recovery import backup_restore
from coterie.actors.recovery.backup_restore import RestoredGroup, restore_backup
from coterie.actors.topology.stored_groups import TOPOLOGY_GROUP
from coterie.errors import DataDirectoryInUse, StorageError, StorageFailed, WrongStore
from coterie.protocols.raft.membership.membership import Member, Membership
from coterie.protocols.raft.raft_messages import HardState, Restored
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, Term
from coterie.protocols.sessions import (
    Done,
    Opened,
    SessionId,
    UnknownSession,
    decode_reply,
    encode_open_session,
    encode_plain,
    encode_session_command,
)
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_loop import run_virtual
from coterie.runtime.storage.data_directory import format_store
from coterie.runtime.storage.log_store import LogStore, Write
from coterie.runtime.storage.segmented_log import SegmentedLog
from tests.actors.groups.backups.saved_backup import FACTS, GROUP, POSITION, STAMP_MS, Words, replica, write_backup

BACKUP = "/backups/totals"
DATA = "/data"


def host_of(disk: VirtualDisk) -> VirtualHost:
    return VirtualHost("n1", disk=disk)


async def restored(
    disk: VirtualDisk, data: str = DATA, *, node: str = "n1", cluster: str | None = None
) -> RestoredGroup:
    return await restore_backup(host_of(disk), BACKUP, data, node=node, cluster=cluster)


async def opened(disk: VirtualDisk, *, cluster: str = "kept") -> SegmentedLog:
    return await SegmentedLog.open(host_of(disk), DATA, cluster=cluster, node="n1")


async def machine_after(store: LogStore, found: Restored) -> tuple[Words, list[bytes]]:
    """Restore a machine from the snapshot of the store; return it, and the replies to an old session and to a word."""
    snapshot = found.hard_state.facts.snapshot
    assert snapshot is not None
    machine = Words()
    made, reader = replica(machine), FrameReader()
    made.begin_restore(snapshot.position.index, lambda: None)
    data = await store.snapshots.read(GROUP, snapshot_name(snapshot), 0, snapshot.size_bytes) or b""
    for section, body in reader.feed(data):
        if section:
            made.restore(Section(section), body)
    assert reader.is_complete
    made.end_restore()
    old = Words()
    number = opened_session(old)
    commands = [encode_session_command(number, 1, 1, b"again"), encode_plain(b"more")]
    replies = [
        made.apply(Entry(LogIndex(snapshot.position.index + at), Term(9), EntryKind.COMMAND, command)) or b""
        for at, command in enumerate(commands, 1)
    ]
    return machine, replies


def opened_session(machine: Words) -> SessionId:
    """Return the id of the session that is open in the backup."""
    made = replica(machine)
    reply = decode_reply(
        made.apply(Entry(LogIndex(1), Term(3), EntryKind.COMMAND, encode_open_session(b"n" * 16))) or b""
    )
    assert isinstance(reply, Opened)
    return reply.session


async def check(store: LogStore, told: RestoredGroup | None = None) -> None:
    """Check that the whole group is in the store, with this store as its only member."""
    found = await read_restored(store, GROUP)
    facts = found.hard_state.facts
    only = Membership((Member("n1", store.store_id),))  # type: ignore[arg-type]
    assert facts.membership == facts.founders == only
    assert facts.incarnation not in (b"", FACTS.incarnation)
    assert told is None or facts.incarnation == told.incarnation
    assert facts.base == POSITION
    assert (found.last_index, found.last_stamp_ms) == (POSITION.index, STAMP_MS)
    assert found.hard_state.term > POSITION.term
    assert facts.snapshot is not None
    manifest = await read_manifest(store, GROUP, facts.snapshot)
    assert manifest.facts.incarnation == facts.incarnation
    assert manifest.facts.membership == only
    machine, replies = await machine_after(store, found)
    assert machine.words == [b"word %d" % number for number in range(6)] + [b"more"]
    assert decode_reply(replies[0]) == UnknownSession()
    assert decode_reply(replies[1]) == Done(b"7")


@pytest.fixture
def disk() -> VirtualDisk:
    made = VirtualDisk()
    write_backup(made)
    return made


@pytest.mark.virtual
async def test_the_group_is_in_a_new_directory_with_its_state_and_without_its_sessions(disk: VirtualDisk) -> None:
    told = await restored(disk)

    store = await opened(disk)
    await check(store, told)
    assert (told.cluster, told.node, told.store_id) == ("kept", "n1", store.store_id)
    assert len(store.snapshots.names(GROUP)) == 1
    await store.close()


@pytest.mark.virtual
async def test_each_restore_begins_another_incarnation(disk: VirtualDisk) -> None:
    host = host_of(disk)
    first, second = [await restore_backup(host, BACKUP, data, node="n1") for data in ("/one", "/two")]

    assert first.incarnation != second.incarnation


@pytest.mark.virtual
async def test_a_store_with_other_groups_takes_it_too(disk: VirtualDisk) -> None:
    await format_store(host_of(disk), DATA, cluster="kept", node="n1")
    store = await opened(disk)
    store.write(Write("others", b"kept"), lambda: None)
    await store.close()

    await restored(disk)

    store = await opened(disk)
    await check(store)
    assert (await store.state("others")).metadata == b"kept"
    await store.close()


@pytest.mark.virtual
@pytest.mark.parametrize("held", ["totals", "totals#stores"])
async def test_a_store_that_has_the_group_is_not_touched(disk: VirtualDisk, held: str) -> None:
    await format_store(host_of(disk), DATA, cluster="kept", node="n1")
    store = await opened(disk)
    store.write(Write(held, encode_register(HardState(Term(1), None, FACTS))), lambda: None)
    await store.close()

    with pytest.raises(RestoreRefused, match="holds group 'totals' already"):
        await restored(disk)

    store = await opened(disk)
    assert (await store.state(held)).metadata == encode_register(HardState(Term(1), None, FACTS))
    assert store.snapshots.names(GROUP) == ()
    await store.close()


@pytest.mark.virtual
async def test_a_directory_in_use_is_told(disk: VirtualDisk) -> None:
    await format_store(host_of(disk), DATA, cluster="kept", node="n1")
    store = await opened(disk)

    with pytest.raises(DataDirectoryInUse):
        await restored(disk)

    assert store.groups() == ()
    await store.close()


@pytest.mark.virtual
async def test_a_group_that_was_forgotten_there_is_told(disk: VirtualDisk) -> None:
    await format_store(host_of(disk), DATA, cluster="kept", node="n1")
    store = await opened(disk)
    names = b'{"declared": [], "forgotten": ["totals"], "format": 1}'
    store.write(Write(TOPOLOGY_GROUP, metadata=names), lambda: None)
    await store.close()

    with pytest.raises(RestoreRefused, match=r"was forgotten in '/data' \(--forget-group\)"):
        await restored(disk)


@pytest.mark.virtual
async def test_a_store_that_went_back_takes_no_group(disk: VirtualDisk) -> None:
    await format_store(host_of(disk), DATA, cluster="kept", node="n1")
    store = await opened(disk)
    await store.mark_lost("it was a copy")
    await store.close()

    with pytest.raises(RestoreRefused, match=r"has lost promises \(it was a copy\): restore into a new directory"):
        await restored(disk)


@pytest.mark.virtual
async def test_a_directory_of_another_node_or_cluster_is_refused(disk: VirtualDisk) -> None:
    await format_store(host_of(disk), DATA, cluster="kept", node="n1")

    with pytest.raises(WrongStore, match="belongs to node 'n1' of cluster 'kept', not to node 'n2'"):
        await restored(disk, node="n2")
    with pytest.raises(WrongStore, match="not to node 'n1' of cluster 'rehearsal'"):
        await restored(disk, cluster="rehearsal")


@pytest.mark.virtual
async def test_another_cluster_takes_it_if_that_is_said(disk: VirtualDisk) -> None:
    told = await restored(disk, cluster="rehearsal")

    store = await opened(disk, cluster="rehearsal")
    await check(store, told)
    await store.close()


@pytest.mark.virtual
async def test_a_damaged_backup_formats_nothing(disk: VirtualDisk) -> None:
    disk.replace(BACKUP, disk.contents(BACKUP)[:-1])

    with pytest.raises(BackupDamaged):
        await restored(disk)

    assert not disk.exists(DATA)


@pytest.mark.virtual
async def test_a_restore_that_fails_leaves_no_formatted_directory(
    disk: VirtualDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise StorageFailed(DATA, "planned")

    with monkeypatch.context() as patches:
        patches.setattr(backup_restore, "write_snapshot", fail)
        with pytest.raises(StorageFailed):
            await restored(disk)

    assert not disk.exists(f"{DATA}/meta")
    await restored(disk)


@pytest.mark.parametrize("seed", range(6))
def test_after_a_crash_at_any_step_the_group_is_whole_or_can_be_restored(seed: int) -> None:
    rng, start = random.Random(seed), VirtualDisk()
    write_backup(start)
    outcomes: set[bool] = set()
    for steps in range(200):
        disk = start.copy()
        disk.cut_power_after(steps)
        is_done = False
        with contextlib.suppress(OSError, StorageError):
            run_virtual(lambda disk=disk: restored(disk))  # type: ignore[misc]
            is_done = True
        disk.crash(rng if seed else None)
        is_there = run_virtual(lambda disk=disk: holds_it(disk))  # type: ignore[misc]
        assert is_there or not is_done
        outcomes.add(is_there)
        if not is_there:
            run_virtual(lambda disk=disk: restored(disk))  # type: ignore[misc]
        run_virtual(lambda disk=disk: checked(disk))  # type: ignore[misc]
        if is_done:
            assert outcomes == {False, True}
            return
    raise AssertionError("it never ended")


async def holds_it(disk: VirtualDisk) -> bool:
    if not disk.exists(f"{DATA}/meta"):
        return False
    store = await opened(disk)
    is_there = GROUP in store.groups()
    await store.close()
    return is_there


async def checked(disk: VirtualDisk) -> None:
    store = await opened(disk)
    await check(store)
    await store.close()
