"""Recorded schemas: reads what groups have recorded: from a file, from a node's data directory, or from running nodes.

Of each group the history is returned: its first schema and the latest ones, the last of which counts.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from coterie.actors.groups.group_messages import CodeReport
from coterie.actors.groups.raft_records import read_restored
from coterie.cli.cluster_connection import ClusterConnection
from coterie.cli.command_loop import run_async
from coterie.protocols.evolution.revisions import Revision
from coterie.protocols.evolution.schema import Schema
from coterie.protocols.evolution.schema_file import read_schema_file
from coterie.runtime.hosts.real_host import RealHost
from coterie.runtime.storage.data_directory import read_meta
from coterie.runtime.storage.segmented_log import SegmentedLog

__all__ = ["schemas_in_cluster", "schemas_in_path"]

History = Mapping[str, Sequence[Schema]]
"""The schemas of each group, in order."""


def schemas_in_path(path: Path, groups: Iterable[str]) -> History:
    """Return what a file of `coterie schema dump` has, or the data directory of a node, of which `groups` are read.

    The directory is not changed: a copy of it is read, so the node should not run.

    Raises:
        ValueError: it is no such file, or a schema in it cannot be read.
        OSError, StorageError: it cannot be read.
    """
    if path.is_dir():
        return run_async(_in_data(path, groups))
    try:
        return {group: [schema] for group, schema in read_schema_file(path.read_text(encoding="utf-8")).items()}
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


async def _in_data(path: Path, groups: Iterable[str]) -> History:
    host = RealHost()
    meta = read_meta(host.disk, str(path))
    found = {}
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(path, copy, dirs_exist_ok=True)
        store = await SegmentedLog.open(host, copy, cluster=meta.cluster, node=meta.node)
        try:
            for group in [group for group in groups if group in store.groups()]:
                facts = (await read_restored(store, group)).hard_state.facts
                found[group] = _history([content for _, content in facts.schemas])
        finally:
            await store.close()
    return {group: history for group, history in found.items() if history}


def schemas_in_cluster(connection: ClusterConnection, groups: Iterable[str]) -> History:
    """Return what the nodes of a running cluster have recorded; of each group that of the node that has most.

    Raises:
        ValueError: a schema cannot be read by this release.
        CoterieError: no node answers.
    """
    return run_async(_in_cluster(connection, groups))


async def _in_cluster(connection: ClusterConnection, groups: Iterable[str]) -> History:
    found = {}
    async with connection.client_of_all() as client:
        for group in groups:
            answers = (await client.group(group).code()).values()
            histories = [_history(answer.recorded) for answer in answers if isinstance(answer, CodeReport)]
            found[group] = max(histories, key=len, default=[])
    return {group: history for group, history in found.items() if history}


def _history(contents: Sequence[bytes]) -> list[Schema]:
    return [Revision.decode(content).schema for content in contents]
