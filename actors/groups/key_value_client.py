"""`KeyValueClient`: reads and writes a replicated key-value store; a read may be stale if asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Literal

from coterie.actors.groups.group_client import GroupClient
from coterie.actors.groups.key_value import (
    AtomicBatch,
    BatchResult,
    CompareAndSwap,
    Delete,
    Get,
    Increment,
    Put,
    Scan,
    ScanOn,
)

__all__ = ["Consistency", "KeyValueClient"]

Consistency = Literal["linearizable", "anywhere", "stale"]

PAGE_SIZE: Final = 1000


class KeyValueClient:
    """A handle to a group that runs `KeyValue`. Every call is linearizable; each write is executed exactly once.

    Every method raises what `GroupClient.execute` raises, and takes at most 10 s.
    """

    def __init__(self, group: GroupClient[Any]) -> None:
        self.group = group

    async def get(self, key: bytes, *, consistency: Consistency = "linearizable") -> bytes | None:
        """Return the value of `key`, or None.

        `consistency`: "linearizable", read at the leader; "anywhere", the same, read at any node; "stale", read at any
        node from what it has applied, without asking anybody (`self.group.read_stale` says how old that is).
        """
        if consistency == "stale":
            return (await self.group.read_stale(Get(key))).value
        return await self.group.read(Get(key), anywhere=consistency == "anywhere")

    async def put(self, key: bytes, value: bytes) -> None:
        """Set `key` to `value`."""
        await self.group.execute(Put(key, value))

    async def delete(self, key: bytes) -> bool:
        """Remove `key`; return whether it was present."""
        return await self.group.execute(Delete(key))

    async def compare_and_swap(self, key: bytes, expected: bytes | None, value: bytes | None) -> bool:
        """Set `key` to `value` (None: remove it) if its value is `expected` (None: absent); return whether it was."""
        return await self.group.execute(CompareAndSwap(key, expected, value))

    async def increment(self, key: bytes, by: int = 1) -> int:
        """Add `by` to the decimal number at `key` (absent: 0); return the sum."""
        return await self.group.execute(Increment(key, by))

    async def batch(
        self,
        *,
        expect: Mapping[bytes, bytes | None] | None = None,
        delete: tuple[bytes, ...] = (),
        put: Mapping[bytes, bytes] | None = None,
        increment: Mapping[bytes, int] | None = None,
    ) -> BatchResult:
        """Apply all changes atomically, or none if an expectation does not hold."""
        return await self.group.execute(AtomicBatch(expect or {}, delete, put or {}, increment or {}))

    async def scan(self, prefix: bytes = b"", *, page_size: int = PAGE_SIZE) -> AsyncIterator[tuple[bytes, bytes]]:
        """Yield all (key, value) whose keys begin with `prefix`, in order, from one snapshot."""
        page = await self.group.execute(Scan(prefix, page_size))
        while True:
            for item in page.items:
                yield item
            if not page.more:
                return
            page = await self.group.execute(ScanOn(page.scan, page.items[-1][0], page_size))
