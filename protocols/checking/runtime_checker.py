"""`RuntimeChecker`: checks an actor runtime: delivery, order, mailbox bounds, answers to asks, restarts and watches.

| invariant | broken when |
| --- | --- |
| `runtime.invented` | an actor handles a message that was never sent to it |
| `runtime.at_most_once` | an actor handles a message twice |
| `runtime.order` | a message overtakes an earlier one of the same sender, receiver and lane |
| `runtime.one_at_a_time` | an actor begins a message before it has finished the previous one |
| `runtime.after_stop` | an actor that has stopped, or whose node has crashed, handles or restarts |
| `runtime.control_starved` | a message of the control lane waits while more than `max_overtaken` others are handled |
| `runtime.mailbox_bounded` | more messages wait in a mailbox than its bound |
| `runtime.ask_resolved_once` | an ask is resolved twice, or was never asked |
| `runtime.ask_resolved` | at the end, an ask was never resolved although its asker still runs |
| `runtime.restart_budget` | an actor is restarted more often than its supervision allows |
| `runtime.watch_once` | a watcher is notified twice of one end, or of the end of an actor that it does not watch |
| `runtime.watch_fired` | at the end, a running watcher was never notified of the end of an actor that it watches |
| `runtime.nothing_left` | tasks, timers, connections or buffers remain after a shutdown |

Delivery is at most once: a message that is never handled breaks no invariant.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NoReturn

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext

__all__ = ["CONTROL", "RuntimeChecker"]

CONTROL = 0
"""The lane that is served first; the others have higher numbers."""

MAX_OVERTAKEN = 64


class RuntimeChecker:
    """Checks actors by name. A name is never used twice: a restart keeps it, a new incarnation needs a new one.

    Report every event in the order in which it happens; `context` supplies the current step and time. An actor must be
    `spawned` first.
    `max_overtaken`: how many other messages may be handled while one of the control lane waits.
    """

    def __init__(self, context: ViolationContext, *, max_overtaken: int = MAX_OVERTAKEN) -> None:
        self._context = context
        self._max_overtaken = max_overtaken
        self._actors: dict[str, _Actor] = {}
        self._streams: dict[tuple[str, str, int], _Stream] = {}
        self._asks: dict[object, str] = {}
        self._resolved: dict[object, None] = {}
        self._watches: dict[tuple[str, str], bool] = {}

    def spawned(
        self, actor: str, *, mailbox: int | None = None, restarts: int | None = None, within_s: float = 0.0
    ) -> None:
        """Note a new actor: its mailbox bound, and how many restarts are allowed within `within_s`."""
        self._actors[actor] = _Actor(mailbox, restarts, within_s)

    def sent(self, sender: str, receiver: str, lane: int, number: int) -> None:
        """Note that `sender` sends message `number` to `receiver`; numbers rise for each sender, receiver and lane."""
        self._streams.setdefault((sender, receiver, lane), _Stream()).last_sent = number

    def enqueued(self, receiver: str, lane: int) -> None:
        """Check the bound of the mailbox of `receiver`, in which one more message now waits."""
        actor = self._actors[receiver]
        if lane == CONTROL:
            actor.waiting_control += 1
            return
        actor.waiting += 1
        if actor.mailbox is not None and actor.waiting > actor.mailbox:
            self._fail("mailbox_bounded", receiver, f"{actor.waiting} messages wait, the bound is {actor.mailbox}")

    def dropped(self, receiver: str, lane: int) -> None:
        """Note that a message that waited for `receiver` is dropped (a full mailbox, a stop)."""
        self._actors[receiver].took(lane)

    def handling(self, receiver: str, sender: str, lane: int, number: int) -> None:
        """Check that `receiver` may begin to handle message `number` of `sender`."""
        actor, message = self._actors[receiver], f"message {number} of {sender} in lane {lane}"
        if actor.is_over:
            self._fail("after_stop", receiver, f"{message} is handled after the end")
        if actor.handles is not None:
            self._fail("one_at_a_time", receiver, f"{message} is begun before {actor.handles} is finished")
        actor.handles = message
        actor.took(lane)
        actor.overtaken = actor.overtaken + 1 if lane != CONTROL and actor.waiting_control else 0
        if actor.overtaken > self._max_overtaken:
            self._fail(
                "control_starved",
                receiver,
                f"{actor.overtaken} other messages were handled while one of the control lane waits",
            )
        self._check_stream(receiver, sender, lane, number, message)

    def handled(self, actor: str) -> None:
        """Note that `actor` has finished its message, with or without an error."""
        self._actors[actor].handles = None

    def asked(self, ask: object, asker: str) -> None:
        """Note that `asker` asks; `ask` is a unique name of this ask."""
        self._asks[ask] = asker

    def resolved(self, ask: object) -> None:
        """Check that an ask may be resolved now, by a reply, an error or a time-out."""
        asker = self._asks.get(ask)
        if asker is None:
            self._fail("ask_resolved_once", "unknown asker", f"ask {ask} is resolved, but was never asked")
        if ask in self._resolved:
            self._fail("ask_resolved_once", asker, f"ask {ask} is resolved a second time")
        self._resolved[ask] = None

    def restarted(self, actor: str) -> None:
        """Check that supervision may restart `actor` now."""
        one, now_s = self._actors[actor], self._context.time_s
        if one.is_over:
            self._fail("after_stop", actor, "it is restarted after its end")
        one.handles = None
        one.restarted_s.append(now_s)
        while one.restarted_s[0] <= now_s - one.within_s < now_s:
            one.restarted_s.popleft()
        if one.restarts is not None and len(one.restarted_s) > one.restarts:
            detail = f"{len(one.restarted_s)} restarts within {one.within_s} s, the limit is {one.restarts}"
            self._fail("restart_budget", actor, detail)

    def stopped(self, actor: str) -> None:
        """Note that `actor` has stopped: it must not handle anything again."""
        self._actors[actor].is_over = True

    def crashed(self, actor: str) -> None:
        """Note that `actor` ended with its node, perhaps in the middle of a message."""
        self.stopped(actor)

    def watched(self, watcher: str, target: str) -> None:
        """Note that `watcher` watches `target`."""
        self._watches.setdefault((watcher, target), False)

    def unwatched(self, watcher: str, target: str) -> None:
        """Note that `watcher` no longer watches `target`."""
        self._watches.pop((watcher, target), None)

    def terminated(self, watcher: str, target: str) -> None:
        """Check that `watcher` may be notified of the end of `target` (its stop, or the loss of its node)."""
        was_notified = self._watches.get((watcher, target))
        if was_notified is None:
            self._fail("watch_once", watcher, f"it is notified of the end of {target}, which it does not watch")
        if was_notified:
            self._fail("watch_once", watcher, f"it is notified of the end of {target} a second time")
        self._watches[watcher, target] = True

    def shut_down(self, system: str, left: Iterable[str]) -> None:
        """Check that no task, timer, connection or buffer (named in `left`) remains after the shutdown of `system`."""
        names = list(left)
        if names:
            self._fail("nothing_left", system, f"after its shutdown these remain: {', '.join(names)}")

    def ended(self) -> None:
        """Check the end of a run, after all activity: no ask and no watch may be open."""
        for ask, asker in self._asks.items():
            if ask not in self._resolved and not self._is_over(asker):
                self._fail("ask_resolved", asker, f"ask {ask} was never resolved")
        for (watcher, target), was_notified in self._watches.items():
            if not was_notified and self._is_over(target) and not self._is_over(watcher):
                self._fail("watch_fired", watcher, f"it was never notified of the end of {target}")

    def _is_over(self, actor: str) -> bool:
        return actor in self._actors and self._actors[actor].is_over

    def _check_stream(self, receiver: str, sender: str, lane: int, number: int, message: str) -> None:
        stream = self._streams.get((sender, receiver, lane))
        if stream is None or number > stream.last_sent:
            self._fail("invented", receiver, f"{message} was never sent to it")
        if number in stream.handled:
            self._fail("at_most_once", receiver, f"{message} is handled a second time")
        if number < stream.last_handled:
            self._fail("order", receiver, f"{message} is handled after message {stream.last_handled}")
        stream.handled.add(number)
        stream.last_handled = number

    def _fail(self, invariant: str, actor: str, detail: str) -> NoReturn:
        self._context.fail(f"runtime.{invariant}", NodeId(actor), detail)


class _Actor:
    """The recorded state of one actor."""

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
        """Note that one message fewer waits. Messages that were not reported to `enqueued` are not counted."""
        if lane == CONTROL:
            self.waiting_control = max(0, self.waiting_control - 1)
        else:
            self.waiting = max(0, self.waiting - 1)


class _Stream:
    """The messages of one sender to one receiver in one lane."""

    __slots__ = ("handled", "last_handled", "last_sent")

    def __init__(self) -> None:
        self.last_sent = -1
        self.last_handled = -1
        self.handled: set[int] = set()
