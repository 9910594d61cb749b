"""What this node has written: the register, the writes under way, and what they prove once they are durable.

The rule of the seam is that nothing leaves ahead of its durability. The journal is where a message learns which write
it must wait for, and where the leader learns how far its own disk counts.
"""

from __future__ import annotations

from collections import deque

from coterie.protocols.algorithm import NodeId, Persist, Token
from coterie.protocols.raft.raft_messages import HardState, LogWrite, Restored
from coterie.protocols.replicated_log import Entry, LogIndex, Term

__all__ = ["Journal"]


class _Write:
    """One write: what it changes, and up to where it will prove the log durable (0: nothing)."""

    __slots__ = ("entries", "hard_state", "proves", "token", "truncate_from")

    def __init__(self, token: Token) -> None:
        self.token = token
        self.hard_state: HardState | None = None
        self.truncate_from: LogIndex | None = None
        self.entries: list[Entry] = []
        self.proves = LogIndex(0)

    def seal(self) -> Persist[LogWrite]:
        """Return the effect; only what is needed to understand its answer is kept."""
        entries = tuple(self.entries)
        self.entries = []
        return Persist(self.token, LogWrite(self.hard_state, self.truncate_from, entries))


class Journal:
    """The register and the writes of one life.

    What one call changes becomes as few writes as keep their meaning: a register is never replaced, and an entry never
    dropped, within the write that brought it.
    """

    __slots__ = (
        "_durable_token",
        "_last_token",
        "_register_token",
        "_under_way",
        "_unsealed",
        "durable_index",
        "register",
    )

    def __init__(self, restored: Restored) -> None:
        self.register = restored.hard_state
        self.durable_index = restored.last_index
        """Every entry up to here is durable on this node, with the term that the log now has there."""
        self._durable_token = Token(0)
        self._register_token = Token(0)
        self._last_token = Token(0)
        self._under_way: deque[_Write] = deque()
        self._unsealed: list[_Write] = []

    # Writing.

    def set_register(self, term: Term, voted_for: NodeId | None) -> None:
        """Write term and vote together (one register: hashicorp/raft #661 shows what two writes cost)."""
        write = self._unsealed[-1] if self._unsealed else self._begin()
        if write.hard_state is not None or write.truncate_from is not None or write.entries:
            write = self._begin()
        self.register = write.hard_state = HardState(term, voted_for)
        self._register_token = write.token

    def append(self, entry: Entry) -> None:
        """Write `entry`, which continues the log."""
        write = self._unsealed[-1] if self._unsealed else self._begin()
        write.entries.append(entry)
        write.proves = entry.index

    def truncate_from(self, index: LogIndex) -> None:
        """Write that `index` and all after it are dropped."""
        write = self._unsealed[-1] if self._unsealed else self._begin()
        if write.truncate_from is not None or write.entries:
            write = self._begin()
        self._disprove_from(index)
        write.truncate_from = index
        write.proves = LogIndex(index - 1)

    def seal(self) -> list[Persist[LogWrite]]:
        """Return the writes since the last call, in order."""
        if not self._unsealed:
            return []
        sealed = [write.seal() for write in self._unsealed]
        self._unsealed = []
        return sealed

    # What is durable.

    def persisted(self, token: Token) -> None:
        """Take note that all writes up to `token` are durable."""
        if token > self._durable_token:
            self._durable_token = token
        under_way = self._under_way
        while under_way and under_way[0].token <= token:
            proved = under_way.popleft().proves
            if proved > self.durable_index:
                self.durable_index = proved

    @property
    def is_register_durable(self) -> bool:
        """Whether the present term and vote would survive a crash."""
        return self._register_token <= self._durable_token

    def after_register(self) -> Token | None:
        """Return the write that a message of the present term must wait for; None: it is durable."""
        token = self._register_token
        return None if token <= self._durable_token else token

    def after_entries(self, index: LogIndex) -> Token | None:
        """Return the write that an acknowledgement of all entries up to `index` must wait for; None: durable."""
        return self._last_token if index > self.durable_index else self.after_register()

    def _begin(self) -> _Write:
        self._last_token = Token(self._last_token + 1)
        write = _Write(self._last_token)
        self._unsealed.append(write)
        self._under_way.append(write)
        return write

    def _disprove_from(self, index: LogIndex) -> None:
        """Let no earlier write prove anything at or after `index`: it is being overwritten (etcd raft PR #8).

        Comparing the term of the last entry when the answer comes would not do: the same entry may be dropped and come
        back, while the write that brings it back is still under way.
        """
        last_kept = LogIndex(index - 1)
        self.durable_index = min(self.durable_index, last_kept)
        for write in self._under_way:
            write.proves = min(write.proves, last_kept)
