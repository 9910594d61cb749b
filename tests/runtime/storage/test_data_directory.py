"""Formatting, ownership and the version."""

from __future__ import annotations

import contextlib
import random
import re

import pytest

from coterie.errors import (
    AlreadyFormatted,
    DataDirectoryInUse,
    MetaFileMissing,
    NotFormatted,
    StorageDamaged,
    UnsupportedFormat,
    WrongStore,
)
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_loop import run_virtual
from coterie.runtime.storage.data_directory import StoreMeta, decode_meta, encode_meta, format_store, undo_format
from coterie.runtime.storage.log_store import Write
from coterie.runtime.storage.segmented_log import SegmentedLog

pytestmark = pytest.mark.virtual

META = StoreMeta(cluster="kv", node="n1", salt=7, store_id="0" * 32)


async def opened(host: VirtualHost, cluster: str = "kv", node: str = "n1") -> SegmentedLog:
    return await SegmentedLog.open(host, "/deep/down/data", cluster=cluster, node=node)


async def formatted(host: VirtualHost) -> str:
    return await format_store(host, "/deep/down/data", cluster="kv", node="n1")


async def test_store_keeps_the_id_it_was_formatted_with(virtual_host: VirtualHost) -> None:
    store_id = await formatted(virtual_host)
    for _ in range(2):
        log = await opened(virtual_host)
        assert log.store_id == store_id
        await log.close()
    assert re.fullmatch("[0-9a-f]{32}", store_id)


async def test_formatting_twice_is_refused_and_changes_nothing(virtual_host: VirtualHost) -> None:
    store_id = await formatted(virtual_host)
    with pytest.raises(AlreadyFormatted, match="already holds a store"):
        await formatted(virtual_host)
    assert (await opened(virtual_host)).store_id == store_id


async def test_a_log_that_lost_its_meta_file_is_neither_opened_nor_formatted_with_one_text(
    virtual_host: VirtualHost,
) -> None:
    await formatted(virtual_host)
    log = await opened(virtual_host)
    log.write(Write("g", b"vote"), lambda: None)
    await log.close()
    virtual_host.disk.remove("/deep/down/data/meta")
    told = set()
    for start in (formatted, opened):
        with pytest.raises(MetaFileMissing, match="put that file back from where it went") as caught:
            await start(virtual_host)
        told.add(str(caught.value))
    (text,) = told
    assert "bootstrap new" not in text
    assert text.index("put that file back") < text.index("a store that is lost for good is replaced")


async def test_names_must_not_be_empty(virtual_host: VirtualHost) -> None:
    for cluster, node in (("", "n"), ("c", "")):
        with pytest.raises(ValueError, match="must not be empty"):
            await format_store(virtual_host, "/data", cluster=cluster, node=node)


async def test_opening_what_was_never_formatted_is_refused_and_creates_nothing(virtual_host: VirtualHost) -> None:
    with pytest.raises(NotFormatted, match="/deep/down/data"):
        await opened(virtual_host)
    assert not virtual_host.disk.exists("/deep/down/data")


async def test_store_of_another_cluster_or_node_is_refused_naming_both_sides(virtual_host: VirtualHost) -> None:
    await formatted(virtual_host)
    with pytest.raises(WrongStore, match=r"node 'n1' of cluster 'kv', not to node 'n2' of cluster 'kv'"):
        await opened(virtual_host, node="n2")
    with pytest.raises(WrongStore) as caught:
        await opened(virtual_host, cluster="other")
    assert (caught.value.expected, caught.value.found) == (("other", "n1"), ("kv", "n1"))


async def test_second_opener_is_refused_until_the_first_has_closed(virtual_host: VirtualHost) -> None:
    await formatted(virtual_host)
    first = await opened(virtual_host)
    with pytest.raises(DataDirectoryInUse, match="/deep/down/data"):
        await opened(virtual_host)
    await first.close()
    await (await opened(virtual_host)).close()


async def test_open_that_fails_releases_the_lock(virtual_host: VirtualHost) -> None:
    await formatted(virtual_host)
    segment = "/deep/down/data/segment-0000000001.log"
    virtual_host.disk.flip(segment, 0)
    with pytest.raises(StorageDamaged):
        await opened(virtual_host)
    virtual_host.disk.flip(segment, 0)
    await (await opened(virtual_host)).close()


async def test_unknown_format_version_is_refused_naming_both(virtual_host: VirtualHost) -> None:
    await formatted(virtual_host)
    meta = virtual_host.disk.contents("/deep/down/data/meta")
    virtual_host.disk.replace("/deep/down/data/meta", meta.replace(b"format 2", b"format 1", 1))
    with pytest.raises(
        UnsupportedFormat,
        match="has storage format 1, this release reads 2 and converts nothing: use a release that reads 1",
    ):
        await opened(virtual_host)


async def test_a_format_that_was_undone_can_be_done_again(virtual_host: VirtualHost) -> None:
    store_id = await formatted(virtual_host)
    log = await opened(virtual_host)
    log.write(Write("g", b"vote"), lambda: None)
    with pytest.raises(DataDirectoryInUse):
        await undo_format(virtual_host, "/deep/down/data", store_id)
    await log.close()

    await undo_format(virtual_host, "/deep/down/data", store_id)

    assert virtual_host.disk.names("/deep/down/data") == ["lock"]
    assert await formatted(virtual_host) != store_id
    assert (await opened(virtual_host)).groups() == ()


async def test_only_the_store_that_was_made_is_undone(virtual_host: VirtualHost) -> None:
    await formatted(virtual_host)
    with pytest.raises(WrongStore):
        await undo_format(virtual_host, "/deep/down/data", "0" * 32)
    await (await opened(virtual_host)).close()


def test_crash_at_any_step_of_undoing_leaves_a_whole_store_or_one_that_can_be_formatted() -> None:
    outcomes = {_undo_cut_short(steps, random.Random(seed)) for steps in range(12) for seed in range(8)}
    assert outcomes == {"whole", "not formatted"}


def _undo_cut_short(steps: int, rng: random.Random) -> str:
    async def main() -> str:
        host = VirtualHost()
        store_id = await formatted(host)
        log = await opened(host)
        log.write(Write("g", b"vote"), lambda: None)
        await log.close()
        host.disk.cut_power_after(steps)
        with contextlib.suppress(OSError):
            await undo_format(host, "/deep/down/data", store_id)
        host.disk.crash(rng)
        try:
            again = await opened(host)
        except NotFormatted:
            assert await formatted(host) != store_id
            assert (await opened(host)).groups() == ()
            return "not formatted"
        assert again.groups() == ("g",)
        return "whole"

    return run_virtual(main)


def test_meta_survives_encoding() -> None:
    assert decode_meta(encode_meta(META), "m") == META


def test_every_flipped_or_missing_byte_of_the_meta_file_is_told() -> None:
    data = encode_meta(META)
    for at in range(len(data)):
        flipped = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
        with pytest.raises((StorageDamaged, UnsupportedFormat)):
            decode_meta(flipped, "m")
        with pytest.raises(StorageDamaged):
            decode_meta(data[:at], "m")


def test_crash_at_any_step_of_formatting_leaves_a_whole_store_or_one_that_can_be_formatted() -> None:
    outcomes = {_format_cut_short(steps, random.Random(seed)) for steps in range(15) for seed in range(8)}
    assert outcomes == {"whole", "not formatted"}


def _format_cut_short(steps: int, rng: random.Random) -> str:
    async def main() -> str:
        host = VirtualHost()
        host.disk.cut_power_after(steps)
        try:
            store_id = await formatted(host)
        except OSError:
            store_id = ""
        host.disk.crash(rng)
        try:
            log = await opened(host)
        except NotFormatted:
            assert not store_id
            await formatted(host)
            await (await opened(host)).close()
            return "not formatted"
        assert store_id in ("", log.store_id)
        return "whole"

    return run_virtual(main)
