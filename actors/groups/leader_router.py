"""`LeaderRouter`: sends commands to the leader of a group: finds the leader, retries, reports unknown outcomes.

A leader hint comes from a node of the group: Raft puts it into `Reject.leader` (`protocols/raft/raft.py`),
`raft_actor.py` sends it in `Refused.leader` and announces new leaders (`LeaderIs`). It is followed here:
`_note_failure` and `_leader_changed` set `_leader_hint`, and `_pick_node` asks that node next.

A node that is suspected (`NodeHealth`) is not the leader any more until another node says so again: its commands are
sent elsewhere at once, and nodes that are not suspected are asked first.

A retry is safe because every command is a query or carries its identity (`coterie.protocols.sessions`).

What fits alone fits together: batches are cut by what this system's frames take, and by what a leader has refused. A
reply that did not fit into the answer to its batch is asked for again, in a batch of replies that fit (`ReplyRoom`).
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Collection, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, Final

from coterie.actors.detection.node_health import NodeHealth
from coterie.actors.groups.command_batches import (
    BATCH_BYTES,
    Attempt,
    FailedAttempt,
    QueuedCommand,
    batch_command,
    batches,
    expire,
    fail_all,
    is_too_large,
    outcome_of,
    settle,
)
from coterie.actors.groups.group_messages import (
    DISK_FULL,
    ENVELOPE_BYTES,
    NOT_READ,
    NOT_REGISTERED,
    Answer,
    Execute,
    LeaderIs,
    ReadQueries,
    ReadStale,
    Refused,
    StaleAnswer,
    Unsettled,
    WatchLeader,
)
from coterie.actors.groups.reply_room import LargeReplies, ReplyRoom
from coterie.actors.groups.routed_command import ALONE, Route, RoutedCommand, Way, refused
from coterie.errors import ActorNotFound, CommandRefused, CommandTimeout, ConnectionLost, CoterieError, Outcome
from coterie.protocols.detection.failure_detector import StateChange, Trusted
from coterie.protocols.replicated_log import Refusal
from coterie.protocols.sessions import Deferred, Done, NotActive, Reply, SentReply, TooLarge, Withheld, decode_reply
from coterie.runtime.actor import Actor
from coterie.runtime.cells.ask_deadlines import check_timeout
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.link_events import LinkEvent
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.identity import PeerRole
from coterie.runtime.user_code import notify

__all__ = ["KnownNames", "LeaderRouter"]

KnownNames = Callable[[], Collection[str] | None]
"""Returns the names of the groups, or of the nodes, that there are; None: they are not known."""

ATTEMPT_S: Final = 2.0
"""The timeout of one attempt; then another node is tried."""

LEFT_S: Final[Callable[[QueuedCommand], float]] = itemgetter(1)

EXPLAINED: Final = {
    Refusal.NOT_LEADER.value: "it knows no leader: are most of its voters up and linked? See `coterie status`",
    NOT_REGISTERED: "it takes no part yet: the other voters must be up once, so that they remember its store",
}
"""Why a node that names no leader did not take a command, in words."""

NO_REPLY: Final = (FailedAttempt, Withheld, Deferred)

PAUSE_MIN_S: Final = 0.01
PAUSE_MAX_S: Final = 0.2
PAUSE_DOUBLINGS_MAX: Final = 10
SUBSCRIBE_PAUSE_MAX_S: Final = 5.0


class _LeaderWatcher(Actor[LeaderIs]):
    """Receives the announcements of new leaders from the group's nodes."""

    def __init__(self, on_leader: Callable[[LeaderIs], None]) -> None:
        self._leader_changed = on_leader

    def receive(self, msg: LeaderIs, /) -> None:
        self._leader_changed(msg)


class LeaderRouter:
    """Sends commands to the leader of one group, in batches.

    Args:
        system: a node of the cluster, or a client linked to it.
        group: the group's name.
        nodes: returns the nodes that are linked now.
        health: what is thought of them; None: no node is ever suspected.
        known_groups, known_nodes: return the groups, and the nodes, that there are, linked now or not.
    """

    def __init__(
        self,
        system: System,
        group: str,
        nodes: Callable[[], Sequence[str]],
        health: NodeHealth | None = None,
        known_groups: KnownNames = lambda: None,
        known_nodes: KnownNames = lambda: None,
    ) -> None:
        self._system = system
        self._group = group
        self._nodes = nodes
        self._health = health
        self._known_groups = known_groups
        self._known_nodes = known_nodes
        self._refs: dict[str, Ref[Any]] = {}
        self._newest_leader: LeaderIs | None = None
        self._next_node = 0
        self._leader_hint: str | None = None
        self._outbox_by_route: dict[Route, list[QueuedCommand]] = {}
        transport = system.config.transport
        entry_bytes_max = max(1, transport.frame_cap_bytes - ENVELOPE_BYTES)
        is_client = system.identity.role is PeerRole.CLIENT
        sent_bytes_max = transport.client_cap_bytes if is_client else transport.frame_cap_bytes
        self._batch_bytes_max = min(BATCH_BYTES, max(1, sent_bytes_max - ENVELOPE_BYTES))
        self._reply_room = ReplyRoom(entry_bytes_max)
        self._large_replies = LargeReplies()
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

    async def execute(
        self,
        command: bytes,
        *,
        timeout_s: float,
        routed: RoutedCommand | None = None,
        first: SentReply | FailedAttempt | None = None,
        deadline: float | None = None,
    ) -> Reply | TooLarge | NotActive:
        """Send an encoded command to the leader and return the session layer's reply, or the leader's refusal.

        `first`: what `first_attempt` brought, `deadline`: its own. `routed.outcome`: of all attempts but the last one.

        Raises:
            CommandTimeout: no reply in `timeout_s` seconds; `outcome`: whether a node may have put it into its log.
            CommandRefused: it does not fit into a frame, the leader's disk is nearly full, there is no such group, or
                this system is closed.
            CommandUnsettled: the same, and an earlier attempt may have put it into a log.
        """
        check_timeout(timeout_s)
        routed = routed or RoutedCommand()
        routed.reply_bytes = self._large_replies.expected(routed.kind)
        monotonic = self._system.host.clock.monotonic
        deadline = monotonic() + timeout_s if deadline is None else deadline
        failure = "" if deadline > monotonic() else "no time was left"
        # A retry in the last milliseconds would only turn a definite outcome into an unknown one.
        while first is not None or deadline - monotonic() > (PAUSE_MIN_S if routed.pauses else 0.0):
            if first is not None:
                answer, first = first, None
            else:
                self.check_runs(routed)
                answer = await self._attempt_in_room(command, deadline, routed)
            if not isinstance(answer, NO_REPLY):
                if type(answer) is Done:
                    self._large_replies.note(routed.kind, len(answer.payload))
                return answer
            if isinstance(answer, Withheld):
                if routed.reply_bytes >= answer.size_bytes:  # too much waits for this client, or for others
                    await self._pause(routed, deadline - monotonic())
                routed.withheld(answer.size_bytes)
                failure = f"its reply of {answer.size_bytes} bytes did not fit beside those of other commands"
            elif isinstance(answer, Deferred):
                failure = "the replies before its own in a batch were long: it is sent again"
                routed.reply_bytes = routed.reply_bytes or self._large_replies.expected(routed.kind)
            elif not self._is_split(answer, routed):
                node, cause, _ = answer
                if cause is not None:
                    failure = f"{node!r}: {self._note_failure(node, cause, routed, len(command))}"
                if cause is None or self._leader_hint in (None, node):
                    await self._pause(routed, deadline - monotonic())
        last = failure or self._system.remoting.unlinked_reason
        text = f"group {self._group!r} did not answer in {round(timeout_s, 2):g} s (last: {last}): {routed.fate}"
        raise CommandTimeout(text, routed.outcome)

    async def read_stale(
        self, command: bytes, node: str | None, *, timeout_s: float
    ) -> tuple[Reply | TooLarge | NotActive, StaleAnswer, str]:
        """Let one replica answer an encoded query from what it has applied: `node`, or (None) the nodes in turn.

        Return the reply, the answer that it came in, and the node.

        Raises:
            CommandTimeout: no reply in `timeout_s` seconds.
            CommandRefused: such queries are not read, there is no such group or node, or this system is closed.
        """
        check_timeout(timeout_s)
        monotonic, routed = self._system.host.clock.monotonic, RoutedCommand(way=Way.READ_ANYWHERE)
        deadline, failure = monotonic() + timeout_s, "none of its nodes is linked"
        while (left_s := deadline - monotonic()) > 0:
            self.check_runs(routed)
            self._check_node(node)
            asked = node or self._pick_node(routed.way)
            if asked is not None:
                answer = await self._ask_stale(asked, command, min(ATTEMPT_S, left_s))
                if isinstance(answer, StaleAnswer):
                    reply = decode_reply(answer.answer)
                    if not isinstance(reply, (Withheld, Deferred)):
                        return reply, answer, asked
                    failure = f"{asked!r}: too much waits for this client"
                elif isinstance(answer, Refused) and answer.reason == NOT_READ:
                    text = f"group {self._group!r}: the `read` of its machine does not answer this query"
                    advice = "`read` of this handle asks the leader; is the query meant for another group?"
                    raise CommandRefused(f"{text}: {advice}")
                else:
                    if isinstance(answer, ActorNotFound):
                        self.check_group(routed)
                    failure = f"{asked!r}: {answer.reason if isinstance(answer, Refused) else answer}"
            await self._pause(routed, deadline - monotonic())
        raise CommandTimeout(
            f"group {self._group!r} did not answer in {timeout_s:g} s (last: {failure})", Outcome.DEFINITE
        )

    async def _ask_stale(self, node: str, command: bytes, timeout_s: float) -> StaleAnswer | Refused | CoterieError:
        ask: asyncio.Future[StaleAnswer | Refused] = self.ref(node).ask(ReadStale(command), timeout_s=timeout_s)
        try:
            return await ask
        except CoterieError as error:
            return error

    # --- one attempt ------------------------------------------------------------------------------------------------

    def first_attempt(self, command: bytes, left_s: float, route: Route, kind: type[object]) -> Attempt | None:
        """Send a command of the class `kind`; `execute` goes on from what comes of it. None: it must begin there.

        For all that is usual: it takes half the time of `execute`, and a busy client is slower than its group.
        """
        if self._system.registry.not_running or left_s <= 0 or self._large_replies.expected(kind):
            return None
        return self._attempt(command, left_s, route)

    async def _attempt_in_room(
        self, command: bytes, deadline: float, routed: RoutedCommand
    ) -> SentReply | FailedAttempt:
        """Make an attempt once there is room for its reply, if that is large."""
        monotonic, reply_bytes = self._system.host.clock.monotonic, routed.reply_bytes
        if not reply_bytes:
            return await self._attempt(command, max(0.0, deadline - monotonic()), routed.route)
        try:
            async with asyncio.timeout(deadline - monotonic()):
                await self._reply_room.enter(reply_bytes)
        except TimeoutError:
            return FailedAttempt("", None)
        try:
            return await self._attempt(command, max(0.0, deadline - monotonic()), routed.route, reply_bytes)
        finally:
            self._reply_room.leave(reply_bytes)

    def _attempt(self, command: bytes, left_s: float, route: Route, reply_bytes: int = 0) -> Attempt:
        """Send a command with all others of this iteration of the loop; the future has the reply or the failure."""
        future: Attempt = self._system.loop.create_future()
        outbox = self._outbox_by_route.get(route)
        if outbox is None:
            outbox = self._outbox_by_route[route] = []
            self._system.loop.call_soon(self._flush, route, context=self._batch_context)
        outbox.append((command, left_s, reply_bytes, future))
        if left_s < ATTEMPT_S:  # a batch waits as long as its command with the longest timeout
            timer = self._system.loop.call_later(left_s, expire, future)
            future.add_done_callback(lambda _: timer.cancel())
        return future

    def _flush(self, route: Route) -> None:
        run_queue = self._system.run_queue
        is_held = run_queue.hold()  # the requests leave within this callback of the loop
        try:
            self._send(self._outbox_by_route.pop(route), route[0])
        finally:
            if is_held:
                run_queue.release()

    def _send(self, queue: list[QueuedCommand], way: Way) -> None:
        node = self._pick_node(way)
        for batch in batches(queue, self._batch_bytes_max):
            if node is None:
                fail_all(batch, FailedAttempt("", None))
            else:
                self._ask(node, batch, way)

    def _ask(self, node: str, batch: list[QueuedCommand], way: Way) -> None:
        timeout_s = min(ATTEMPT_S, max(map(LEFT_S, batch)))
        command = batch_command(batch)
        try:
            message = Execute(command) if way is Way.EXECUTE else ReadQueries(command)
            request = self.ref(node).ask(message, timeout_s=timeout_s)
        except Exception as error:  # noqa: BLE001 (it is the callers', who wait for it)
            fail_all(batch, FailedAttempt(node, error))
            return
        self._in_flight[request] = node
        request.add_done_callback(partial(self._handle_answer, node, batch, len(command) if len(batch) > 1 else 0))

    def _handle_answer(
        self, node: str, batch: list[QueuedCommand], batch_bytes: int, request: asyncio.Future[Answer]
    ) -> None:
        del self._in_flight[request]
        settle(batch, node, batch_bytes, request)

    def _is_split(self, attempt: FailedAttempt, routed: RoutedCommand) -> bool:
        """Return whether only its batch was too large, as a whole: the command is sent again, in a smaller one."""
        cause = attempt.cause
        if not attempt.batch_bytes or not is_too_large(cause):
            return False
        max_bytes = cause.max_bytes if isinstance(cause, Refused) else 0
        if 0 < max_bytes < attempt.batch_bytes:
            self._batch_bytes_max = min(self._batch_bytes_max, max_bytes)
        else:
            routed.reply_bytes = ALONE
        return True

    def _note_failure(
        self, node: str, cause: Refused | Unsettled | BaseException, routed: RoutedCommand, size_bytes: int
    ) -> str:
        """Update the leader hint and `routed` from a failed attempt at a command of this size; return its reason.

        Raises:
            CommandError: the command does not fit into a frame, the leader's disk is nearly full, or there is no such
                group: see `execute`.
        """
        if is_too_large(cause):
            limit = _entry_limit_text(cause.max_bytes) if isinstance(cause, Refused) else str(cause)
            text = f"group {self._group!r} refused a command of {size_bytes} bytes, which would not fit into a frame"
            text = f"{text}: {limit}"
            raise refused(text, routed) from (cause if isinstance(cause, BaseException) else None)
        if isinstance(cause, Refused) and cause.reason == DISK_FULL:
            raise refused(f"group {self._group!r} refused a command: {_DISK_FULL_TEXT.format(node)}", routed)
        if isinstance(cause, ActorNotFound):
            self.check_group(routed)
        if isinstance(cause, BaseException):
            routed.attempt_ended(outcome_of(cause))
            if self._leader_hint == node:
                self._leader_hint = None
            return str(cause)
        if isinstance(cause, Unsettled):
            routed.attempt_ended(Outcome.UNKNOWN)
        if cause.leader is not None and cause.leader not in self._nodes():
            self._leader_hint = None
            advice = "there is no link to it: give the client its address too"
            return f"{cause.reason}; {cause.leader!r} leads, but {advice}"
        if cause.leader != node or cause.reason != "overloaded":
            self._leader_hint = cause.leader if cause.leader != node else None
        return cause.reason if cause.leader is not None else EXPLAINED.get(cause.reason, cause.reason)

    def check_group(self, routed: RoutedCommand) -> None:
        """Refuse the command if the groups are known, and this is none of them; a node without it has answered."""
        groups = self._known_groups()
        if groups is not None and self._group not in groups:
            names = ", ".join(map(repr, sorted(groups))) or "none"
            raise refused(f"there is no group {self._group!r}: the groups are {names}", routed)

    def _check_node(self, node: str | None) -> None:
        """Refuse to ask a node that the cluster does not have, if its nodes are known."""
        nodes = None if node is None else self._known_nodes()
        if nodes is not None and node not in nodes:
            names = ", ".join(map(repr, sorted(nodes)))
            raise CommandRefused(f"group {self._group!r}: there is no node {node!r}: the nodes are {names}")

    def check_runs(self, routed: RoutedCommand) -> None:
        """Refuse what is asked of a system that was closed. CommandRefused, or CommandUnsettled: see `refused`."""
        if self._system.registry.not_running:
            raise refused(f"group {self._group!r} cannot be asked: {self._system.registry.not_running}", routed)

    def _pick_node(self, way: Way) -> str | None:
        nodes = self._nodes()
        if way is not Way.READ_ANYWHERE and self._leader_hint in nodes:
            return self._leader_hint
        if not nodes:
            return None
        if self._health is not None:
            nodes = [node for node in nodes if not self._health.is_suspected(node)] or nodes
        self._next_node += 1
        return nodes[self._next_node % len(nodes)]

    async def _pause(self, routed: RoutedCommand, left_s: float) -> None:
        """Wait, longer after each attempt, but no longer than `left_s`, or until a leader or link changes."""
        pause_s = min(max(0.0, left_s), PAUSE_MAX_S, PAUSE_MIN_S * 2 ** min(routed.pauses, PAUSE_DOUBLINGS_MAX))
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
        notify(self._system.log, self._listeners, announced)

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


_DISK_FULL_TEXT: Final = (
    "the disk of its leader {!r} has too little free space, and no other voter that is up to date has more (see "
    "`coterie status`, and store.short_of_space in the logs of the nodes): free some there; then send it again"
)


def _entry_limit_text(max_bytes: int) -> str:
    advice = "send several commands, or raise frame_cap_bytes=, and max_write_bytes= of the stores, on every node"
    return f"an entry may have {max_bytes} bytes: {advice}"
