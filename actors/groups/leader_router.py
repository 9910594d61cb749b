"""The way to a group's leader: ask, follow hints, try again, and say in the end whether it may have happened.

Trying again is safe because every command is a question or carries its identity (`coterie.protocols.sessions`).
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from coterie.actors.groups.group_messages import (
    REPLY_TOO_LARGE,
    Answer,
    Execute,
    LeaderIs,
    Refused,
    Unsettled,
    WatchLeader,
)
from coterie.errors import (
    AskTimeout,
    CommandFailed,
    CommandRefused,
    CommandTimeout,
    ConnectionLost,
    CoterieError,
    FrameTooLarge,
    Outcome,
)
from coterie.protocols.sessions import Reply, decode_replies, decode_reply, is_opening
from coterie.protocols.sessions import batch as batch_of
from coterie.runtime.actor import Actor
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.link_events import LinkEvent
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.identity import Role

__all__ = ["Routed", "Router"]

ATTEMPT_S: Final = 2.0
"""How long one node is asked before another is tried."""

PAUSE_FIRST_S: Final = 0.01
PAUSE_MAX_S: Final = 0.2
SUBSCRIBE_PAUSE_MAX_S: Final = 5.0


class _LeaderWatcher(Actor[LeaderIs]):
    """Hears from the group's nodes who leads."""

    def __init__(self, heard: Callable[[LeaderIs], None]) -> None:
        self._heard = heard

    def receive(self, msg: LeaderIs, /) -> None:
        self._heard(msg)


class _Trouble(NamedTuple):
    """An attempt brought no reply: who was asked, and what came of it; None: nobody could be asked."""

    node: str
    cause: Refused | Unsettled | CoterieError | None


_Waiting = tuple[bytes, float, "asyncio.Future[Reply | _Trouble]"]
"""A command that waits to be sent, how long it may take (s), and who waits for it."""

BATCH_COMMANDS: Final = 256
BATCH_BYTES: Final = 1 << 20


class Routed:
    """One command under way: whether any attempt so far may have put it into a log."""

    __slots__ = ("may_have_run", "pauses")

    def __init__(self) -> None:
        self.may_have_run = False
        self.pauses = 0


class Router:
    """Knows who leads one group, and brings commands there.

    Args:
        system: a node of the cluster, or a client linked to it.
        group: the group's name.
        nodes: the nodes that may be asked now; their links come and go.
    """

    def __init__(self, system: System, group: str, nodes: Callable[[], Sequence[str]]) -> None:
        self._system = system
        self._group = group
        self._nodes = nodes
        self._refs: dict[str, Ref[Any]] = {}
        self._believed: LeaderIs | None = None
        self._next = 0
        self._hint: str | None = None
        self._outbox: list[_Waiting] = []
        self._scope = contextvars.Context()  # a batch has many senders: it inherits the deadline of none
        self._in_flight: dict[asyncio.Future[Any], str] = {}
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listeners: list[Callable[[LeaderIs], None]] = []
        self._watcher = system.spawn(partial(_LeaderWatcher, self._heard))
        self._ignore_links = system.on_link(self._link_changed)
        for node in nodes():
            self._subscribe(node)

    def on_leader(self, listener: Callable[[LeaderIs], None]) -> None:
        """Call `listener` with each new leader, once per term, from now on."""
        self._listeners.append(listener)
        if self._believed is not None:
            listener(self._believed)

    @property
    def leader(self) -> str | None:
        """Who is believed to lead."""
        return self._hint

    async def execute(self, command: bytes, *, timeout_s: float, routed: Routed | None = None) -> Reply:
        """Bring an encoded command to the leader and return the session layer's reply.

        Raises:
            CommandTimeout: no reply in `timeout_s` seconds; its outcome says whether any node may have taken it.
            CommandRefused, FrameTooLarge: it is larger than what nodes send each other.
            CommandFailed: it was executed, but its reply is larger than that.
        """
        routed = routed or Routed()
        monotonic = self._system.host.clock.monotonic
        deadline = monotonic() + timeout_s
        trouble = "no node of it is linked" if timeout_s > 0 else "no time was left"
        # Trying again in the last moments would only make a definite outcome unknown.
        while (left_s := deadline - monotonic()) > (PAUSE_FIRST_S if routed.pauses else 0.0):
            answer = await self._attempt(command, left_s)
            if not isinstance(answer, _Trouble):
                return answer
            node, cause = answer
            if cause is not None:
                trouble = f"{node!r}: {self._learn(node, cause, routed)}"
            if cause is None or self._hint in (None, node):
                await self._pause(routed, left_s)
        outcome = Outcome.UNKNOWN if routed.may_have_run else Outcome.DEFINITE
        fate = "it may have been executed" if routed.may_have_run else "it was not executed"
        text = f"group {self._group!r} did not answer in {timeout_s:g} s (last: {trouble}): {fate}"
        raise CommandTimeout(text, outcome)

    # --- one attempt ------------------------------------------------------------------------------------------------

    def _attempt(self, command: bytes, left_s: float) -> asyncio.Future[Reply | _Trouble]:
        """Send a command with all others of this turn of the loop; the future has what came of it."""
        future: asyncio.Future[Reply | _Trouble] = self._system.loop.create_future()
        if not self._outbox:
            self._system.loop.call_soon(self._flush, context=self._scope)
        self._outbox.append((command, left_s, future))
        if left_s < ATTEMPT_S:  # a batch waits as long as its most patient command
            timer = self._system.loop.call_later(left_s, _expire, future)
            future.add_done_callback(lambda _: timer.cancel())
        return future

    def _flush(self) -> None:
        outbox, self._outbox = self._outbox, []
        node = self._pick()
        for batch in _batches(outbox):
            if node is None:
                _settle_all(batch, _Trouble("", None))
            else:
                self._ask(node, batch)

    def _ask(self, node: str, batch: list[_Waiting]) -> None:
        timeout_s = min(ATTEMPT_S, max(left_s for _, left_s, _ in batch))
        command = batch[0][0] if len(batch) == 1 else batch_of([command for command, _, _ in batch])
        asked = self.ref(node).ask(Execute(command), timeout=timeout_s)
        self._in_flight[asked] = node
        asked.add_done_callback(partial(self._answered, node, batch))

    def _answered(self, node: str, batch: list[_Waiting], asked: asyncio.Future[Answer]) -> None:
        del self._in_flight[asked]
        error = asked.exception()
        answer = error if isinstance(error, CoterieError) else asked.result()
        if isinstance(answer, bytes):
            replies = [decode_reply(answer)] if len(batch) == 1 else decode_replies(answer)
            for (_, _, future), reply in zip(batch, replies, strict=True):
                if not future.done():
                    future.set_result(reply)
        elif len(batch) > 1 and isinstance(answer, Unsettled) and answer.reason == REPLY_TOO_LARGE:
            half = len(batch) // 2
            self._ask(node, batch[:half])
            self._ask(node, batch[half:])
        else:
            _settle_all(batch, _Trouble(node, answer))

    def _learn(self, node: str, answer: Refused | Unsettled | CoterieError, routed: Routed) -> str:
        """Take from an answer where to ask next; return what the trouble was."""
        if isinstance(answer, FrameTooLarge):
            raise answer
        if isinstance(answer, CoterieError):
            routed.may_have_run |= answer.outcome is Outcome.UNKNOWN
            if self._hint == node:
                self._hint = None
            return str(answer)
        if answer.reason == REPLY_TOO_LARGE:
            raise CommandFailed(f"group {self._group!r} executed a command whose reply would not fit into a frame")
        if answer.reason == "too_large":
            raise CommandRefused(f"group {self._group!r} refused a command that would not fit into a frame")
        routed.may_have_run |= isinstance(answer, Unsettled)
        if answer.leader is not None and answer.leader not in self._nodes():
            self._hint = None
            return f"{answer.reason}; {answer.leader!r} leads, but there is no link to it: give its address too"
        if answer.leader != node or answer.reason != "overloaded":
            self._hint = answer.leader if answer.leader != node else None
        return answer.reason

    def _pick(self) -> str | None:
        nodes = self._nodes()
        if self._hint in nodes:
            return self._hint
        if not nodes:
            return None
        self._next += 1
        return nodes[self._next % len(nodes)]

    async def _pause(self, routed: Routed, left_s: float) -> None:
        """Wait a little longer each time, or until there is news of a leader or a link."""
        pause_s = min(left_s, PAUSE_MAX_S, PAUSE_FIRST_S * 2**routed.pauses)
        routed.pauses += 1
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s * (0.5 + self._system.host.random.random() / 2)):
                await self._news.wait()

    def ref(self, node: str) -> Ref[Any]:
        """Return the ref of the group's actor on a node."""
        ref = self._refs.get(node)
        if ref is None:
            ref = self._refs[node] = self._system.at(Address(node, self._group))
        return ref

    # --- news -------------------------------------------------------------------------------------------------------

    def _heard(self, news: LeaderIs) -> None:
        if self._believed is not None and news.term <= self._believed.term:
            return
        self._believed = news
        self._hint = news.leader
        self._news.set()
        # An old leader that stands still answers nobody: ask the new one at once, under the same identity.
        for future, node in list(self._in_flight.items()):
            if node != news.leader and not future.done():
                future.set_exception(ConnectionLost(f"{news.leader!r} leads {self._group!r} now; {node!r} was asked"))
        for listener in self._listeners:
            listener(news)

    def _link_changed(self, event: LinkEvent) -> None:
        if event.role is not Role.NODE:
            return
        if event.kind == "up":
            self._news.set()
            self._subscribe(event.node)

    def _subscribe(self, node: str) -> None:
        task = self._system.loop.create_task(self._keep_subscribing(node))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep_subscribing(self, node: str) -> None:
        """Ask a node to tell of leaders; while its group is not there yet, ask again."""
        pause_s = PAUSE_MAX_S
        while node in self._nodes():
            try:
                news = await self.ref(node).ask(WatchLeader(self._watcher), timeout=ATTEMPT_S)
            except CoterieError:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, SUBSCRIBE_PAUSE_MAX_S)  # not every node need have the group
                continue
            if news is not None:
                self._heard(news)
            return

    async def close(self) -> None:
        """Stop listening for leaders."""
        self._ignore_links()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _batches(outbox: list[_Waiting]) -> Iterator[list[_Waiting]]:
    """Cut what waits into messages of bounded size; a command that is larger goes alone, and so does an opening."""
    batch: list[_Waiting] = []
    size = 0
    for waiting in outbox:
        if is_opening(waiting[0]):
            yield [waiting]
            continue
        if batch and (len(batch) >= BATCH_COMMANDS or size + len(waiting[0]) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(waiting)
        size += len(waiting[0])
    if batch:
        yield batch


def _expire(future: asyncio.Future[Reply | _Trouble]) -> None:
    if not future.done():
        future.set_result(_Trouble("its leader", AskTimeout("no reply in time; it may have run")))


def _settle_all(batch: list[_Waiting], trouble: _Trouble) -> None:
    for _, _, future in batch:
        if not future.done():
            future.set_result(trouble)
