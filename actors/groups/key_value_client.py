"""A replicated key-value store as a program sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Final

from coterie.actors.groups.group_client import GroupClient
from coterie.actors.groups.key_value import (
    Batch,
    BatchResult,
    CompareAndSwap,
    Delete,
    Get,
    Increment,
    Put,
    Scan,
    ScanOn,
)

__all__ = ["KeyValueClient"]

PAGE: Final = 1000


class KeyValueClient:
    """A store whose group runs `KeyValue`. Every call is linearizable; writes happen exactly once.

    Every method raises what `GroupClient.execute` raises, and takes at most 10 s.
    """

    def __init__(self, group: GroupClient) -> None:
        self.group = group

    async def get(self, key: bytes) -> bytes | None:
        """Return the value of `key`, or None."""
        return await self.group.execute(Get(key))

    async def put(self, key: bytes, value: bytes) -> None:
        """Set `key` to `value`."""
        await self.group.execute(Put(key, value))

    async def delete(self, key: bytes) -> bool:
        """Remove `key`; return whether it was there."""
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
        """Do all of it at once, or, if an expectation does not hold, nothing."""
        return await self.group.execute(Batch(expect or {}, delete, put or {}, increment or {}))

    async def scan(self, prefix: bytes = b"", *, page_size: int = PAGE) -> AsyncIterator[tuple[bytes, bytes]]:
        """Yield all (key, value) whose keys begin with `prefix`, in order, as of one moment."""
        page = await self.group.execute(Scan(prefix, page_size))
        while True:
            for item in page.items:
                yield item
            if not page.more:
                return
            page = await self.group.execute(ScanOn(page.scan, page.items[-1][0], page_size))
