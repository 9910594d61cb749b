"""`WriteBatch`: collects the bytes that go to disk in one write, and the changes to make in memory after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from coterie.runtime.storage.history.generation import Generation
from coterie.runtime.storage.log_store import DoneCallback, Record, Write
from coterie.runtime.storage.record_index import GroupIndex
from coterie.runtime.storage.segment_format import ITEM_HEADER_BYTES, ItemKind, encode_item

__all__ = ["WriteBatch", "encode_checkpoint"]


class WriteBatch:
    """Items that become durable atomically.

    `parts`: their bytes. `size_bytes`: the sum of these. `records`: number of appended and copied records.
    `done_callbacks`: called once the batch is durable. `lets_go`: whether something is dropped or forgotten. `copies`:
    whether records are copied, so that a segment can go.
    """

    __slots__ = ("_salt", "_steps", "copies", "done_callbacks", "lets_go", "parts", "records", "size_bytes")

    def __init__(self, salt: int) -> None:
        self._salt = salt
        self._steps: list[Callable[[int], None]] = []
        self.parts: list[bytes] = []
        self.size_bytes = 0
        self.records = 0
        self.lets_go = False
        self.copies = False
        self.done_callbacks: list[DoneCallback] = []

    def add_write(self, group: GroupIndex, write: Write, *, is_new: bool, max_bytes: int) -> None:
        """Add a checked write; `is_new` declares the group first.

        ValueError (and nothing added) if it has more than `max_bytes` or a tag is out of range.
        """
        declaration = _encode_group(group, self._salt) if is_new else ()
        parts, offsets, size_bytes = _encode_write(group.number, write, self._salt)
        tags = [record.tag for record in write.records]  # copied now: the caller may change its list
        if size_bytes > max_bytes:
            raise ValueError(
                f"a write of {size_bytes} bytes to group {group.name!r}: see max_write_bytes ({max_bytes})"
            )
        self._take(*declaration)
        group.pending_truncations += write.truncate_from is not None
        self._steps.append(_WriteStep(group, write.metadata, write.truncate_from, self.size_bytes, offsets, tags))
        self.records += len(offsets)
        self.parts += parts
        self.size_bytes += size_bytes

    def add_drop(self, group: GroupIndex, position: int, *, is_new: bool) -> None:
        """Add a drop of all records before `position`. ValueError if it is out of range."""
        drop = encode_item(ItemKind.DROP, group.number, position, 0, b"", self._salt)
        self._take(*(_encode_group(group, self._salt) if is_new else ()), drop)
        self._steps.append(lambda _: group.drop_before(position))
        self.lets_go = True

    def add_copy(self, group: GroupIndex, position: int, place: int, record: Record) -> None:
        """Add a copy of the record at `place`."""
        offset = self.size_bytes
        self._take(encode_item(ItemKind.COPY, group.number, position, record.tag, record.body, self._salt), record.body)
        self._steps.append(lambda base: group.move(position, place, base + offset))
        self.copies = True
        self.records += 1

    def add_generation(self, generation: Generation) -> None:
        """Add that the store was opened."""
        self._take(_encode_generation(generation, self._salt))

    def add_forget(self, group: GroupIndex, forgotten: Callable[[], None]) -> None:
        """Add the removal of a group; `forgotten` is called when it is durable."""
        self._take(encode_item(ItemKind.FORGET, group.number, 0, 0, b"", self._salt))
        group.pending_truncations += 1  # no record of it is copied any more
        self._steps.append(lambda _: forgotten())
        self.lets_go = True

    def apply(self, base: int) -> None:
        """Apply the durable items in memory, in order; `base` is the place of the first item."""
        for step in self._steps:
            step(base)

    def _take(self, *parts: bytes) -> None:
        for part in parts:
            self.parts.append(part)
            self.size_bytes += len(part)


def encode_checkpoint(generation: Generation, groups: Iterable[GroupIndex], salt: int, *, previous_bytes: int) -> bytes:
    """Return the items with which a segment begins.

    They hold the final size of the segment before it (`previous_bytes`), the generation, and the first and last
    position and the metadata of every group.
    """
    parts: list[bytes] = [_encode_generation(generation, salt)]
    for group in groups:
        parts += _encode_group(group, salt)
        if group.metadata is not None:
            parts += (encode_item(ItemKind.METADATA, group.number, 0, 0, group.metadata, salt), group.metadata)
    size_bytes = ITEM_HEADER_BYTES + sum(map(len, parts))
    begin = encode_item(ItemKind.BEGIN, 0, previous_bytes, size_bytes, b"", salt)
    return b"".join((begin, *parts))


def _encode_generation(generation: Generation, salt: int) -> bytes:
    return encode_item(ItemKind.GENERATION, 0, generation.counter, generation.nonce, b"", salt)


def _encode_group(group: GroupIndex, salt: int) -> tuple[bytes, bytes]:
    name = group.name.encode()
    return encode_item(ItemKind.GROUP, group.number, group.first, group.last, name, salt), name


def _encode_write(group: int, write: Write, salt: int) -> tuple[list[bytes], list[int], int]:
    """Return the bytes of a write, the offset of each record in them, and their total size."""
    parts: list[bytes] = []
    offsets: list[int] = []
    offset = 0
    if write.metadata is not None:
        parts += (encode_item(ItemKind.METADATA, group, 0, 0, write.metadata, salt), write.metadata)
        offset = ITEM_HEADER_BYTES + len(write.metadata)
    if write.truncate_from is not None:
        parts.append(encode_item(ItemKind.TRUNCATE, group, write.truncate_from, 0, b"", salt))
        offset += ITEM_HEADER_BYTES
    for position, record in enumerate(write.records, write.first):
        body = record.body
        parts.append(encode_item(ItemKind.APPEND, group, position, record.tag, body, salt))
        parts.append(body)
        offsets.append(offset)
        offset += ITEM_HEADER_BYTES + len(body)
    return parts, offsets, offset


@dataclass(slots=True)
class _WriteStep:
    """A `Write` to apply in memory. `start`: offset of its bytes among the items of the batch."""

    group: GroupIndex
    metadata: bytes | None
    truncate_from: int | None
    start: int
    offsets: list[int]
    tags: list[int]

    def __call__(self, base: int) -> None:
        group = self.group
        if self.metadata is not None:
            group.metadata = self.metadata
        if self.truncate_from is not None:
            group.truncate(self.truncate_from)
            group.pending_truncations -= 1
        if self.offsets:
            start = base + self.start
            group.append([start + offset for offset in self.offsets], self.tags)
