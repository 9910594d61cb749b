"""The judge of a log store: what it acknowledged against what a recovery reads.

| invariant | broken when |
| --- | --- |
| `storage.acknowledged_lost` | a recovery reads less than what was acknowledged, or something else in its place |
| `storage.invented` | a recovery reads what nobody wrote, half a write, or a write without the ones before it |
| `storage.acknowledged_unasked` | a write is acknowledged that was never submitted |

Writes of all groups of a store become durable in the order of their submission, each whole or not at all: what a
recovery reads must be what some number of them leaves, at least all the acknowledged ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import Bench

__all__ = ["Contents", "StorageJudge", "Submitted"]


class Submitted(Protocol):
    """One atomic write to one group: register, then truncation, then append (what `runtime.storage.Write` is)."""

    @property
    def group(self) -> str:
        """Whose log it is."""
        ...

    @property
    def register(self) -> bytes | None:
        """The group's new register, None: unchanged."""
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
    """What a recovery reads of one group: its register, and its records from position `first` on."""

    register: bytes | None = None
    records: tuple[object, ...] = ()
    first: int = 1


@dataclass(frozen=True, slots=True)
class _Drop:
    """The removal of everything before `position`."""

    group: str
    position: int


class StorageJudge:
    """Judges one store. Tell it what is submitted, what is acknowledged, and what each recovery finds."""

    def __init__(self, store: str, bench: Bench) -> None:
        self._store = NodeId(store)
        self._bench = bench
        self._acknowledged: dict[str, _Group] = {}
        self._pending: deque[Submitted | _Drop] = deque()

    def submitted(self, write: Submitted) -> None:
        """Note that `write` is asked for."""
        self._pending.append(write)

    def dropping(self, group: str, position: int) -> None:
        """Note that the removal of all records of `group` before `position` is asked for: it counts as a write."""
        self._pending.append(_Drop(group, position))

    def acknowledged(self) -> None:
        """Judge that the store reports the oldest write of which it had not."""
        if not self._pending:
            self._bench.fail("storage.acknowledged_unasked", self._store, "a write is reported that nobody asked for")
        _carry_out(self._acknowledged, self._pending.popleft())

    def recovered(self, found: Mapping[str, Contents]) -> None:
        """Judge what a new life finds (groups left out are empty); from now on this is what counts as acknowledged."""
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
        """Note that the store was destroyed on purpose: a new one begins empty."""
        self._adopt({})

    def _adopt(self, groups: dict[str, _Group]) -> None:
        self._acknowledged = groups
        self._pending.clear()

    def _explain(self, found: Mapping[str, Contents]) -> None:
        for name, group in self._acknowledged.items():
            self._check_nothing_lost(name, group, found.get(name, Contents()))
        names = [name for name in found if not self._is_known(name, found[name])]
        detail = f"what was read of {', '.join(names) or 'all groups together'} is not what any number of writes leaves"
        self._bench.fail("storage.invented", self._store, detail)

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
                self._bench.fail("storage.acknowledged_lost", self._store, detail)
        registers = [group.register, *(it.register for it in writes if it.register is not None)]
        if found.register not in registers:
            detail = f"the register of {name} reads {found.register!r}, acknowledged was {group.register!r}"
            lost = found.register is None
            self._bench.fail(f"storage.{'acknowledged_lost' if lost else 'invented'}", self._store, detail)

    def _is_known(self, name: str, found: Contents) -> bool:
        """Whether this group alone could be what some number of writes leaves."""
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
    """What one group should hold."""

    __slots__ = ("first", "records", "register")

    def __init__(self) -> None:
        self.register: bytes | None = None
        self.first = 1
        self.records: list[object] = []

    @property
    def end(self) -> int:
        """The position after the last record."""
        return self.first + len(self.records)

    def copy(self) -> _Group:
        """Return another one with the same contents."""
        other = _Group()
        other.register, other.first, other.records = self.register, self.first, list(self.records)
        return other

    def drop_before(self, position: int) -> None:
        """Remove what is before `position`, which may be after the end."""
        del self.records[: max(0, position - self.first)]
        self.first = max(self.first, position)


def _carry_out(groups: dict[str, _Group], write: Submitted | _Drop) -> None:
    group = groups.setdefault(write.group, _Group())
    if isinstance(write, _Drop):
        group.drop_before(write.position)
        return
    if write.register is not None:
        group.register = write.register
    if write.truncate_from is not None:
        del group.records[max(0, write.truncate_from - group.first) :]
    group.records += write.records


def _are_equal(groups: Mapping[str, _Group], found: Mapping[str, Contents]) -> bool:
    names = dict.fromkeys([*groups, *found])
    empty, nothing = _Group(), Contents()
    return all(_is_equal(groups.get(name, empty), found.get(name, nothing)) for name in names)


def _is_equal(group: _Group, found: Contents) -> bool:
    return group.register == found.register and group.first == found.first and tuple(group.records) == found.records
