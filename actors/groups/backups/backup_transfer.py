"""`BackupTransfer`: lets a client fetch a backup of a group, and writes it into a file.

A chunk that is lost is asked for again. If the node is gone for longer, or has the snapshot no more, another one takes
a snapshot, and the file begins anew: two replicas may have other bytes for the same state.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from coterie.actors.groups.backups.backup_errors import BackupFailed
from coterie.actors.groups.backups.backup_file import BackupHeader, BackupWriter
from coterie.actors.groups.backups.backup_messages import (
    BackupChunk,
    BackupPending,
    BackupReady,
    BackupRefused,
    ReadBackup,
    TakeBackup,
)
from coterie.errors import CoterieError
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.replicated_log import LogIndex, LogPosition, Term
from coterie.runtime.messages.message import Ask
from coterie.runtime.refs import Ref
from coterie.runtime.system import System

__all__ = ["PATIENCE_S", "BackupProgress", "BackupTransfer", "TakenBackup"]

R = TypeVar("R")

PATIENCE_S: Final = 30.0
"""For so long a backup may make no progress. A quorum confirms a snapshot every few seconds."""

ATTEMPT_S: Final = 2.0
"""How long a node has to answer one question."""

ELSEWHERE_S: Final = 5.0
"""After so long without a chunk another node is asked for a backup."""

PAUSE_S: Final = 0.1

LEADER_S: Final = 2.0
"""How long a backup waits until a leader is known; then any node gives it."""

BEGINNINGS_MAX: Final = 10
"""How often a backup begins at most."""


@dataclass(frozen=True, slots=True)
class TakenBackup:
    """A backup that was written.

    `size_bytes`, `digest`: of the file: the SHA-256 of everything before its last 32 bytes, which are this digest.
    """

    path: str
    header: BackupHeader
    size_bytes: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class BackupProgress:
    """How far a backup is: `step` in words; `done_bytes` of `size_bytes`, which is 0 while it is not known."""

    step: str
    done_bytes: int = 0
    size_bytes: int = 0


class BackupTransfer:
    """One backup.

    Args:
        system: of the client.
        group: the name of the group.
        ref: returns the group's actor on a node.
        nodes: returns the nodes that are linked now.
        leader: returns the node that presumably leads.
        node: the node that shall give it; None: the leader.
        patience_s: for how long it may make no progress.
        on_progress: called with each step.
    """

    def __init__(
        self,
        system: System,
        group: str,
        ref: Callable[[str], Ref[Any]],
        nodes: Callable[[], Sequence[str]],
        leader: Callable[[], str | None],
        *,
        node: str | None,
        patience_s: float = PATIENCE_S,
        on_progress: Callable[[BackupProgress], None] = lambda _: None,
    ) -> None:
        self._system = system
        self._group = group
        self._ref = ref
        self._nodes = nodes
        self._leader = leader
        self._node = node
        self._patience_s = patience_s
        self._on_progress = on_progress
        self._moved_at_s = 0.0
        self._failure = ""
        self._refused: list[str] = []  # nodes that have refused since one has agreed

    async def write(self, path: str, *, overwrite: bool) -> TakenBackup:
        """Fetch the backup into the file `path`.

        Raises:
            BackupFailed: there is such a file, or no node gave a whole backup in time.
            OSError: the file cannot be written.
        """
        run_disk, disk = self._system.host.executor.run_disk, self._system.host.disk
        writer = await run_disk(lambda: BackupWriter(disk, path, overwrite=overwrite))
        try:
            for _ in range(BEGINNINGS_MAX):
                self._moved()
                node, ready = await self._taken()
                header = self._header(ready)
                if await self._fetched(writer, header, node):
                    self._on_progress(BackupProgress(f"writing {path}", ready.size_bytes, ready.size_bytes))
                    digest = await run_disk(writer.finish)
                    return TakenBackup(path, header, writer.size_bytes, digest)
            raise self._failed(f"it began {BEGINNINGS_MAX} times")
        except BaseException:
            await run_disk(writer.abandon)
            raise

    async def _taken(self) -> tuple[str, BackupReady]:
        """Return a node that has taken a snapshot since the call, and which it is."""
        index, written_bytes, node = 0, 0, await self._first_node()
        while True:
            answer = await self._ask(node, TakeBackup(index))
            match answer:
                case BackupReady():
                    return node, answer
                case BackupPending():
                    if answer.index > index or answer.written_bytes > written_bytes:
                        self._moved()
                    index, written_bytes = answer.index, answer.written_bytes
                    step = f"{node} writes a snapshot" if written_bytes else f"{node} waits until a quorum confirms it"
                    self._on_progress(BackupProgress(step, written_bytes))
                    self._refused.clear()
                case BackupRefused() | CoterieError():
                    self._note(node, answer)
                    node = self._other_than(node, answer.leader if isinstance(answer, BackupRefused) else None)
            await self._pause()

    async def _first_node(self) -> str:
        """Return the node that shall give the backup; wait a moment until a leader is known."""
        tries = 0
        while self._node is None and self._leader() is None and (tries < LEADER_S / PAUSE_S or not self._nodes()):
            tries += 1
            await self._pause()
        return self._node or self._leader() or self._nodes()[0]

    def _other_than(self, node: str, leader: str | None) -> str:
        if self._node is not None:
            return node
        self._refused.append(node)
        nodes = [each for each in (leader, self._leader(), *self._nodes()) if each is not None]
        untried = [each for each in nodes if each not in self._refused]
        if not untried:
            self._refused.clear()
            untried = nodes
        return untried[0] if untried else node

    async def _fetched(self, writer: BackupWriter, header: BackupHeader, node: str) -> bool:
        """Fetch the snapshot into the file; return False if it has to begin anew."""
        run_disk, snapshot = self._system.host.executor.run_disk, header.snapshot
        await run_disk(lambda: writer.begin(header))
        content, offset = hashlib.sha256(), 0
        while offset < snapshot.size_bytes:
            answer = await self._ask(node, ReadBackup(snapshot.digest, offset))
            if isinstance(answer, BackupChunk) and answer.data:
                content.update(answer.data)
                offset += len(answer.data)
                await run_disk(partial(writer.append, answer.data))
                self._moved()
                self._on_progress(BackupProgress(f"fetching it from {node}", offset, snapshot.size_bytes))
                continue
            self._note(node, answer)
            is_gone = isinstance(answer, BackupChunk) or (isinstance(answer, BackupRefused) and answer.is_gone)
            if is_gone or self._still_s() > ELSEWHERE_S:
                return False
            await self._pause()
        if content.digest() == snapshot.digest:
            return True
        self._failure = f"{node}: what came is not what was promised: its digest differs"
        return False

    def _header(self, ready: BackupReady) -> BackupHeader:
        position = LogPosition(LogIndex(ready.index), Term(ready.term))
        snapshot = SnapshotId(position, ready.stamp_ms, ready.size_bytes, ready.digest)
        now_s = self._system.host.clock.wall()
        return BackupHeader(ready.cluster, self._group, ready.node, ready.incarnation, snapshot, now_s)

    async def _ask(self, node: str, question: Ask[R]) -> R | CoterieError:
        try:
            ask: asyncio.Future[R] = self._ref(node).ask(question, timeout_s=min(ATTEMPT_S, self._patience_s))
            return await ask
        except CoterieError as error:
            return error

    def _note(self, node: str, answer: object) -> None:
        self._failure = f"{node}: {answer.reason if isinstance(answer, BackupRefused) else answer}"

    def _moved(self) -> None:
        self._moved_at_s = self._system.host.clock.monotonic()

    def _still_s(self) -> float:
        return self._system.host.clock.monotonic() - self._moved_at_s

    async def _pause(self) -> None:
        if self._still_s() >= self._patience_s:
            raise self._failed(f"it made no progress in {self._patience_s:g} s")
        await asyncio.sleep(PAUSE_S)

    def _failed(self, reason: str) -> BackupFailed:
        last = self._failure or self._system.remoting.unlinked_reason
        return BackupFailed(f"group {self._group!r}: no backup was written: {reason} (last: {last})")
