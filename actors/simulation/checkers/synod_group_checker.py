"""The judge of one synod, beside its actors: it sees each register that becomes durable and each letter.

As with Raft, a disk may hold after a crash what it had not confirmed: any one of the registers that were under way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from coterie.actors.driver import Tick
from coterie.actors.paxos.synod_actor import ProposeValue, ReadValue, SynodActor
from coterie.actors.paxos.synod_records import decode_state
from coterie.actors.simulation.checkers.run_checkers import Stand
from coterie.actors.simulation.run_log import Story
from coterie.actors.voter_registration import Remind
from coterie.actors.wire_names import Register, Registered, SynodLetter
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.synod_checker import SynodJudge
from coterie.protocols.faults.kinds.fault_kinds import Role
from coterie.protocols.paxos.synod_config import SynodConfig
from coterie.protocols.paxos.synod_messages import Accept, Chosen, Prepare, Promise, SynodMessage, SynodState
from coterie.runtime.storage.log_store import LogStore

__all__ = ["SynodWatch", "WatchedSynodActor"]


class SynodWatch:
    """Judges one synod, over all lives of its nodes. The arguments are those of `RaftWatch`."""

    def __init__(
        self, name: str, members: Sequence[str], stand: Stand, shows: Callable[[Role, str], None], story: Story
    ) -> None:
        self.name = name
        self.members = tuple(NodeId(member) for member in members)
        self.judge = SynodJudge(self.members, stand.bench)
        self._stand = stand
        self._shows = shows
        self._story = story
        self._under_way: dict[NodeId, deque[SynodState]] = {member: deque() for member in self.members}
        self._life = dict.fromkeys(self.members, 0)
        self._has_forgotten: dict[str, None] = {}

    def forgot(self, node: str) -> None:
        """Note that the disk of `node` is not what it was: nothing is held against it any more."""
        self._has_forgotten[node] = None

    def ended(self, node: str) -> None:
        """Note that the present life of `node` is over."""

    # --- what the actors tell ---------------------------------------------------------------------------------------

    def started(self, node: NodeId, restored: SynodState) -> int:
        """Judge what a new life of `node` has found on its disk; return the number of that life."""
        self._life[node] += 1
        if node not in self._has_forgotten:
            self._stand.hear(self._recover, node, restored)
            self._stand.hear(self.judge.started, node)
        return self._life[node]

    def asked(self, value: bytes) -> None:
        """Note that somebody wants `value` chosen."""
        self._stand.hear(self.judge.asked, value)

    def submitted(self, node: NodeId, state: SynodState) -> None:
        """Note that a register is on its way to the disk."""
        self._under_way[node].append(state)

    def durable(self, node: NodeId, life: int) -> None:
        """Judge the register that has become durable: the oldest that was under way in `life`."""
        if life == self._life[node] and node not in self._has_forgotten:
            self._stand.hear(self.judge.wrote, node, self._under_way[node].popleft())

    def sent(self, node: NodeId, to: str, message: SynodMessage) -> None:
        """Judge a letter that leaves; letters to oneself show on the disk."""
        if node in self._has_forgotten:
            return
        if to != node:
            self._stand.hear(self.judge.sent, node, message)
        role = _shown(message)
        if role is not None:
            self._shows(role, node)

    def arrived(self, node: NodeId, sender: str, message: SynodMessage) -> None:
        """Note a letter that arrives."""
        if self._story.is_whole:
            self._story.tell(node, f"from {sender}", message)

    def observed(self, node: NodeId, event: str, facts: object) -> None:
        """Note what the algorithm tells."""
        self._story.tell(node, event, facts)

    def answered(self, node: NodeId, value: bytes | None, was_chosen: bytes | None) -> None:
        """Judge an answer; `was_chosen` is what was chosen when the request came."""
        if node not in self._has_forgotten:
            self._stand.hear(lambda: self.judge.answered(node, value, was_chosen=was_chosen))

    def _recover(self, node: NodeId, restored: SynodState) -> None:
        states, self._under_way[node] = tuple(self._under_way[node]), deque()
        if restored == self.judge.disk(node):
            return
        if restored not in states:
            detail = f"recovers {restored}, but had made durable {self.judge.disk(node)}, under way were {states}"
            self._stand.bench.fail("storage.recovered", node, detail)
        for state in states[: states.index(restored) + 1]:
            self.judge.wrote(node, state)


class WatchedSynodActor(SynodActor):
    """A `SynodActor` that tells a `SynodWatch` what it does."""

    def __init__(self, watch: SynodWatch, name: str, config: SynodConfig, store: LogStore) -> None:
        super().__init__(name, config, store)
        self._watch = watch
        self._life = 0
        self._chosen_before: dict[int, bytes | None] = {}

    async def on_start(self) -> None:
        """Tell what is on the disk, and begin."""
        state = await self._store.state(self._name)
        restored = SynodState() if state.register is None else decode_state(state.register)
        self._life = self._watch.started(NodeId(self.context.system.node), restored)
        await super().on_start()

    def receive(self, msg: ProposeValue | ReadValue | SynodLetter | Tick | Register | Registered | Remind, /) -> None:
        """Tell what is asked, and do as always."""
        if isinstance(msg, ProposeValue):
            self._watch.asked(msg.value)
        super().receive(msg)
        if isinstance(msg, ProposeValue | ReadValue):
            self._chosen_before[max(self._later_by_ref)] = self._watch.judge.chosen

    def persist(self, write: SynodState, done: Callable[[], None]) -> None:
        """Do as always, and tell when it was submitted and when it is durable."""

        def durable() -> None:
            self._watch.durable(self._node, self._life)
            done()

        self._watch.submitted(self._node, write)
        super().persist(write, durable)

    def send(self, to: str, message: SynodMessage) -> None:
        """Tell, and do as always."""
        self._watch.sent(self._node, to, message)
        super().send(to, message)

    def observed(self, event: str, facts: Any) -> None:
        """Do as always, and tell."""
        self._watch.observed(self._node, event, facts)
        super().observed(event, facts)

    def _letter(self, letter: SynodLetter) -> None:
        self._watch.arrived(self._node, letter.sender, letter.body)
        super()._letter(letter)

    def perform(self, effect: Chosen) -> Any:
        """Tell the answer, and give it."""
        self._watch.answered(self._node, effect.value, self._chosen_before.pop(effect.ref, None))
        super().perform(effect)


def _shown(message: SynodMessage) -> Role | None:
    match message:
        case Accept():
            return Role.LEADER
        case Prepare():
            return Role.CANDIDATE
        case Promise():
            return Role.VOTER
        case _:
            return None
