"""`Durability`: collects one node's writes of term, vote and log, and decides which write each message must wait for.

No message leaves before the write that it depends on is durable: this module decides which write that is, and how far
the leader may count its own disk.
"""

from __future__ import annotations

from collections import deque

from coterie.protocols.algorithm import NodeId, Persist, Token
from coterie.protocols.raft.membership.group_facts import GroupFacts, changes_facts
from coterie.protocols.raft.raft_messages import HardState, LogWrite, Restored
from coterie.protocols.replicated_log import ENTRY_OVERHEAD_BYTES, Entry, EntryKind, LogIndex, Term

__all__ = ["Durability"]

NO_LIMIT = 1 << 63


class _Write:
    """One write: its changes, and the index up to which it will prove the log durable (0: nothing)."""

    __slots__ = (
        "changes_facts",
        "command_bytes",
        "drop_before",
        "entries",
        "entry_count",
        "hard_state",
        "proves",
        "token",
        "truncate_from",
    )

    def __init__(self, token: Token) -> None:
        self.token = token
        self.hard_state: HardState | None = None
        self.truncate_from: LogIndex | None = None
        self.drop_before: LogIndex | None = None
        self.entries: list[Entry] = []
        self.changes_facts = False
        """Whether one of the entries changes the facts of the group."""
        self.entry_count = 0
        self.command_bytes = 0
        self.proves = LogIndex(0)

    def seal(self) -> Persist[LogWrite]:
        """Return the effect, and keep only what its answer will need."""
        entries = tuple(self.entries)
        self.entries = []
        self.entry_count, self.command_bytes = len(entries), sum([len(entry.command) for entry in entries])
        return Persist(self.token, LogWrite(self.hard_state, self.truncate_from, entries, self.drop_before))


class Durability:
    """The hard state and the writes of one life.

    The changes of one call become as few writes as keep their meaning and their size: no write replaces a hard state or
    drops an entry that it contains itself. If the entries of one call take several writes, a crash may keep the first
    of them: a log that ends earlier.

    Args:
        restored: what the disk held.
        max_write_bytes: the most that the entries of one write take, `ENTRY_OVERHEAD_BYTES` for each included.
    """

    # `append` runs for every entry, on every node: sizes are counted there as cheaply as possible, the rest in `seal`.

    __slots__ = (
        "_durable_token",
        "_hard_state_token",
        "_last_token",
        "_max_write_bytes",
        "_room_bytes",
        "_under_way",
        "_unsealed",
        "durable_index",
        "hard_state",
        "undurable_bytes",
        "undurable_entries",
    )

    def __init__(self, restored: Restored, *, max_write_bytes: int = NO_LIMIT) -> None:
        self._max_write_bytes = max_write_bytes
        self._room_bytes = 0  # in the last write that is not sealed
        hard_state = restored.hard_state
        # A write may be carried out in parts, the register first: its facts count only as far as the log goes.
        facts = hard_state.facts.truncated_from(LogIndex(restored.last_index + 1))
        self.hard_state = HardState(hard_state.term, hard_state.voted_for, facts)
        self.durable_index = restored.last_index
        """Every entry up to here is durable on this node, with the term that the log now has there."""
        self._durable_token = Token(0)
        self._hard_state_token = Token(0)
        self._last_token = Token(0)
        self._under_way: deque[_Write] = deque()
        self._unsealed: list[_Write] = []
        self.undurable_entries = 0
        """How many entries are in sealed writes that are not durable: they are in memory, truncated or not."""
        self.undurable_bytes = 0
        """The size of the commands of those entries."""

    # Writing.

    def set_hard_state(self, term: Term, voted_for: NodeId | None) -> None:
        """Write term and vote together (one write: hashicorp/raft #661 shows the cost of two)."""
        write = self._present()
        if write.hard_state is not None or write.truncate_from is not None or write.entries:
            write = self._begin()
        self.hard_state = write.hard_state = HardState(term, voted_for, self.hard_state.facts)
        self._hard_state_token = write.token

    def append(self, entry: Entry) -> None:
        """Write `entry`, which continues the log, and the facts that it changes. ValueError if it is malformed."""
        write = self._present()
        self._room_bytes -= len(entry.command) + ENTRY_OVERHEAD_BYTES
        if self._room_bytes < 0:
            write = self._begin_after(write, entry)
        if entry.kind is not EntryKind.COMMAND and changes_facts(entry):
            if write.changes_facts:
                write = self._begin()  # if a part of a write should ever be lost, the last facts but one are not
            write.changes_facts = True
            self._set_facts(write, self.hard_state.facts.with_entry(entry))
        write.entries.append(entry)
        write.proves = entry.index

    def truncate_from(self, index: LogIndex) -> None:
        """Write that `index` and all after it are dropped."""
        write = self._present()
        if write.truncate_from is not None or write.entries:
            write = self._begin()
        self._disprove_from(index)
        self._set_facts(write, self.hard_state.facts.truncated_from(index))
        write.truncate_from = index
        write.proves = LogIndex(index - 1)

    def compact(self, facts: GroupFacts, first_index: LogIndex, *, truncate_from: LogIndex | None = None) -> None:
        """Write that a snapshot, which `facts` name, takes the place of all entries before `first_index`.

        `truncate_from`: the first entry of a log that does not agree with the snapshot: all of it is dropped.
        """
        write = self._begin()
        if truncate_from is not None:
            self._disprove_from(truncate_from)
            write.truncate_from = truncate_from
        write.drop_before = first_index
        write.proves = LogIndex(first_index - 1)
        self._set_facts(write, facts)

    def commit_schema(self, index: LogIndex) -> None:
        """Write that the schema entry at `index` is committed, unless that is written."""
        facts = self.hard_state.facts.with_committed_schema(index)
        if facts is not self.hard_state.facts:
            self._set_facts(self._present(), facts)

    def seal(self) -> list[Persist[LogWrite]]:
        """Return the writes since the last call, in order."""
        if not self._unsealed:
            return []
        sealed = [write.seal() for write in self._unsealed]
        for write in self._unsealed:
            self.undurable_entries += write.entry_count
            self.undurable_bytes += write.command_bytes
        self._unsealed = []
        return sealed

    # Durable so far.

    def persisted(self, token: Token) -> None:
        """Note that all writes up to `token` are durable."""
        if token > self._durable_token:
            self._durable_token = token
        under_way = self._under_way
        while under_way and under_way[0].token <= token:
            write = under_way.popleft()
            self.undurable_entries -= write.entry_count
            self.undurable_bytes -= write.command_bytes
            if write.proves > self.durable_index:
                self.durable_index = write.proves

    def has_room(self, *, max_entries: int, max_bytes: int) -> bool:
        """Return whether more may wait for this disk: while it stalls, others commit without it (dissertation §10.2.1).

        What was taken in the same call is not counted: so at most twice the limit waits.
        """
        return self.undurable_entries < max_entries and self.undurable_bytes < max_bytes

    @property
    def is_hard_state_durable(self) -> bool:
        """Whether the present term and vote would survive a crash."""
        return self._hard_state_token <= self._durable_token

    def after_hard_state(self) -> Token | None:
        """Return the write that a message of the present term must wait for; None: it is durable."""
        token = self._hard_state_token
        return None if token <= self._durable_token else token

    def after_entries(self, index: LogIndex) -> Token | None:
        """Return the write that an acknowledgement of all entries up to `index` must wait for; None: durable."""
        return self._last_token if index > self.durable_index else self.after_hard_state()

    def _present(self) -> _Write:
        """Return the write for the next change: nothing follows in one that drops the head of the log."""
        unsealed = self._unsealed
        return unsealed[-1] if unsealed and unsealed[-1].drop_before is None else self._begin()

    def _begin_after(self, write: _Write, entry: Entry) -> _Write:
        """Return a new write for `entry`, unless `write` has no other: what is too large for any has one of its own."""
        if write.entries:
            write = self._begin()
            self._room_bytes -= len(entry.command) + ENTRY_OVERHEAD_BYTES
        return write

    def _set_facts(self, write: _Write, facts: GroupFacts) -> None:
        """Let the facts change together with the log: a write has them as they are at its end."""
        present = self.hard_state
        if facts is not present.facts:
            self.hard_state = write.hard_state = HardState(present.term, present.voted_for, facts)

    def _begin(self) -> _Write:
        self._last_token = Token(self._last_token + 1)
        write = _Write(self._last_token)
        self._unsealed.append(write)
        self._under_way.append(write)
        self._room_bytes = self._max_write_bytes
        return write

    def _disprove_from(self, index: LogIndex) -> None:
        """Let no earlier write prove anything at or after `index`: it is being overwritten (etcd raft PR #8).

        Comparing the term of the last entry when the answer comes is not enough: the same entry may be dropped and come
        back, while the write that brings it back is still in progress.
        """
        last_kept = LogIndex(index - 1)
        self.durable_index = min(self.durable_index, last_kept)
        for write in self._under_way:
            write.proves = min(write.proves, last_kept)
