"""Storage mutants: defines deliberate bugs in the log store and in its recovery after a crash."""

# ruff: noqa: SLF001 - a mutant replaces private methods

from __future__ import annotations

import contextlib
from typing import Any

from coterie.actors.simulation.scenarios.past_store_runs import cut_log, restored_copy
from coterie.actors.simulation.scenarios.store_scenario import STORE
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.simulation.mutants import DirectedTrial, Mutant, Patch, ScenarioTrial
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.storage import log_recovery, record_reader, segment_format, segmented_log
from coterie.runtime.storage.group_commit import GroupCommit
from coterie.runtime.storage.history import generation
from coterie.runtime.storage.history.generation import Generation
from coterie.runtime.storage.segment_files import Segment
from coterie.runtime.storage.segment_format import BATCH_HEADER_BYTES, BadBytes, Item, encode_batch_header

__all__ = ["STORAGE_MUTANTS"]


def _decode_without_checksum(data: bytes, offset: int, salt: int, *, base: int = 0) -> Item:
    segment_format._check_item_header(data, offset, salt, base)
    kind, group, position, tag, length, _ = segment_format._ITEM.unpack_from(data, offset)
    return Item(kind, group, position, tag, base + offset, length)


def _decode_torn_batch(data: bytes, offset: int, segment: int, salt: int) -> list[Item]:
    length = segment_format._batch_length(data, offset, segment, salt)
    if length is None:
        raise BadBytes(offset, "no batch")
    items: list[Item] = []
    at, end = offset + BATCH_HEADER_BYTES, offset + BATCH_HEADER_BYTES + length
    with contextlib.suppress(BadBytes):
        while at < end:
            items.append(_decode_without_checksum(data, at, salt))
            at = items[-1].end
    if length and not items:
        raise BadBytes(offset, "no item of the batch is intact")
    return items


def _no_batch_follows(data: bytes, offset: int, segment: int, salt: int) -> bool:
    return False


def _write_ignoring_sync_error(self: GroupCommit, segment: Segment, batch: Any, **_: Any) -> Segment:
    header = encode_batch_header(segment.number, segment.size_bytes, batch.size_bytes, self.salt)
    segment.write(b"".join((header, *batch.parts)), self._zeros_bytes(segment))
    with contextlib.suppress(OSError):
        segment.file.sync()
    return segment


def _no_loss(*_: Any) -> None:
    """Find no evidence of a loss."""


def _no_contradiction(remembered: Generation, heard: Generation) -> None:
    """Believe any generation."""


def _skip_directory_sync(self: VirtualDisk, path: str) -> None:
    return


def _mutant(name: str, *patches: Patch, first_seed: int = 0) -> Mutant:
    return Mutant(f"storage: {name}", ScenarioTrial(STORE), patches, first_seed)


STORAGE_MUTANTS: tuple[Mutant, ...] = (
    _mutant(
        "torn tail accepted",
        Patch(log_recovery, "decode_batch", _decode_torn_batch),
        Patch(record_reader, "decode_item", _decode_without_checksum),
        first_seed=3,
    ),
    _mutant("rot cut as if torn", Patch(log_recovery, "has_batch_after", _no_batch_follows), first_seed=38),
    _mutant("fsync error ignored", Patch(GroupCommit, "_write_to", _write_ignoring_sync_error), first_seed=2),
    # Patched here because every directory sync of the store passes here: recovery syncs the directory, too.
    _mutant("directory not synced", Patch(VirtualDisk, "sync_directory", _skip_directory_sync)),
    Mutant(
        "storage: high-water file ignored",
        DirectedTrial("cut log", Level.SYSTEM, cut_log),
        (Patch(segmented_log, "loss_evidence", _no_loss),),
    ),
    Mutant(
        "storage: generation ignored",
        DirectedTrial("restored copy", Level.SYSTEM, restored_copy),
        (Patch(generation, "contradiction", _no_contradiction),),
    ),
)
"""All but the last two are killed under the profile `everything`."""
