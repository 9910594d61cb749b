"""The judge of an actor runtime: what was sent against what was handled, by events that any runtime can tell.

| invariant | broken when |
| --- | --- |
| `runtime.invented` | an actor handles a message that nobody told it, or somebody else's |
| `runtime.at_most_once` | an actor handles a message twice |
| `runtime.order` | a message overtakes an earlier one of the same sender, receiver and lane |
| `runtime.one_at_a_time` | an actor begins with a message before it is through with the one before |
| `runtime.after_stop` | an actor that has stopped, or whose node has crashed, handles or restarts |
| `runtime.control_starved` | a message of the first lane waits while more than `patience` others are handled |
| `runtime.mailbox_bounded` | more messages wait in a mailbox than it may hold |
| `runtime.ask_resolved_once` | an ask is resolved twice, or was never asked |
| `runtime.ask_resolved` | at the end, an ask of a living asker was never resolved |
| `runtime.restart_budget` | an actor is restarted more often than its supervision allows |
| `runtime.watch_once` | a watcher is told of one end twice, or of what it does not watch |
| `runtime.watch_fired` | at the end, a living watcher was never told of the end of what it watches |
| `runtime.nothing_left` | something is left after a shutdown |

Lossy by contract (at most once): that a message is never handled breaks nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NoReturn

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import Bench

__all__ = ["CONTROL", "RuntimeJudge"]

CONTROL = 0
"""The lane that is served first; the others are higher numbers."""

PATIENCE = 64


class RuntimeJudge:
    """Judges actors by their names, which must be unique for ever: a restart keeps it, a new life is a new actor.

    Tell it everything in the order in which it happens; `bench` says when. An actor must be `spawned` first.
    `patience`: how many other messages may be handled while one of the control lane waits.
    """

    def __init__(self, bench: Bench, *, patience: int = PATIENCE) -> None:
        self._bench = bench
        self._patience = patience
        self._actors: dict[str, _Actor] = {}
        self._streams: dict[tuple[str, str, int], _Stream] = {}
        self._asks: dict[object, str] = {}
        self._resolved: dict[object, None] = {}
        self._watches: dict[tuple[str, str], bool] = {}

    def spawned(
        self, actor: str, *, mailbox: int | None = None, restarts: int | None = None, within_s: float = 0.0
    ) -> None:
        """Note a new actor: how many messages may wait for it, how often it may be restarted within how long."""
        self._actors[actor] = _Actor(mailbox, restarts, within_s)

    def told(self, sender: str, receiver: str, lane: int, number: int) -> None:
        """Note that `sender` sends message `number` (rising for each sender, receiver and lane) to `receiver`."""
        self._streams.setdefault((sender, receiver, lane), _Stream()).last_told = number

    def enqueued(self, receiver: str, lane: int) -> None:
        """Judge that a message now waits in the mailbox of `receiver`."""
        actor = self._actors[receiver]
        if lane == CONTROL:
            actor.waiting_control += 1
            return
        actor.waiting += 1
        if actor.mailbox is not None and actor.waiting > actor.mailbox:
            self._fail("mailbox_bounded", receiver, f"{actor.waiting} messages wait, {actor.mailbox} are the most")

    def dropped(self, receiver: str, lane: int) -> None:
        """Note that a message that waited for `receiver` is thrown away (a full mailbox, a stop)."""
        self._actors[receiver].took(lane)

    def handling(self, receiver: str, sender: str, lane: int, number: int) -> None:
        """Judge that `receiver` begins to handle message `number` of `sender`."""
        actor, message = self._actors[receiver], f"message {number} of {sender} in lane {lane}"
        if actor.is_over:
            self._fail("after_stop", receiver, f"{message} is handled after the end")
        if actor.handles is not None:
            self._fail("one_at_a_time", receiver, f"{message} is begun within {actor.handles}")
        actor.handles = message
        actor.took(lane)
        actor.overtaken = actor.overtaken + 1 if lane != CONTROL and actor.waiting_control else 0
        if actor.overtaken > self._patience:
            self._fail("control_starved", receiver, f"{actor.overtaken} others were handled while a control one waits")
        self._check_stream(receiver, sender, lane, number, message)

    def handled(self, actor: str) -> None:
        """Note that `actor` is through with its message, however that ended."""
        self._actors[actor].handles = None

    def asked(self, ask: object, asker: str) -> None:
        """Note that `asker` asks; `ask` is a unique name of this very ask."""
        self._asks[ask] = asker

    def resolved(self, ask: object) -> None:
        """Judge that an ask is resolved: by a reply, an error or a time-out."""
        asker = self._asks.get(ask)
        if asker is None:
            self._fail("ask_resolved_once", "nobody", f"ask {ask} is resolved, but was never asked")
        if ask in self._resolved:
            self._fail("ask_resolved_once", asker, f"ask {ask} is resolved a second time")
        self._resolved[ask] = None

    def restarted(self, actor: str) -> None:
        """Judge that supervision restarts `actor` now."""
        one, now_s = self._actors[actor], self._bench.time_s
        if one.is_over:
            self._fail("after_stop", actor, "it is restarted after its end")
        one.handles = None
        one.restarted_s.append(now_s)
        while one.restarted_s[0] <= now_s - one.within_s < now_s:
            one.restarted_s.popleft()
        if one.restarts is not None and len(one.restarted_s) > one.restarts:
            detail = f"{len(one.restarted_s)} restarts within {one.within_s} s, {one.restarts} are the most"
            self._fail("restart_budget", actor, detail)

    def stopped(self, actor: str) -> None:
        """Note that `actor` is over: it will never handle anything again."""
        self._actors[actor].is_over = True

    def crashed(self, actor: str) -> None:
        """Note that `actor` is over in the middle of whatever it did, together with its node."""
        self.stopped(actor)

    def watched(self, watcher: str, target: str) -> None:
        """Note that `watcher` wants to be told of the end of `target`."""
        self._watches.setdefault((watcher, target), False)

    def unwatched(self, watcher: str, target: str) -> None:
        """Note that `watcher` does not want to be told any more."""
        self._watches.pop((watcher, target), None)

    def terminated(self, watcher: str, target: str) -> None:
        """Judge that `watcher` is told of the end of `target` (its stop, or the loss of its node)."""
        was_told = self._watches.get((watcher, target))
        if was_told is None:
            self._fail("watch_once", watcher, f"it is told of the end of {target}, which it does not watch")
        if was_told:
            self._fail("watch_once", watcher, f"it is told of the end of {target} a second time")
        self._watches[watcher, target] = True

    def shut_down(self, system: str, left: Iterable[str]) -> None:
        """Judge what is left once `system` has shut down: tasks, timers, connections, buffers, by name."""
        names = list(left)
        if names:
            self._fail("nothing_left", system, f"after its shutdown there are left: {', '.join(names)}")

    def ended(self) -> None:
        """Judge the end, when all is quiet: who still waits for an answer, or for news of an end?"""
        for ask, asker in self._asks.items():
            if ask not in self._resolved and not self._is_over(asker):
                self._fail("ask_resolved", asker, f"ask {ask} was never resolved")
        for (watcher, target), was_told in self._watches.items():
            if not was_told and self._is_over(target) and not self._is_over(watcher):
                self._fail("watch_fired", watcher, f"it was never told of the end of {target}")

    def _is_over(self, actor: str) -> bool:
        return actor in self._actors and self._actors[actor].is_over

    def _check_stream(self, receiver: str, sender: str, lane: int, number: int, message: str) -> None:
        stream = self._streams.get((sender, receiver, lane))
        if stream is None or number > stream.last_told:
            self._fail("invented", receiver, f"{message} was never told to it")
        if number in stream.handled:
            self._fail("at_most_once", receiver, f"{message} is handled a second time")
        if number < stream.last_handled:
            self._fail("order", receiver, f"{message} is handled after message {stream.last_handled}")
        stream.handled.add(number)
        stream.last_handled = number

    def _fail(self, what: str, actor: str, detail: str) -> NoReturn:
        self._bench.fail(f"runtime.{what}", NodeId(actor), detail)


class _Actor:
    """What is known of one actor."""

    __slots__ = (
        "handles", "is_over", "mailbox", "overtaken", "restarted_s", "restarts", "waiting", "waiting_control",
        "within_s",
    )  # fmt: skip

    def __init__(self, mailbox: int | None, restarts: int | None, within_s: float) -> None:
        self.mailbox = mailbox
        self.restarts = restarts
        self.within_s = within_s
        self.handles: str | None = None
        self.is_over = False
        self.waiting = 0
        self.waiting_control = 0
        self.overtaken = 0
        self.restarted_s: deque[float] = deque()

    def took(self, lane: int) -> None:
        """Note that one waits less; whoever never tells of `enqueued` is not counted."""
        if lane == CONTROL:
            self.waiting_control = max(0, self.waiting_control - 1)
        else:
            self.waiting = max(0, self.waiting - 1)


class _Stream:
    """The messages of one sender to one receiver in one lane."""

    __slots__ = ("handled", "last_handled", "last_told")

    def __init__(self) -> None:
        self.last_told = -1
        self.last_handled = -1
        self.handled: set[int] = set()
