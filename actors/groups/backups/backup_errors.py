"""Backup errors: why a backup cannot be taken, read or restored."""

from __future__ import annotations

from coterie.errors import CoterieError, StorageError

__all__ = ["BackupDamaged", "BackupFailed", "RestoreRefused"]


class BackupFailed(CoterieError):
    """No backup was written: the message says why. A file of that name, if there was one, is as it was."""


class BackupDamaged(StorageError):
    """A backup does not read back, at `offset` (bytes) of file `path`; nothing was changed."""

    def __init__(self, path: str, offset: int, reason: str) -> None:
        super().__init__(path, f"backup {path!r} is damaged at byte {offset}: {reason}; use another one")
        self.offset, self.reason = offset, reason


class RestoreRefused(CoterieError):
    """A group cannot be restored into a data directory, or recovered in it: the message says why; nothing changed."""
