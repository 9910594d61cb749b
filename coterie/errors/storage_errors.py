"""Storage errors: what is wrong with a durable store, and what to do."""

from __future__ import annotations

from coterie.errors.root_error import CoterieError, Outcome

__all__ = [
    "AlreadyFormatted",
    "DataDirectoryInUse",
    "MetaFileMissing",
    "NotFormatted",
    "StorageDamaged",
    "StorageError",
    "StorageFailed",
    "StoreWentBack",
    "UnsupportedFormat",
    "WrongStore",
]

_NO_REPLACEMENT = (
    "a store that is lost for good is replaced: start the node with an empty data directory and --bootstrap join, then "
    "coterie raft replace; its groups go on while a quorum of the other voters is up (else: coterie raft recover)"
)


class StorageError(CoterieError):
    """The base class of the errors of durable stores. `path` is the data directory or the file concerned."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


class DataDirectoryInUse(StorageError):
    """Another process, or another System of this process, holds the lock of the data directory."""

    def __init__(self, path: str) -> None:
        super().__init__(path, f"data directory {path!r} is in use: stop the node that has it open, or choose another")


class NotFormatted(StorageError):
    """The data directory was never formatted, or formatting was interrupted by a crash."""

    def __init__(self, path: str) -> None:
        advice = 'is it a data directory? A new node formats it at its first start (bootstrap="new", --bootstrap new)'
        super().__init__(path, f"{path!r} is not formatted: {advice}")


class AlreadyFormatted(StorageError):
    """Formatting would destroy an existing store."""

    def __init__(self, path: str) -> None:
        advice = "leave out --bootstrap (bootstrap=) to start its node; give a new node a directory of its own"
        super().__init__(path, f"{path!r} already holds a store: {advice}")


class MetaFileMissing(StorageError):
    """The data directory holds a log without its meta file: it can be neither opened nor formatted.

    Without the file the store is lost: it names the store, and the checksums of the log depend on it.
    """

    def __init__(self, path: str) -> None:
        super().__init__(
            path,
            f"{path!r} holds log segments without their file 'meta', which names the cluster, the node and the store: "
            f"put that file back from where it went. Without it the store is lost, and a new one in its place does not "
            f"help: the other voters of its groups refuse a new store under the name of its node; {_NO_REPLACEMENT}",
        )


class WrongStore(StorageError):
    """The store belongs to another cluster or node; `expected` and `found` are (cluster, node)."""

    def __init__(self, path: str, *, expected: tuple[str, str], found: tuple[str, str]) -> None:
        super().__init__(
            path,
            f"{path!r} belongs to node {found[1]!r} of cluster {found[0]!r}, not to node {expected[1]!r} of cluster "
            f"{expected[0]!r}: check the data directory and the node name",
        )
        self.expected, self.found = expected, found


class UnsupportedFormat(StorageError):
    """The store, or something in it, was written in a format that this release cannot read; nothing was changed.

    `part` names what has the number `found`: the storage format, or that of one kind of record.
    """

    def __init__(self, path: str, *, found: int, supported: int | str, part: str = "storage format") -> None:
        super().__init__(
            path,
            f"{path!r} has {part} {found}, this release reads {supported} and converts nothing: use a release that "
            f"reads {found}",
        )
        self.part, self.found, self.supported = part, found, supported


class StorageDamaged(StorageError):
    """Durable bytes cannot be read back, at `offset` (bytes) of file `path`. Nothing was changed or truncated."""

    def __init__(self, path: str, offset: int, reason: str) -> None:
        super().__init__(path, f"{path!r} is damaged at byte {offset}: {reason}; keep the files: {_NO_REPLACEMENT}")
        self.offset, self.reason = offset, reason


class StoreWentBack(StorageError):
    """The store lost what it had acknowledged (`evidence`): its node neither votes, counts nor leads in any group."""

    def __init__(self, path: str, evidence: str) -> None:
        super().__init__(path, f"the store of {path!r} went back in time: {evidence}; {_NO_REPLACEMENT}")
        self.evidence = evidence


class StorageFailed(StorageError):
    """A write or sync failed, or the store is closed: writes not reported durable may be on disk or lost."""

    outcome = Outcome.UNKNOWN

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            path,
            f"the store in {path!r} has stopped: {reason}; it is not retried: remove the cause, then restart the node",
        )
        self.reason = reason
