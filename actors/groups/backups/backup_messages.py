"""Backup messages: what a client and a replica say to each other about backups.

    client                         replica
      │ ── TakeBackup(0) ─────────▶ │  asks the leader which entry a read must see, and applies it
      │ ◀── BackupPending(index) ── │  what was acknowledged before the question is in the entries up to `index`
      │ ── TakeBackup(index) ─────▶ │  takes a snapshot
      │ ◀── BackupPending ───────── │  it is being written, or no quorum has confirmed it yet: the client asks again
      │ ── TakeBackup(index) ─────▶ │
      │ ◀── BackupReady ─────────── │
      │ ── ReadBackup(offset) ────▶ │
      │ ◀── BackupChunk ─────────── │  …

The replica keeps nothing about a backup but the time of the last question: the file stays for a while after it.
"""

from __future__ import annotations

from coterie.runtime.messages.message import Ask, message
from coterie.runtime.messages.speakers import Speaker

__all__ = ["BackupChunk", "BackupPending", "BackupReady", "BackupRefused", "ReadBackup", "TakeBackup"]


@message(name="backup.Pending")
class BackupPending:
    """Ask again, with this `index`. `written_bytes`: how much has been written; 0: it waits to be confirmed."""

    index: int
    written_bytes: int


@message(name="backup.Ready")
class BackupReady:
    """There is a snapshot of the entries up to `index` (of `term`, with the log time `stamp_ms`), with its digest.

    `cluster`, `node`, `incarnation`: of the replica, and of its group.
    """

    cluster: str
    node: str
    incarnation: bytes
    index: int
    term: int
    stamp_ms: int
    size_bytes: int
    digest: bytes


@message(name="backup.Refused")
class BackupRefused:
    """There is no backup here: `reason`. Ask `leader`, if it is known. `is_gone`: it was there: begin again."""

    reason: str
    leader: str | None
    is_gone: bool = False


@message(name="backup.Take", speaker=Speaker.OPERATOR)
class TakeBackup(Ask[BackupPending | BackupReady | BackupRefused]):
    """Take a snapshot of the entries up to `index`; 0: of all that was acknowledged before this question."""

    index: int = 0


@message(name="backup.Chunk")
class BackupChunk:
    """The bytes from the offset on that was asked for; fewer at the end only."""

    data: bytes


@message(name="backup.Read", speaker=Speaker.OPERATOR)
class ReadBackup(Ask[BackupChunk | BackupRefused]):
    """Ask for the bytes from `offset` on of the snapshot with `digest`."""

    digest: bytes
    offset: int
