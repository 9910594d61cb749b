"""`RaftDisk`: models the disk of one Raft node: holds its register and log, and applies each `LogWrite` to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Quorum
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.membership.membership import Membership, StoreId
from coterie.protocols.raft.raft_log import cut
from coterie.protocols.raft.raft_messages import HardState, LogWrite, Restored
from coterie.protocols.replicated_log import INCARNATION_BYTES, Entry, Load, Loaded, LogIndex, LogPosition, Term

__all__ = ["AT_THE_BEGINNING", "RaftDisk", "founded"]

AT_THE_BEGINNING = LogPosition(LogIndex(0))


def founded(
    voters: Sequence[NodeId],
    *,
    quorum: Quorum | None = None,
    base: LogPosition = AT_THE_BEGINNING,
    stores_known: bool = True,
) -> HardState:
    """Return the register of a new group in which every store is named like its node.

    `base`: where all its logs begin, with an empty state machine. `stores_known`: whether the founders' stores are.
    """
    founders = Membership.founding(voters, quorum)
    if stores_known:
        founders = founders.with_stores({voter: StoreId(voter) for voter in voters})
    facts = GroupFacts(bytes(INCARNATION_BYTES), founders, base, ((LogIndex(0), founders),))
    return HardState(base.term, None, facts)


class RaftDisk:
    """One disk image. `entries` are those after the base of the log, in order."""

    __slots__ = ("entries", "hard_state")

    def __init__(self, hard_state: HardState = HardState(Term(0), None)) -> None:
        self.hard_state = hard_state
        self.entries: list[Entry] = []

    def found(self, register: HardState) -> None:
        """Make this the disk of a founded group, unless it is one; it keeps term, vote and entries."""
        if not self.hard_state.facts.is_founded:
            term = max(self.hard_state.term, register.term)
            self.hard_state = replace(self.hard_state, term=term, facts=register.facts)

    @property
    def base(self) -> LogPosition:
        """The position before the first entry."""
        return self.hard_state.facts.base

    @property
    def last_index(self) -> LogIndex:
        """The last entry's index, that of the base for an empty log."""
        return LogIndex(self.base.index + len(self.entries))

    def term_at(self, index: int) -> Term | None:
        """Return the term of entry `index`: that of the base for its index, None if there is no such entry."""
        base = self.base
        if base.index < index <= base.index + len(self.entries):
            return self.entries[index - base.index - 1].term
        return base.term if index == base.index else None

    def holds(self, entry: Entry) -> bool:
        """Return whether the log has `entry`, or a snapshot that covers it."""
        return entry.index <= self.base.index or self.term_at(entry.index) == entry.term

    def entries_from(self, index: int) -> list[Entry]:
        """Return the entries from `index` on; all if that is below the first."""
        return self.entries[max(0, index - self.base.index - 1) :]

    def write(self, write: LogWrite) -> None:
        """Carry out one atomic write.

        Raises:
            ValueError: the entries do not continue the log, the truncation begins at or below the base, or the new base
                is not the one in the register.
        """
        first_index, last_index = LogIndex(self.base.index + 1), self.last_index
        if write.hard_state is not None:
            self.hard_state = write.hard_state
        if write.truncate_from is not None:
            if write.truncate_from < first_index:
                raise ValueError(f"truncation from {write.truncate_from}: the first index is {first_index}")
            del self.entries[write.truncate_from - first_index :]
            last_index = min(last_index, LogIndex(write.truncate_from - 1))
        entries = self.entries
        for entry in write.entries:
            if entry.index != last_index + 1:
                raise ValueError(f"entry {entry.index} does not continue a log that ends at {last_index}")
            entries.append(entry)
            last_index = entry.index
        if write.drop_before is not None:
            if self.base.index != write.drop_before - 1:
                raise ValueError(f"entries before {write.drop_before} are dropped, but the register has {self.base}")
            del entries[: write.drop_before - first_index]

    def restored(self) -> Restored:
        """Return what a new life reads."""
        runs: list[tuple[LogIndex, Term]] = []
        for entry in self.entries:
            if not runs or runs[-1][1] != entry.term:
                runs.append((entry.index, entry.term))
        snapshot = self.hard_state.facts.snapshot
        last_stamp_ms = self.entries[-1].stamp_ms if self.entries else snapshot.stamp_ms if snapshot else 0
        return Restored(self.hard_state, tuple(runs), self.last_index, last_stamp_ms)

    @property
    def terms(self) -> list[Term]:
        """The terms of all entries."""
        return [entry.term for entry in self.entries]

    def read(self, load: Load) -> Loaded:
        """Return the answer to `load`: the entries that exist, cut at its limit but not before the first."""
        first_place = load.first - self.base.index - 1
        held = self.entries[first_place : load.last - self.base.index] if first_place >= 0 else []
        return Loaded(load.reader, load.first, cut(held, load.max_bytes))
