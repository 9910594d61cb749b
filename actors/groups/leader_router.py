"""`LeaderRouter`: sends commands to the leader of a group: finds the leader, retries, reports unknown outcomes.

A leader hint comes from a node of the group: Raft puts it into `Reject.leader` (`protocols/raft/raft.py`),
`raft_actor.py` sends it in `Refused.leader` and announces new leaders (`LeaderIs`). It is followed here:
`_note_failure` and `_leader_changed` set `_leader_hint`, and `_pick_node` asks that node next.

A node that is suspected (`NodeHealth`) is not the leader any more until another node says so again: its commands are
sent elsewhere at once, and nodes that are not suspected are asked first.

A retry is safe because every command is a query or carries its identity (`coterie.protocols.sessions`).
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from coterie.actors.detection.node_health import NodeHealth
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
from coterie.protocols.detection.failure_detector import StateChange, Trusted
from coterie.protocols.sessions import Reply, decode_replies, decode_reply, encode_batch, opens_session
from coterie.runtime.actor import Actor
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.link_events import LinkEvent
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.identity import PeerRole

__all__ = ["LeaderRouter", "RoutedCommand"]

ATTEMPT_S: Final = 2.0
"""The timeout of one attempt; then another node is tried."""

PAUSE_MIN_S: Final = 0.01
PAUSE_MAX_S: Final = 0.2
SUBSCRIBE_PAUSE_MAX_S: Final = 5.0


class _LeaderWatcher(Actor[LeaderIs]):
    """Receives the announcements of new leaders from the group's nodes."""

    def __init__(self, on_leader: Callable[[LeaderIs], None]) -> None:
        self._leader_changed = on_leader

    def receive(self, msg: LeaderIs, /) -> None:
        self._leader_changed(msg)


class _FailedAttempt(NamedTuple):
    """An attempt that brought no reply: the node that was asked and the cause; None: no node could be asked."""

    node: str
    cause: Refused | Unsettled | CoterieError | None


_QueuedCommand = tuple[bytes, float, "asyncio.Future[Reply | _FailedAttempt]"]
"""A command that waits to be sent, how long it may take (s), and the future of its reply."""

BATCH_COMMANDS: Final = 256
BATCH_BYTES: Final = 1 << 20


class RoutedCommand:
    """The state of one command in flight: whether any attempt may have put it into a log, and its number of pauses."""

    __slots__ = ("may_have_run", "pauses")

    def __init__(self) -> None:
        self.may_have_run = False
        self.pauses = 0


class LeaderRouter:
    """Sends commands to the leader of one group, in batches.

    Args:
        system: a node of the cluster, or a client linked to it.
        group: the group's name.
        nodes: returns the nodes that are linked now.
        health: what is thought of them; None: no node is ever suspected.
    """

    def __init__(
        self, system: System, group: str, nodes: Callable[[], Sequence[str]], health: NodeHealth | None = None
    ) -> None:
        self._system = system
        self._group = group
        self._nodes = nodes
        self._health = health
        self._refs: dict[str, Ref[Any]] = {}
        self._newest_leader: LeaderIs | None = None
        self._next_node = 0
        self._leader_hint: str | None = None
        self._outbox: list[_QueuedCommand] = []
        self._batch_context = contextvars.Context()  # a batch has many callers and inherits the deadline of none
        self._in_flight: dict[asyncio.Future[Any], str] = {}
        self._leader_or_link_changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listeners: list[Callable[[LeaderIs], None]] = []
        self._watcher = system.spawn(partial(_LeaderWatcher, self._leader_changed))
        self._unsubscribe_links = system.on_link(self._link_changed)
        self._unsubscribe_health = health.subscribe(self._peer_changed) if health is not None else lambda: None
        for node in nodes():
            self._subscribe(node)

    def on_leader(self, listener: Callable[[LeaderIs], None]) -> None:
        """Call `listener` with each new leader, once per term, from now on."""
        self._listeners.append(listener)
        if self._newest_leader is not None:
            listener(self._newest_leader)

    @property
    def leader(self) -> str | None:
        """The node that is presumably the leader; None: unknown."""
        return self._leader_hint

    async def execute(self, command: bytes, *, timeout_s: float, routed: RoutedCommand | None = None) -> Reply:
        """Send an encoded command to the leader and return the session layer's reply.

        Raises:
            CommandTimeout: no reply in `timeout_s` seconds; `outcome`: whether a node may have put it into its log.
            CommandRefused, FrameTooLarge: it does not fit into a frame.
            CommandFailed: it was executed, but its reply does not fit into a frame.
        """
        routed = routed or RoutedCommand()
        monotonic = self._system.host.clock.monotonic
        deadline = monotonic() + timeout_s
        failure = "none of its nodes is linked" if timeout_s > 0 else "no time was left"
        # A retry in the last milliseconds would only turn a definite outcome into an unknown one.
        while (left_s := deadline - monotonic()) > (PAUSE_MIN_S if routed.pauses else 0.0):
            answer = await self._attempt(command, left_s)
            if not isinstance(answer, _FailedAttempt):
                return answer
            node, cause = answer
            if cause is not None:
                failure = f"{node!r}: {self._note_failure(node, cause, routed)}"
            if cause is None or self._leader_hint in (None, node):
                await self._pause(routed, left_s)
        outcome = Outcome.UNKNOWN if routed.may_have_run else Outcome.DEFINITE
        fate = "it may have been executed" if routed.may_have_run else "it was not executed"
        text = f"group {self._group!r} did not answer in {timeout_s:g} s (last: {failure}): {fate}"
        raise CommandTimeout(text, outcome)

    # --- one attempt ------------------------------------------------------------------------------------------------

    def _attempt(self, command: bytes, left_s: float) -> asyncio.Future[Reply | _FailedAttempt]:
        """Send a command with all others of this iteration of the loop; the future has the reply or the failure."""
        future: asyncio.Future[Reply | _FailedAttempt] = self._system.loop.create_future()
        if not self._outbox:
            self._system.loop.call_soon(self._flush, context=self._batch_context)
        self._outbox.append((command, left_s, future))
        if left_s < ATTEMPT_S:  # a batch waits as long as its command with the longest timeout
            timer = self._system.loop.call_later(left_s, _expire, future)
            future.add_done_callback(lambda _: timer.cancel())
        return future

    def _flush(self) -> None:
        outbox, self._outbox = self._outbox, []
        node = self._pick_node()
        for batch in _batches(outbox):
            if node is None:
                _fail_all(batch, _FailedAttempt("", None))
            else:
                self._ask(node, batch)

    def _ask(self, node: str, batch: list[_QueuedCommand]) -> None:
        timeout_s = min(ATTEMPT_S, max(left_s for _, left_s, _ in batch))
        command = batch[0][0] if len(batch) == 1 else encode_batch([command for command, _, _ in batch])
        request = self.ref(node).ask(Execute(command), timeout_s=timeout_s)
        self._in_flight[request] = node
        request.add_done_callback(partial(self._handle_answer, node, batch))

    def _handle_answer(self, node: str, batch: list[_QueuedCommand], request: asyncio.Future[Answer]) -> None:
        del self._in_flight[request]
        error = request.exception()
        answer = error if isinstance(error, CoterieError) else request.result()
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
            _fail_all(batch, _FailedAttempt(node, answer))

    def _note_failure(self, node: str, answer: Refused | Unsettled | CoterieError, routed: RoutedCommand) -> str:
        """Update the leader hint and `routed` from a failed attempt; return its reason."""
        if isinstance(answer, FrameTooLarge):
            raise answer
        if isinstance(answer, CoterieError):
            routed.may_have_run |= answer.outcome is Outcome.UNKNOWN
            if self._leader_hint == node:
                self._leader_hint = None
            return str(answer)
        if answer.reason == REPLY_TOO_LARGE:
            raise CommandFailed(f"group {self._group!r} executed a command whose reply would not fit into a frame")
        if answer.reason == "too_large":
            raise CommandRefused(f"group {self._group!r} refused a command that would not fit into a frame")
        routed.may_have_run |= isinstance(answer, Unsettled)
        if answer.leader is not None and answer.leader not in self._nodes():
            self._leader_hint = None
            return (
                f"{answer.reason}; {answer.leader!r} leads, but there is no link to it: give the client its address too"
            )
        if answer.leader != node or answer.reason != "overloaded":
            self._leader_hint = answer.leader if answer.leader != node else None
        return answer.reason

    def _pick_node(self) -> str | None:
        nodes = self._nodes()
        if self._leader_hint in nodes:
            return self._leader_hint
        if not nodes:
            return None
        if self._health is not None:
            nodes = [node for node in nodes if not self._health.is_suspected(node)] or nodes
        self._next_node += 1
        return nodes[self._next_node % len(nodes)]

    async def _pause(self, routed: RoutedCommand, left_s: float) -> None:
        """Wait, longer after each attempt, but no longer than until a leader or link changes."""
        pause_s = min(left_s, PAUSE_MAX_S, PAUSE_MIN_S * 2**routed.pauses)
        routed.pauses += 1
        self._leader_or_link_changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s * (0.5 + self._system.host.random.random() / 2)):
                await self._leader_or_link_changed.wait()

    def ref(self, node: str) -> Ref[Any]:
        """Return the ref of the group's actor on a node."""
        ref = self._refs.get(node)
        if ref is None:
            ref = self._refs[node] = self._system.at(Address(node, self._group))
        return ref

    # --- leaders and links ------------------------------------------------------------------------------------------

    def _leader_changed(self, announced: LeaderIs) -> None:
        if self._newest_leader is not None and announced.term <= self._newest_leader.term:
            return
        self._newest_leader = announced
        self._leader_hint = announced.leader
        self._leader_or_link_changed.set()
        # A paused old leader does not answer: ask the new one at once, under the same identity.
        for node in dict.fromkeys(self._in_flight.values()):
            if node != announced.leader:
                self._abandon(node, f"{announced.leader!r} leads {self._group!r} now; {node!r} was asked")
        for listener in self._listeners:
            listener(announced)

    def _peer_changed(self, change: StateChange) -> None:
        if isinstance(change, Trusted):
            return
        if self._leader_hint == change.peer:
            self._leader_hint = None
        self._abandon(change.peer, f"{change.peer!r} is suspected: {change.reason}")

    def _abandon(self, asked: str, reason: str) -> None:
        """Fail the requests in flight to a node, so that they are sent to another one."""
        for future, node in list(self._in_flight.items()):
            if node == asked and not future.done():
                future.set_exception(ConnectionLost(reason))

    def _link_changed(self, event: LinkEvent) -> None:
        if event.role is not PeerRole.NODE:
            return
        if event.kind == "up":
            self._leader_or_link_changed.set()
            self._subscribe(event.node)

    def _subscribe(self, node: str) -> None:
        task = self._system.loop.create_task(self._keep_subscribing(node))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep_subscribing(self, node: str) -> None:
        """Ask a node to announce leaders; retry while the group does not run there yet."""
        pause_s = PAUSE_MAX_S
        while node in self._nodes():
            try:
                announced = await self.ref(node).ask(WatchLeader(self._watcher), timeout_s=ATTEMPT_S)
            except CoterieError:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, SUBSCRIBE_PAUSE_MAX_S)  # the group may not run on this node at all
                continue
            if announced is not None:
                self._leader_changed(announced)
            return

    async def close(self) -> None:
        """Stop watching leaders, links and health."""
        self._unsubscribe_links()
        self._unsubscribe_health()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _batches(outbox: list[_QueuedCommand]) -> Iterator[list[_QueuedCommand]]:
    """Split the outbox into batches of bounded size; a larger command is sent alone, and so is an `OpenSession`."""
    batch: list[_QueuedCommand] = []
    size = 0
    for waiting in outbox:
        if opens_session(waiting[0]):
            yield [waiting]
            continue
        if batch and (len(batch) >= BATCH_COMMANDS or size + len(waiting[0]) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(waiting)
        size += len(waiting[0])
    if batch:
        yield batch


def _expire(future: asyncio.Future[Reply | _FailedAttempt]) -> None:
    if not future.done():
        future.set_result(_FailedAttempt("its leader", AskTimeout("no reply in time; it may have run")))


def _fail_all(batch: list[_QueuedCommand], failure: _FailedAttempt) -> None:
    for _, _, future in batch:
        if not future.done():
            future.set_result(failure)
