"""`SnapshotCheck`: reads a snapshot back, and tries it on a new machine, before the log behind it is dropped.

    written ─▶ read back, digest ─▶ restored into a twin of the machine ─▶ the twin's state: that of the machine?
        ─▶ saved again: the same? ─▶ usable

The digest of the file is compared each time. Every snapshot of a user's machine is tried, but for those beyond
`TRIED_BYTES_MAX`: a twin is a second copy of the state. Of the machines of coterie itself, whose code has tests of its
own, the first one of each schema that the machine follows in this life is tried; again once it is less than half or
more than twice as large; and once there is a value in an attribute that was empty in all that were tried. All is done
in slices; the machine itself, and the log, go on meanwhile: its state was frozen when the snapshot began
(`frozen_state.py`).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from coterie.actors.groups.compaction.group_snapshots import CHUNK_BYTES, damage_text, snapshot_name
from coterie.actors.groups.compaction.machine_freeing import freed
from coterie.actors.groups.compaction.machine_guard import MachineGuard, SnapshotUnusable
from coterie.actors.groups.compaction.snapshot_content import FrameReader
from coterie.actors.groups.replicas.replica_snapshot import Section
from coterie.actors.groups.snapshots.frozen_difference import Difference, differences
from coterie.actors.groups.snapshots.frozen_state import FrozenState
from coterie.errors import SnapshotFailed
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.runtime.storage.log_store import LogStore
from coterie.runtime.storage.snapshots.snapshot_store import SnapshotNotWritten

__all__ = ["TRIED_BYTES_MAX", "SnapshotCheck", "Trial"]

TRIED_BYTES_MAX: Final = 8 * 1024 * 1024
"""Of a larger snapshot only the digest is compared. Too high: memory for a second copy of a large state, for a moment;
too low: a machine that does not restore what it saves is found when it is too late."""

DIGEST_BYTES: Final = 4 * 1024 * 1024
"""So much is read at once to compare the digest. Lower: it takes longer. Higher: the log's writes wait for it."""

SLICE_S: Final = 0.003
"""For so long the loop is held at once, and the last piece of that, while a machine is restored or saved again."""

_OWN_MODULES: Final = "coterie."


@dataclass(frozen=True, slots=True)
class Trial:
    """What a snapshot is tried with.

    Attributes:
        twin: a new machine, as the replica has it; None: there is none of this kind.
        state: that of the user's machine when the snapshot began; None: it cannot be seen.
        guard: runs the code of the twin.
    """

    twin: Any
    state: FrozenState | None
    guard: MachineGuard


class _Tried:
    """What was tried of one schema of a machine of coterie itself.

    How much the machine yielded last, and which attributes had a value in any.
    """

    def __init__(self) -> None:
        self.size_bytes: int | None = None
        self.filled: set[tuple[type, str]] = set()

    def is_like(self, size_bytes: int, filled: set[tuple[type, str]]) -> bool:
        """Return whether another snapshot, of a state with these attributes, would show nothing new."""
        tried_bytes = self.size_bytes
        if tried_bytes is None:
            return False
        return tried_bytes <= 2 * size_bytes and size_bytes <= 2 * tried_bytes and filled <= self.filled


class SnapshotCheck:
    """The checks of one life of a replica.

    Args:
        group: its name.
        store: where its snapshots are.
        monotonic: the clock (s).
    """

    def __init__(self, group: str, store: LogStore, monotonic: Callable[[], float]) -> None:
        self._group = group
        self._store = store
        self._monotonic = monotonic
        self._tried_by_schema: dict[object, _Tried] = {}

    async def run(self, snapshot: SnapshotId, trial: Trial, machine_bytes: int) -> None:
        """Check a snapshot that is complete, in which the machine has yielded so many bytes.

        Raises:
            SnapshotUnusable: the machine does not restore it. `MachineChanged`: it has changed the one that is in use.
            StorageFailed: it does not read back.
        """
        twin = trial.twin
        tried = _Tried() if twin is None else self._tried_by_schema.setdefault(twin.follows, _Tried())
        filled = set() if trial.state is None else trial.state.filled
        is_like = twin is not None and _is_own(twin.machine) and tried.is_like(machine_bytes, filled)
        if twin is None or is_like or snapshot.size_bytes > TRIED_BYTES_MAX:
            await self._read(snapshot, None)
            return
        saved = await self._read(snapshot, trial)
        with _unusable_if_refused():
            with trial.guard.running("restore"):
                twin.end_restore()
            if trial.state is not None:
                await self._compare(trial.state, twin.machine)
            restored = await self._saved_again(trial)
        if not saved.is_equal_to(restored, in_bytes=twin.has_own_snapshot):
            cls, sizes = type(twin.machine).__name__, f"{restored.size_bytes} bytes, not {saved.size_bytes}"
            raise SnapshotUnusable(
                f"{cls}, restored from it and saved again, gives another one ({sizes}): does `restore` lose something, "
                "or does `snapshot` add something?"
            )
        tried.size_bytes = machine_bytes
        tried.filled |= filled
        await self._free(twin)

    async def _free(self, twin: Any) -> None:
        held, twin.machine = [twin.machine], None
        until_s = self._monotonic() + SLICE_S
        for _ in freed(held):
            if self._monotonic() >= until_s:
                await asyncio.sleep(0)
                until_s = self._monotonic() + SLICE_S

    async def _compare(self, state: FrozenState, restored: object) -> None:
        """Compare a restored machine with the state that was saved."""
        until_s = self._monotonic() + SLICE_S
        for found in differences(state, restored):
            if found is not None:
                raise SnapshotUnusable(_difference_text(type(restored).__name__, found))
            if self._monotonic() >= until_s:
                await asyncio.sleep(0)
                until_s = self._monotonic() + SLICE_S

    async def _read(self, snapshot: SnapshotId, trial: Trial | None) -> _Saved:
        """Read it to its end, into the twin if it is tried; return what is the machine's in it."""
        name, digest, saved, reader = snapshot_name(snapshot), hashlib.sha256(), _Saved(), FrameReader()
        offset, at_once = 0, DIGEST_BYTES if trial is None else CHUNK_BYTES
        try:
            while offset < snapshot.size_bytes:
                data = await self._store.snapshots.read(self._group, name, offset, at_once, digest)
                if not data:
                    raise ValueError("it is missing" if data is None else f"{snapshot.size_bytes} bytes were written")
                offset += len(data)
                if trial is not None:
                    await self._restore(trial, reader.feed(data), saved)
            if digest.digest() != snapshot.digest:
                raise ValueError("it is not what was written")
        except SnapshotFailed:  # it is a ValueError, too
            raise
        except ValueError as error:
            raise SnapshotNotWritten(
                self._store.snapshots.path_of(self._group, name), damage_text(self._group, snapshot, error)
            ) from error
        return saved

    async def _restore(self, trial: Trial, frames: Iterator[tuple[int, bytes]], saved: _Saved) -> None:
        """Restore what is the machine's in these frames into the twin."""
        bodies = deque(body for section, body in frames if section == Section.MACHINE)
        with _unusable_if_refused():
            while bodies:
                until_s = self._monotonic() + SLICE_S
                with trial.guard.running("restore"):
                    while bodies and self._monotonic() < until_s:
                        body = bodies.popleft()
                        saved.add(body)
                        trial.twin.restore(body)
                await asyncio.sleep(0)

    async def _saved_again(self, trial: Trial) -> _Saved:
        saved = _Saved()
        with trial.guard.running("snapshot"):
            pieces = trial.twin.snapshot_unused()
        while True:
            until_s = self._monotonic() + SLICE_S
            with trial.guard.running("snapshot"):
                for piece in pieces:
                    saved.add(piece)
                    if self._monotonic() >= until_s:
                        break
                else:
                    return saved
            await asyncio.sleep(0)


def _is_own(machine: object) -> bool:
    """Return whether a machine is one of coterie itself."""
    return type(machine).__module__.startswith(_OWN_MODULES)


def _difference_text(cls: str, found: Difference) -> str:
    return (
        f"{cls}{found.path} is {found.frozen}, and {found.other} in a new {cls} that was restored from it: does "
        "`snapshot` leave something out, or change an order, or `restore` lose something? An attribute that is no "
        f"state, such as a cache, is named in `transient` of {cls}"
    )


class _Saved:
    """What a machine has saved. Its pieces may be cut elsewhere, and what a set holds may come in another order."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._pieces = 0
        self._sum = 0
        self._digest = hashlib.sha256()

    def add(self, piece: bytes) -> None:
        self.size_bytes += len(piece)
        self._pieces += 1
        self._sum += sum(piece)
        self._digest.update(piece)

    def is_equal_to(self, other: _Saved, *, in_bytes: bool) -> bool:
        """Return whether both are the same, but for an order. `in_bytes`: the class has its own `snapshot`.

        Else the bytes may differ with the order in which classes come, and each piece has one byte of its own.
        """
        if self._digest.digest() == other._digest.digest():
            return True
        if in_bytes:
            return (self.size_bytes, self._sum) == (other.size_bytes, other._sum)
        return self.size_bytes - self._pieces == other.size_bytes - other._pieces


@contextmanager
def _unusable_if_refused() -> Iterator[None]:
    """Turn it into `SnapshotUnusable` that the twin does not take the snapshot, or that there is no room for it."""
    try:
        yield
    except SnapshotUnusable:
        raise
    except SnapshotFailed as error:
        raise SnapshotUnusable(f"a new machine does not take it: {error}") from error
    except MemoryError as error:
        raise SnapshotUnusable("there is no memory to try it on a new machine") from error
