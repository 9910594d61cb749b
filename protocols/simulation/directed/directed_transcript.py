"""`rerun_transcript`: runs a directed schedule that is written as text, and writes below each line what the nodes do.

A transcript has three kinds of lines:

    # A comment, such as the claim that the transcript shows; blank lines are free, too.
    deliver n1 -> n2
        n2 gets AppendEntries from n1
        n2 writes entries=[2@1 x]

A line that begins with a word is an input: one step of a `DirectedGroup`. The lines below it with four blanks in front
are the output: the events that nodes take and what they do then, in order. `    -` means that nothing happens. A
message is shown where it leaves: after the write that it must wait for.

| input | step |
| --- | --- |
| `disk n1 1 1 2 term=3 voted_for=n2` | before `group`: the disk of n1 has entries of these terms (and this register) |
| `group 3`, `group 3 max_append_entries=1` | start n1, n2, n3 (with these settings of `RaftConfig`, whole numbers) |
| `tick n1` | let time pass until n1 is due, and tick it |
| `wait 0.2` | let 0.2 s pass |
| `deliver` | deliver all messages that are in flight |
| `deliver n1 -> n2`, `deliver -> n2`, `deliver n1 -> PreVote` | deliver those between these nodes, and of this class |
| `drop`, with the same words | lose them |
| `sync n1` | the writes of n1 become durable |
| `work n1` | n1 syncs, loads entries, applies, reads and stores chunks |
| `settle`, `settle n1 n2` | all (or these) work and exchange messages until nothing is left; other messages are lost |
| `elect n1`, `elect n1 n2` | n1 becomes leader with the votes of all (or these); others are cut off meanwhile |
| `heartbeat n1`, `heartbeat n1 n1 n2` | n1 sends heartbeats, and settles with all (or with these) |
| `propose n1 x y` | propose the commands x and y in one batch |
| `read n1` | request a read |
| `transfer n1 n2`, `transfer n1` | let n1 hand over to n2 (or to any) |
| `join n4`, `join n3/2` | start a store that is no member yet |
| `change n1 add-voter n4` (`add-learner`, `promote`, `remove`), `change n1 replace n3 n3/2` | change the members |
| `snapshot n1`, `snapshot n1 2` | n1 takes a snapshot of what it has applied, and keeps no (2) entries before it |
| `crash n1`, `crash n1 1` | n1 stops; of its unsynced writes none (the first) has reached the disk |
| `restart n1` | n1 starts again from its disk |
| `state` | show role, term, durable log and indexes of each node |
| `quietly …` | any of these, without its output |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict

from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.raft_disk import RaftDisk
from coterie.protocols.raft import raft_messages
from coterie.protocols.raft.membership.member_changes import (
    AddLearner,
    AddVoter,
    MemberChange,
    Promote,
    Remove,
    ReplaceStore,
)
from coterie.protocols.raft.membership.membership import StoreId
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_effects import RaftEffect, RaftEvent
from coterie.protocols.raft.raft_messages import RaftMessage
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.effect_lines import EffectLines
from coterie.protocols.simulation.directed.raft_shorthand import disk_of
from coterie.protocols.simulation.hearing_raft import node_of_store

__all__ = ["INDENT", "TranscriptError", "rerun_transcript"]

INDENT = "    "
"""What every output line begins with."""

NOTHING = "-"
QUIETLY = "quietly"
ARROW = "->"

Arguments = Sequence[str]


class _Selection(TypedDict):
    sender: str | None
    to: str | None
    kind: type[RaftMessage] | None


class TranscriptError(ValueError):
    """An input line cannot be carried out; the error has its number and text."""


def rerun_transcript(text: str) -> str:
    """Return `text` with the outputs that its inputs have now; comments and blank lines stay.

    Raises:
        TranscriptError: an input line is wrong.
    """
    player = _Player()
    lines: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(INDENT):
            continue
        lines.append(line.rstrip())
        if line.strip() and not line.startswith("#"):
            lines += [f"{INDENT}{output}" for output in _outputs_of(player, number, line)]
    return "\n".join(lines) + "\n"


def _outputs_of(player: _Player, number: int, line: str) -> list[str]:
    words = line.split()
    is_quiet = words[0] == QUIETLY
    try:
        outputs = player.play(words[is_quiet:])
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        raise TranscriptError(f"line {number}, {line.strip()!r}: {error}") from error
    return [] if is_quiet else outputs


class _Player:
    """Carries out input lines, one by one."""

    def __init__(self) -> None:
        self._disks: dict[str, RaftDisk] = {}
        self._group: DirectedGroup | None = None
        self._effect_lines = EffectLines()
        self._outputs: list[str] = []
        self._steps: Mapping[str, Callable[[Arguments], object]] = {
            "change": self._change,
            "crash": lambda words: self.group.crash(words[0], surviving_writes=int(words[1]) if words[1:] else 0),
            "deliver": lambda words: self.group.deliver(**_selection(words)),
            "disk": self._disk,
            "drop": self._drop,
            "elect": lambda words: self.group.elect(*words),
            "group": self._begin,
            "heartbeat": lambda words: self.group.heartbeat(*words),
            "join": self._join,
            "propose": lambda words: self.group.propose(words[0], *(word.encode() for word in words[1:])),
            "read": lambda words: self.group.read(words[0]),
            "restart": lambda words: self.group.restart(words[0]),
            "settle": lambda words: self.group.settle(*words),
            "snapshot": lambda words: self.group.take_snapshot(words[0], trailing=int(words[1]) if words[1:] else 0),
            "state": self._state,
            "sync": lambda words: self.group.sync(words[0]),
            "tick": lambda words: self.group.tick(words[0]),
            "transfer": lambda words: self.group.transfer(*words),
            "wait": self._wait,
            "work": lambda words: self.group.work(words[0]),
        }

    @property
    def group(self) -> DirectedGroup:
        """The group. ValueError before `group`."""
        if self._group is None:
            raise ValueError("there is no group yet: begin with the line 'group 3'")
        return self._group

    def play(self, words: Arguments) -> list[str]:
        """Carry out one input line; return its outputs."""
        if not words or words[0] not in self._steps:
            raise ValueError(f"there is no step {' '.join(words[:1])!r}, only: {', '.join(self._steps)}")
        self._outputs = []
        try:
            self._steps[words[0]](words[1:])
        except InvariantViolated as error:
            self._outputs.append(f"raises InvariantViolated: {error}")
        shows_nothing = words[0] in ("disk", "group", "join", "wait")
        return self._outputs or ([] if shows_nothing else [NOTHING])

    def _listen(self, node: NodeId, item: RaftEvent | RaftEffect) -> None:
        line = self._effect_lines.line(node, item)
        if line is not None:
            self._outputs.append(line)

    # Steps.

    def _disk(self, words: Arguments) -> None:
        options = dict(word.split("=", 1) for word in words if "=" in word)
        terms = [int(word) for word in words[1:] if "=" not in word]
        term = int(options["term"]) if "term" in options else None
        self._disks[words[0]] = disk_of(*terms, term=term, voted_for=options.get("voted_for"))

    def _begin(self, words: Arguments) -> None:
        options: dict[str, Any] = {name: int(value) for name, value in (word.split("=", 1) for word in words[1:])}
        self._group = DirectedGroup(
            int(words[0]), disks=self._disks, config=lambda voters: replace(RaftConfig(voters), **options)
        )
        for node in self._group.nodes:
            self._effect_lines.begin(node, self._group.record(node).disk.hard_state)
        self._group.listener = self._listen

    def _drop(self, words: Arguments) -> None:
        self._outputs += [f"{type(message).__name__} is lost" for message in self.group.drop(**_selection(words))]

    def _wait(self, words: Arguments) -> None:
        self.group.now += float(words[0])

    def _join(self, words: Arguments) -> None:
        self.group.join(words[0])
        self._effect_lines.begin(NodeId(words[0]), self.group.record(words[0]).disk.hard_state)

    def _change(self, words: Arguments) -> None:
        self.group.change(words[0], _change_of(words[1:]))

    def _state(self, _words: Arguments) -> None:
        for node, record in self.group.nodes.items():
            log = f"log [{' '.join(map(str, record.disk.terms))}] after {record.disk.base.index}"
            if record.raft is None:
                self._outputs.append(f"{node} is down: {log}")
                continue
            raft = record.raft
            ends = f"last {raft.last_index}, commit {raft.commit_index}, applied {raft.applied_index}"
            self._outputs.append(f"{node} {raft.role.value} in term {raft.term}, leader {raft.leader}: {log}, {ends}")


def _change_of(words: Arguments) -> MemberChange:
    kind, node = words[0], NodeId(words[1])
    match kind:
        case "add-learner":
            return AddLearner(node_of_store(node), StoreId(node))
        case "add-voter":
            return AddVoter(node_of_store(node), StoreId(node))
        case "promote":
            return Promote(node)
        case "remove":
            return Remove(node)
        case "replace":
            return ReplaceStore(node, StoreId(words[2]))
        case _:
            raise ValueError(f"there is no change {kind!r}: add-learner, add-voter, promote, remove, replace")


def _selection(words: Arguments) -> _Selection:
    """Return the arguments of `deliver`: [sender] [-> [receiver]] [class]."""
    rest = list(words)
    kind: type[RaftMessage] | None = None
    if rest and rest[-1][0].isupper():
        kind = getattr(raft_messages, rest.pop(), None)
        if kind is None:
            raise ValueError(f"there is no message {words[-1]!r}")
    if not rest:
        return {"sender": None, "to": None, "kind": kind}
    if ARROW not in rest:
        raise ValueError(f"{' '.join(rest)!r} is no pair of nodes: write n1 -> n2, n1 -> or -> n2")
    place = rest.index(ARROW)
    before, after = rest[:place], rest[place + 1 :]
    return {"sender": before[0] if before else None, "to": after[0] if after else None, "kind": kind}
