"""`StorageChecker`: checks that a log store recovers every acknowledged write, and nothing that was never written.

| invariant | broken when |
| --- | --- |
| `storage.acknowledged_lost` | a recovery reads less than what was acknowledged, or something else in its place |
| `storage.invented` | a recovery reads what was never written, part of a write, or a write without the earlier ones |
| `storage.acknowledged_unasked` | a write is acknowledged that was never submitted |

Writes of all groups of a store become durable in the order of their submission, each completely or not at all: a
recovery must read the result of a prefix of them that contains all acknowledged ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext

__all__ = ["Contents", "StorageChecker", "Submitted"]


class Submitted(Protocol):
    """One atomic write to one group: metadata, then truncation, then append (see `log_store.Write`)."""

    @property
    def group(self) -> str:
        """The group to whose log it writes."""
        ...

    @property
    def metadata(self) -> bytes | None:
        """The group's new metadata, None: unchanged."""
        ...

    @property
    def truncate_from(self) -> int | None:
        """The first position to drop, None: nothing is dropped."""
        ...

    @property
    def records(self) -> Sequence[object]:
        """What is appended; compared by equality."""
        ...


@dataclass(frozen=True, slots=True)
class Contents:
    """What a recovery reads of one group: its metadata, and its records from position `first` on."""

    metadata: bytes | None = None
    records: tuple[object, ...] = ()
    first: int = 1


@dataclass(frozen=True, slots=True)
class _Drop:
    """The removal of everything before `position`."""

    group: str
    position: int


class StorageChecker:
    """Checks one store. Report what is submitted, what is acknowledged, and what each recovery finds."""

    def __init__(self, store: str, context: ViolationContext) -> None:
        self._store = NodeId(store)
        self._context = context
        self._acknowledged: dict[str, _Group] = {}
        self._pending: deque[Submitted | _Drop] = deque()

    def submitted(self, write: Submitted) -> None:
        """Note that `write` is submitted."""
        self._pending.append(write)

    def dropping(self, group: str, position: int) -> None:
        """Note a submitted removal of all records of `group` before `position`: it counts as a write."""
        self._pending.append(_Drop(group, position))

    def acknowledged(self) -> None:
        """Check that the store may acknowledge now: it acknowledges the oldest unacknowledged write."""
        if not self._pending:
            self._context.fail("storage.acknowledged_unasked", self._store, "an acknowledged write was never submitted")
        _carry_out(self._acknowledged, self._pending.popleft())

    def recovered(self, found: Mapping[str, Contents]) -> None:
        """Check what a new life recovers (absent groups are empty); from now on this counts as acknowledged."""
        groups = {name: group.copy() for name, group in self._acknowledged.items()}
        if _are_equal(groups, found):
            self._adopt(groups)
            return
        for write in self._pending:
            _carry_out(groups, write)
            if _are_equal(groups, found):
                self._adopt(groups)
                return
        self._explain(found)

    def wiped(self) -> None:
        """Note that the store was wiped on purpose: a new one begins empty."""
        self._adopt({})

    def _adopt(self, groups: dict[str, _Group]) -> None:
        self._acknowledged = groups
        self._pending.clear()

    def _explain(self, found: Mapping[str, Contents]) -> None:
        for name, group in self._acknowledged.items():
            self._check_nothing_lost(name, group, found.get(name, Contents()))
        names = [name for name in found if not self._is_known(name, found[name])]
        detail = f"the recovered {', '.join(names) or 'groups together'} are not the result of a prefix of the writes"
        self._context.fail("storage.invented", self._store, detail)

    def _check_nothing_lost(self, name: str, group: _Group, found: Contents) -> None:
        later = [it for it in self._pending if it.group == name]
        begins = max([group.first, *(it.position for it in later if isinstance(it, _Drop))])
        writes = [it for it in later if not isinstance(it, _Drop)]
        ends = min([group.end, *(it.truncate_from for it in writes if it.truncate_from is not None)])
        for position in range(begins, ends):
            place = position - found.first
            kept = group.records[position - group.first]
            if not 0 <= place < len(found.records) or found.records[place] != kept:
                detail = f"record {position} of {name} was acknowledged and is not what was read"
                self._context.fail("storage.acknowledged_lost", self._store, detail)
        versions = [group.metadata, *(it.metadata for it in writes if it.metadata is not None)]
        if found.metadata not in versions:
            detail = f"the metadata of {name} reads {found.metadata!r}, acknowledged was {group.metadata!r}"
            lost = found.metadata is None
            self._context.fail(f"storage.{'acknowledged_lost' if lost else 'invented'}", self._store, detail)

    def _is_known(self, name: str, found: Contents) -> bool:
        """Return whether this group alone could be the result of a prefix of the writes."""
        groups = {name: self._acknowledged.get(name, _Group()).copy()}
        if _are_equal(groups, {name: found}):
            return True
        for write in self._pending:
            if write.group == name:
                _carry_out(groups, write)
                if _are_equal(groups, {name: found}):
                    return True
        return False


class _Group:
    """The expected contents of one group."""

    __slots__ = ("first", "metadata", "records")

    def __init__(self) -> None:
        self.metadata: bytes | None = None
        self.first = 1
        self.records: list[object] = []

    @property
    def end(self) -> int:
        """The position after the last record."""
        return self.first + len(self.records)

    def copy(self) -> _Group:
        """Return a copy with the same contents."""
        other = _Group()
        other.metadata, other.first, other.records = self.metadata, self.first, list(self.records)
        return other

    def drop_before(self, position: int) -> None:
        """Remove all records before `position`, which may be after the end."""
        del self.records[: max(0, position - self.first)]
        self.first = max(self.first, position)


def _carry_out(groups: dict[str, _Group], write: Submitted | _Drop) -> None:
    group = groups.setdefault(write.group, _Group())
    if isinstance(write, _Drop):
        group.drop_before(write.position)
        return
    if write.metadata is not None:
        group.metadata = write.metadata
    if write.truncate_from is not None:
        del group.records[max(0, write.truncate_from - group.first) :]
    group.records += write.records


def _are_equal(groups: Mapping[str, _Group], found: Mapping[str, Contents]) -> bool:
    names = dict.fromkeys([*groups, *found])
    empty, nothing = _Group(), Contents()
    return all(_is_equal(groups.get(name, empty), found.get(name, nothing)) for name in names)


def _is_equal(group: _Group, found: Contents) -> bool:
    return group.metadata == found.metadata and group.first == found.first and tuple(group.records) == found.records
