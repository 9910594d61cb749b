"""The judge of one Raft group, beside its actors: it sees each write, each letter and each entry.

    WatchedRaftActor ─▶ RaftWatch ─▶ RaftJudge
    a RaftActor that     what no life of a node knows: which writes were
    tells what it does   on their way to the disk when the node crashed

After a crash a disk may hold more than it had confirmed: some of the writes that were under way, the earlier ones
first. What a node recovers must be one of these states: anything else was invented, or was lost though durable.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from coterie.actors.groups.raft_actor import RaftActor
from coterie.actors.groups.raft_records import restored_from
from coterie.actors.simulation.checkers.run_checkers import Stand
from coterie.actors.simulation.run_log import Story
from coterie.actors.wire_names import RaftLetter
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.raft_checker import RaftJudge
from coterie.protocols.checking.raft_disk import RaftDisk
from coterie.protocols.faults.kinds.fault_kinds import Role
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_messages import (
    LogWrite,
    RaftMessage,
    Restored,
)
from coterie.protocols.raft.role import Role as Standing
from coterie.protocols.replicated_log import Applied, Apply, Entry, Term
from coterie.protocols.sessions import Machine
from coterie.protocols.simulation.scenarios.raft_run import role_shown_by
from coterie.runtime.storage.log_store import LogStore

__all__ = ["RaftWatch", "WatchedRaftActor"]


class RaftWatch:
    """Judges one group, over all lives of its nodes.

    Args:
        group: its name.
        voters: its nodes.
        stand: where its judge sits.
        shows: is called with a role and a node whenever a node shows itself in that role.
        story: where it is told what happens.
    """

    def __init__(
        self, group: str, voters: Sequence[str], stand: Stand, shows: Callable[[Role, str], None], story: Story
    ) -> None:
        self.group = group
        self.voters = tuple(NodeId(voter) for voter in voters)
        self.judge = RaftJudge(self.voters, stand.bench)
        self.term_led_by: dict[str, Term] = {}
        """Who takes himself for a leader now, and of which term."""
        self._stand = stand
        self._shows = shows
        self._story = story
        self._under_way: dict[NodeId, deque[LogWrite]] = {voter: deque() for voter in self.voters}
        self._life = dict.fromkeys(self.voters, 0)
        self._has_forgotten: dict[str, None] = {}

    @property
    def leader(self) -> str | None:
        """Who leads, by the latest term; None if nobody takes himself for a leader."""
        return max(self.term_led_by, key=lambda node: self.term_led_by[node], default=None)

    def has_converged(self, node: str) -> bool:
        """Return whether `node` has applied all that is committed, and holds nothing else."""
        length = len(self.judge.committed)
        voter = NodeId(node)
        return self.judge.applied_index(voter) == length == self.judge.disk(voter).last_index

    def forgot(self, node: str) -> None:
        """Note that the disk of `node` is not what it was: it is no voter any more, and nothing is held against it."""
        self._has_forgotten[node] = None
        self.ended(node)

    def ended(self, node: str) -> None:
        """Note that the present life of `node` is over."""
        self.term_led_by.pop(node, None)

    # --- what the actors tell ---------------------------------------------------------------------------------------

    def started(self, node: NodeId, restored: Restored) -> int:
        """Judge what a new life of `node` has found on its disk; return the number of that life."""
        self._life[node] += 1
        self.ended(node)
        if node not in self._has_forgotten:
            self._stand.hear(self._recover, node, restored)
            self._stand.hear(self.judge.started, node)
        return self._life[node]

    def submitted(self, node: NodeId, write: LogWrite) -> None:
        """Note that a write is on its way to the disk."""
        self._under_way[node].append(write)

    def durable(self, node: NodeId, life: int) -> None:
        """Judge the write that has become durable: the oldest that was under way in `life`."""
        if life == self._life[node] and node not in self._has_forgotten:
            self._stand.hear(self.judge.wrote, node, self._under_way[node].popleft())

    def sent(self, node: NodeId, to: str, message: RaftMessage) -> None:
        """Judge a letter that leaves."""
        if node not in self._has_forgotten:
            self._stand.hear(self.judge.sent, node, NodeId(to), message)
            role = role_shown_by(message)
            if role is not None:
                self._shows(role, node)

    def arrived(self, node: NodeId, sender: str, message: RaftMessage) -> None:
        """Note a letter that arrives."""
        if self._story.is_whole:
            self._story.tell(node, f"from {sender}", message)

    def observed(self, node: NodeId, event: str, facts: object) -> None:
        """Note what the algorithm tells."""
        self._story.tell(node, event, facts)

    def applied(self, node: NodeId, entries: Sequence[Entry]) -> None:
        """Judge entries that the state machine is given."""
        if node not in self._has_forgotten:
            self._stand.hear(self._judge_applied, node, entries)

    def _judge_applied(self, node: NodeId, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self.judge.applied(node, entry)

    def visited(self, node: NodeId, standing: Standing, term: Term) -> None:
        """Judge who takes himself for a leader."""
        if standing is not Standing.LEADER:
            self.term_led_by.pop(node, None)
        elif self.term_led_by.get(node) != term and node not in self._has_forgotten:
            self.term_led_by[node] = term
            self._stand.hear(self.judge.led, node, term)

    def _recover(self, node: NodeId, restored: Restored) -> None:
        """Tell the judge of the writes that reached the disk although nobody was told."""
        image, under_way = _copy(self.judge.disk(node)), self._under_way[node]
        writes, self._under_way[node] = tuple(under_way), deque()
        reached = 0 if _is_like(image, restored) else None
        for count, write in enumerate(writes, 1):
            image.write(write)
            if _is_like(image, restored):
                reached = count
        if reached is None:
            disk = self.judge.disk(node)
            detail = f"recovers {restored}, but had made durable {disk.restored()}, with {len(writes)} writes under way"
            self._stand.bench.fail("storage.recovered", node, detail)
        for write in writes[:reached]:
            self.judge.wrote(node, write)


class WatchedRaftActor(RaftActor):
    """A `RaftActor` that tells a `RaftWatch` what it does."""

    def __init__(
        self, watch: RaftWatch, group: str, config: RaftConfig, machine: Callable[[], Machine], store: LogStore
    ) -> None:
        super().__init__(group, config, machine, store)
        self._watch = watch
        self._life = 0

    async def on_start(self) -> None:
        """Tell what is on the disk, and begin."""
        state = await self._store.state(self._group)
        self._life = self._watch.started(NodeId(self.context.system.node), restored_from(state))
        await super().on_start()

    def on_visit_end(self) -> None:
        """Do as always, and tell who leads."""
        super().on_visit_end()
        self._watch.visited(self._node, self._raft.role, self._raft.term)

    def persist(self, write: LogWrite, done: Callable[[], None]) -> None:
        """Do as always, and tell when it was submitted and when it is durable."""

        def durable() -> None:
            self._watch.durable(self._node, self._life)
            done()

        self._watch.submitted(self._node, write)
        super().persist(write, durable)

    def send(self, to: str, message: RaftMessage) -> None:
        """Tell, and do as always."""
        self._watch.sent(self._node, to, message)
        super().send(to, message)

    def observed(self, event: str, facts: Any) -> None:
        """Do as always, and tell."""
        self._watch.observed(self._node, event, facts)
        super().observed(event, facts)

    def _letter(self, letter: RaftLetter) -> None:
        self._watch.arrived(self._node, letter.sender, letter.body)
        super()._letter(letter)

    def _apply(self, effect: Apply) -> Applied:
        self._watch.applied(self._node, effect.entries)
        return super()._apply(effect)


def _copy(disk: RaftDisk) -> RaftDisk:
    twin = RaftDisk()
    twin.hard_state, twin.entries = disk.hard_state, list(disk.entries)
    return twin


def _is_like(image: RaftDisk, restored: Restored) -> bool:
    return image.restored() == restored
