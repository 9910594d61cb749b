"""Recorded schemas: reads what groups have recorded: from a file, from a node's data directory, or from running nodes.

Beside the schemas it finds which groups are held where the topology does not declare them: such a node would not start.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coterie.actors.groups.group_messages import CodeReport
from coterie.actors.groups.raft_records import read_restored
from coterie.actors.node_report import NodeReport, ReportNode
from coterie.actors.topology.parts import RaftPart
from coterie.actors.topology.stored_groups import stored_group_mistakes, undeclared_mistakes
from coterie.actors.topology.topology import Topology
from coterie.cli.cluster_connection import ClusterConnection
from coterie.cli.command_loop import run_async
from coterie.cli.node_queries import query_nodes
from coterie.errors import StorageError
from coterie.protocols.evolution.revisions import Revision
from coterie.protocols.evolution.schema_file import read_schema_file
from coterie.runtime.hosts.real_disk import naming_denials
from coterie.runtime.hosts.real_host import RealHost
from coterie.runtime.storage.data_directory import check_owner, read_meta
from coterie.runtime.storage.segmented_log import SegmentedLog
from coterie.runtime.storage.space.disk_reserve import RESERVE_NAME
from coterie.runtime.storage.storage_config import StorageConfig

__all__ = ["Recorded", "recorded_in_cluster", "recorded_in_path"]

_NOT_COPIED: Final = ("lock", RESERVE_NAME)
_COPIES_MAX: Final = 5
"""How often a copy of a data directory is begun: a running node removes segments that it does not need any more."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What groups have recorded.

    Attributes:
        schemas: of each group that is declared and has recorded one: its first revision and the latest ones, in order;
            a file has one.
        refusals: by group, why a node that holds it would refuse to start with the topology.
        silent_nodes: nodes that did not answer: what only they hold is not in the other two.
    """

    schemas: Mapping[str, Sequence[Revision]]
    refusals: Mapping[str, str]
    silent_nodes: tuple[str, ...] = ()


def recorded_in_path(path: Path, topology: Topology) -> Recorded:
    """Return what a file of `coterie schema dump` has, or the data directory of a node.

    The directory is not changed: a copy of it is read. The node may run; then what it writes meanwhile may be missing.

    Raises:
        ValueError: it is no such file, or a schema in it cannot be read; or it is the directory of another node.
        OSError, StorageError: it cannot be read.
    """
    if path.is_dir():
        return run_async(_in_data(path, topology))
    try:
        found = read_schema_file(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    groups = _groups(topology)
    refusals = {group: _unknown_to_topology(group, path) for group in found if group not in groups}
    return Recorded({group: [Revision(1, schema)] for group, schema in found.items() if group in groups}, refusals)


def _unknown_to_topology(group: str, path: Path) -> str:
    return (
        f"{path} has it, and the topology does not: a node whose store holds it would not start; was it renamed or "
        f"removed? declare it again, or start each of its nodes with --forget-group {group} (forget_groups=), which "
        f"gives up what it holds, for good"
    )


async def _in_data(path: Path, topology: Topology) -> Recorded:
    host = RealHost()
    meta = read_meta(host.disk, str(path))
    check_owner(meta, str(path), cluster=topology.name, node=meta.node)
    if meta.node not in topology.nodes:
        nodes = ", ".join(topology.nodes)
        raise ValueError(f"{path} is the data of node {meta.node!r}, which the topology does not have: it has {nodes}")
    with tempfile.TemporaryDirectory() as directory:
        copy = _copy(path, directory)
        try:
            config = StorageConfig(free_bytes_min=0)  # it is not written to
            store = await SegmentedLog.open(host, copy, cluster=meta.cluster, node=meta.node, config=config)
        except StorageError as error:
            raise ValueError(str(error).replace(copy, str(path))) from error
        try:
            refusals = await stored_group_mistakes(store, topology.parts, node=meta.node, data=str(path))
            schemas = {group: await _stored(store, group) for group in _groups(topology) if group in store.groups()}
        finally:
            await store.close()
    return Recorded(_without_empty(schemas), refusals)


async def _stored(store: SegmentedLog, group: str) -> list[Revision]:
    facts = (await read_restored(store, group)).hard_state.facts
    return _history([content for _, content in facts.schemas])


def _copy(source: Path, directory: str) -> str:
    """Copy the files of a store into a new directory in `directory`; return its path."""
    for attempt in range(_COPIES_MAX):
        target = os.path.join(directory, str(attempt))
        os.mkdir(target, 0o700)
        try:
            _copy_files(source, target)
        except FileNotFoundError:
            continue
        return target
    raise ValueError(f"{source} changes too fast to be copied: repeat it when its node has less to do, or is stopped")


def _copy_files(source: Path, target: str) -> None:
    """Copy a store that a node may be writing: `high-water` first, so that no segment is older than it says."""
    with naming_denials(str(source), "listed"):
        names = sorted(name for name in os.listdir(source) if not (source / name).is_dir())
    for name in names:
        if name not in _NOT_COPIED and not name.startswith("snapshot-"):
            with naming_denials(str(source / name), "opened for reading"):
                shutil.copyfile(source / name, os.path.join(target, name))


def recorded_in_cluster(connection: ClusterConnection, topology: Topology) -> Recorded:
    """Return what the nodes of a running cluster have recorded; of each group that of the node that has most.

    Raises:
        ValueError: a schema cannot be read by this release, or it is another cluster.
        CoterieError: no node answers.
    """
    return run_async(_in_cluster(connection, topology))


async def _in_cluster(connection: ClusterConnection, topology: Topology) -> Recorded:
    schemas: dict[str, Sequence[Revision]] = {}
    async with connection.client_of_all() as client:
        answers = await query_nodes(client, ReportNode())
        for group in _groups(topology):
            codes = (await client.group(group).code()).values()
            histories = [_history(answer.recorded) for answer in codes if isinstance(answer, CodeReport)]
            schemas[group] = max(histories, key=len, default=[])
    reports = [answer for answer in answers.values() if isinstance(answer, NodeReport)]
    _check_cluster(reports, topology)
    silent = tuple(node for node, answer in answers.items() if not isinstance(answer, NodeReport))
    return Recorded(_without_empty(schemas), undeclared_mistakes(_nodes_by_group(reports), topology.parts), silent)


def _check_cluster(reports: Sequence[NodeReport], topology: Topology) -> None:
    for report in reports:
        if report.cluster != topology.name:
            raise ValueError(
                f"node {report.node!r} is of cluster {report.cluster!r}, not of {topology.name!r}: see --connect"
            )


def _nodes_by_group(reports: Sequence[NodeReport]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for report in reports:
        for group in (*report.groups, *report.synods):
            found.setdefault(group, []).append(report.node)
    return found


def _groups(topology: Topology) -> list[str]:
    return [part.name for part in topology.parts if isinstance(part, RaftPart)]


def _without_empty(histories: Mapping[str, Sequence[Revision]]) -> dict[str, Sequence[Revision]]:
    return {group: history for group, history in histories.items() if history}


def _history(contents: Sequence[bytes]) -> list[Revision]:
    return [Revision.decode(content) for content in contents]
