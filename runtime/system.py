"""`System`: spawns, finds and stops the actors of one process, and connects the process to other systems.

    async with System() as system:
        counter = system.spawn(Counter)
        counter.tell(Add(1))
        print(await counter.ask(Add(2)))

The host program owns the event loop: a system creates no loop, sets no policy, handles no signal and has no module
state.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from coterie.runtime.actor import Actor
from coterie.runtime.actor_registry import ActorRegistry
from coterie.runtime.cells.ask_cycles import Wait, described_waits
from coterie.runtime.cells.cell import cell_of
from coterie.runtime.cells.mailbox import Overflow
from coterie.runtime.cells.metering.request_meter import RequestMeter
from coterie.runtime.cells.spawn_options import Exported
from coterie.runtime.cells.supervision import Supervision
from coterie.runtime.datagrams.datagrams import Datagrams
from coterie.runtime.hosts.host import Host
from coterie.runtime.hosts.real_host import RealHost
from coterie.runtime.hosts.tls_config import TlsConfig
from coterie.runtime.observing.actor_events import Events
from coterie.runtime.observing.dead_letters import DeadLetter, DeadLetters
from coterie.runtime.observing.error_texts import error_line
from coterie.runtime.observing.full_mailboxes import FullMailboxes
from coterie.runtime.observing.loggers import logger
from coterie.runtime.observing.system_stats import SystemStats, stats_of
from coterie.runtime.observing.watchdog import CHECKS_PER_STALL, Watchdog
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.incoming.remote_spawn import Spawnable
from coterie.runtime.remote.link_events import LinkEvent, wait_until_linked
from coterie.runtime.remote.remoting import Remoting
from coterie.runtime.system_config import SystemConfig
from coterie.runtime.threadsafe import ThreadSafe
from coterie.runtime.transport.handshake.identity import Peer, PeerRole, SystemIdentity
from coterie.runtime.transport.handshake.shared_key import Auth

__all__ = ["System", "SystemConfig"]

M = TypeVar("M")
T = TypeVar("T")


class System:
    """Runs actors. Use it as an async context manager.

    Args:
        node: this system's name in the cluster.
        cluster: the cluster's id; links form only within one. A client may leave it "".
        role: a node of the cluster, or a client outside it.
        host: clocks, network, disk and threads (default: this machine). One host belongs to one system.
        config: see `SystemConfig`.
        spawnable: the actors that other nodes may spawn here by name, see `spawn_on`; none by default.
        clients_may_spawn: True lets clients spawn them too.
        auth: the keys that both ends of a link must prove to know: a node's `SharedKey`, or a client's own `ClientKey`.
        tls: the certificates for mutual TLS on every link; None: links are plain.
    """

    def __init__(
        self,
        node: str = "local",
        *,
        cluster: str = "local",
        role: PeerRole = PeerRole.NODE,
        host: Host | None = None,
        config: SystemConfig | None = None,
        spawnable: Mapping[str, Callable[..., Actor[Any]]] | None = None,
        clients_may_spawn: bool = False,
        auth: Auth | None = None,
        tls: TlsConfig | None = None,
    ) -> None:
        self.node = node
        self.host: Host = host if host is not None else RealHost()
        self.config = config if config is not None else SystemConfig()
        self.incarnation = self.host.random.getrandbits(63)
        self.identity = SystemIdentity(cluster, node, self.incarnation, role)
        is_simulated = not isinstance(self.host, RealHost)
        self.log = logger("runtime", self.host.clock.monotonic, needs_handler=is_simulated).bind(node=node)
        self.events = Events(self.log)
        self.threadsafe = ThreadSafe(self)
        self.dead_letters = DeadLetters(self.log)
        self.full_mailboxes = FullMailboxes(self.log)
        self.dead_letters.listen(self._publish_dead_letter)
        self.failures = self.restarts = 0
        self.spawnable = Spawnable(spawnable or {}, clients_may_spawn)
        self.remoting = Remoting(self, self.config.remote, auth=auth, tls=tls)
        self.datagrams = Datagrams(self, auth, has_tls=tls is not None)
        self.registry = ActorRegistry(self)
        self._fault: BaseException | None = None
        self._owner: asyncio.Task[Any] | None = None
        self.is_stopping = self._cancelled_owner = False
        self._stop_watchdog: Callable[[], None] = lambda: None
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self._extensions: dict[object, object] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    # --- start and stop ---------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Start on the running loop."""
        if self._loop is not None:
            raise RuntimeError(f"system {self.node!r} was entered before: make a new System")
        self._loop = asyncio.get_running_loop()
        self._owner = asyncio.current_task()
        self.run_queue = self.host.run_queue(self._loop, self.node)
        self.registry.begin(self._loop)
        if (stall_s := self.config.stall_s) is not None:
            self._stop_watchdog = self.host.executor.call_periodically(
                Watchdog(self, stall_s).check, stall_s / CHECKS_PER_STALL
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop every actor and close every link. Raises the fault passed to `fail`, if any.

        If it is cancelled meanwhile, it cancels the actors instead of waiting for them, closes the rest, and raises
        CancelledError.
        """
        if self._cancelled_owner and kind is not asyncio.CancelledError:
            await self._take_own_cancellation()
        try:
            await self._stop_all()
        finally:
            if self._fault is not None:
                if self._cancelled_owner and self._owner is not None:
                    self._owner.uncancel()
                raise self._fault

    async def _take_own_cancellation(self) -> None:
        """Receive the cancellation by `fail` if the body ended without awaiting: it must not interrupt the stop."""
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop this system runs on. RuntimeError outside its `async with`."""
        if self._loop is None:
            raise RuntimeError(self.registry.not_running)
        return self._loop

    def fail(self, fault: BaseException) -> None:
        """Stop because of a fatal fault (such as a failed fsync): it is raised from the system's `async with`.

        Only the first fault counts. The body of the `async with` is cancelled, unless it has ended.
        """
        if self._fault is not None:
            return
        self._fault = fault
        self.log.critical("system.failed", error=error_line(fault), exc_info=fault)
        if self._owner is not None and not self._owner.done() and not self.is_stopping:
            self._cancelled_owner = True
            self._owner.cancel()

    @property
    def fault(self) -> BaseException | None:
        """The fault passed to `fail`; None if there is none."""
        return self._fault

    async def _stop_all(self) -> None:
        """Stop actors, asks, links, closers and threads, in this order; each even if an earlier one failed."""
        self.is_stopping = True
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self.host.executor.close)
            stack.callback(self._stop_watchdog)
            for closer in self._closers:
                stack.push_async_callback(closer)
            if self.remoting.transport is not None:
                stack.push_async_callback(self.remoting.transport.close)
            stack.callback(self.remoting.close)
            stack.callback(self.datagrams.close)
            stack.callback(self.full_mailboxes.close)
            stack.callback(self.registry.ask_deadlines.close)
            await self._stop_actors()

    async def _stop_actors(self) -> None:
        late = {cell.stop() for cell in reversed(self.registry.cells) if cell.parent is None}
        if not late:
            return
        try:
            _, late = await asyncio.wait(late, timeout=self.config.stop_timeout_s)
        except asyncio.CancelledError:
            await self._kill_all(late)
            raise
        if late:
            await self._kill_all(late)

    def at_end(self, closer: Callable[[], Awaitable[None]]) -> None:
        """Await `closer()` when the system stops: after its actors and links, before its threads end."""
        self._closers.append(closer)

    def extension(self, kind: Callable[[System], T]) -> T:
        """Return this system's one object of `kind`, made by `kind(system)` at the first call (Akka's extensions)."""
        found = self._extensions.get(kind)
        if found is None:
            found = self._extensions[kind] = kind(self)
        return cast(T, found)

    async def _kill_all(self, late: set[asyncio.Future[None]]) -> None:
        """Cancel the handlers that did not return, and wait one second for them to end."""
        for cell in self.registry.cells:
            self.log.error("actor.killed", actor=cell.path, stop_timeout_s=self.config.stop_timeout_s)
            cell.kill()
        await asyncio.wait(late, timeout=1.0)

    # --- actors -----------------------------------------------------------------------------------------------------

    def spawn(
        self,
        factory: Callable[[], Actor[M]],
        *,
        name: str | None = None,
        supervision: Supervision | None = None,
        capacity: int | None = None,
        overflow: Overflow = Overflow.FAIL,
        exported: Exported = False,
        meter: RequestMeter | None = None,
    ) -> Ref[M]:
        """Start an actor and return its ref, at once.

        Args:
            factory: makes the actor, now and at each restart: a class, or `functools.partial(Counter, 3)`.
            name: its path (default: the class name and a number).
            supervision: its restart policy (default: `Supervision()`).
            capacity: the most messages that wait in a lane of its mailbox (default: the system's).
            overflow: the policy for a message whose lane is full.
            exported: True lets clients outside the cluster reach it; "operators": those that operate the cluster.
            meter: follows its requests, for load reports (default: none, and no cost).

        Raises:
            ValueError: the name is taken, empty, not printable or contains a "/", or the capacity is less than 1.
            RuntimeError: the system, or the parent, is stopping.
            WrongThread: this is not the thread, or not the loop, of the system.
            MessageTypeError: one of its message types is not a message, its `receive` is annotated for other messages,
                or another class has one of their wire names.
        """
        options = self.registry.spawn_options(supervision, capacity, overflow, exported, meter)
        return self.registry.spawn_under(None, factory, name, options)

    def stop(self, ref: Ref[Any], *, drain: bool = False) -> asyncio.Future[None]:
        """Stop an actor of this system after its current message; the future is done when it has stopped.

        Messages in its mailbox become dead letters, asks among them fail with `ActorStopped`; its children stop first.
        With `drain` it accepts no new messages, and stops when it has handled those that already wait.
        """
        self.run_queue.check_loop()
        cell = None if ref.as_client else cell_of(self, ref)
        if cell is None:
            raise ValueError(f"stop({ref!r}): only an actor of {self.node!r} can be stopped, by no ref of a client")
        return cell.stop(drain=drain)

    def at(self, address: Address) -> Ref[Any]:
        """Return a ref to the actor that has `address` when a message arrives; the ref never becomes invalid."""
        return self.registry.named_ref(address.node, 0, address.path, 0)

    def lookup(
        self, place: Address | str, actor_class: type[Actor[M]] | None = None, *, timeout_s: float | None = None
    ) -> asyncio.Future[Ref[M]]:
        """Return a future of the ref of the actor now at `place` ("node/path"); see `Remoting.lookup`."""
        return self.remoting.lookup(place, actor_class, timeout_s)

    def spawn_on(
        self, node: str, kind: str, *arguments: object, name: str | None = None, timeout_s: float | None = None
    ) -> asyncio.Future[Ref[Any]]:
        """Request a spawn on `node`, of a kind in that system's `spawnable`; see `Remoting.spawn_on`."""
        return self.remoting.spawn_on(node, kind, arguments, name, timeout_s)

    # --- asks -------------------------------------------------------------------------------------------------------

    def waiting(self) -> tuple[Wait, ...]:
        """Return the asks that handlers are waiting for now: the edges of the wait-for graph."""
        now = self.host.clock.monotonic()
        return tuple(wait for cell in self.registry.cells for wait in described_waits(cell, now))

    def _publish_dead_letter(self, letter: DeadLetter, _: object) -> None:
        if self.events.listeners:
            facts = {"message": letter.message, "reason": letter.reason.value, "detail": letter.detail}
            self.events.publish("dead_letter", letter.target, **facts)

    # --- links ------------------------------------------------------------------------------------------------------

    async def listen(
        self, host: str = "127.0.0.1", port: int = 0, *, insecure: bool = False, datagrams: bool = False
    ) -> tuple[str, int]:
        """Accept links at (host, port); return what was bound (port 0: any free one).

        `datagrams`: open a socket for datagrams at the same address, too, see `Datagrams`. With `tls` and without
        `auth` it is not opened: what is told by datagram then goes over the links.

        Raises:
            InsecureBind: `host` is not loopback, there is neither `auth` nor `tls`, and `insecure` is not True.
            OSError: the address cannot be bound, or a certificate cannot be read (also from `add_peer` and `dial`).
        """
        if datagrams:
            return await self.datagrams.listen(self.remoting.network(), host, port, insecure=insecure)
        return await self.remoting.network().listen(host, port, insecure=insecure)

    def add_peer(self, node: str, host: str, port: int, *, may_dial: bool = True) -> None:
        """Maintain a link with a node of the cluster: the one with the smaller name dials, we only if `may_dial`."""
        self.remoting.network().add_peer(node, host, port, may_dial=may_dial)

    def dial(self, host: str, port: int, *, node: str = "") -> None:
        """Maintain a link with the system at (host, port): for clients. `node`: its name; "": whatever that is."""
        self.remoting.network().dial(host, port, node=node)

    def declare_lost(self, node: str, reason: str) -> None:
        """Act at once as if `node` had crashed: for the verdict of a failure detector, which gives the `reason`.

        Its link is closed: pending asks fail as unknown. Watches on its actors end with the cause "lost: …", and link
        listeners are notified. Dialling goes on: a node that was wrongly declared lost is linked again, and its
        addresses resolve again. No effect on a node that is unknown or lost already, but that its watches end.
        """
        self.remoting.declare_lost(node, reason)

    def reload_certificates(self) -> list[str]:
        """Read the certificates again, for new links; return the peers whose links end, as theirs does not count now.

        Raises:
            TransportError: this system was made without `tls`.
            OSError: a file cannot be read, or its content is not valid. Nothing has changed.
        """
        return self.remoting.network().reload_certificates()

    def on_link(self, listener: Callable[[LinkEvent], None]) -> Callable[[], None]:
        """Call `listener` at each link up, link down and node lost; return a function that removes it."""
        self.remoting.add_link_listener(listener)
        return lambda: self.remoting.remove_link_listener(listener)

    async def linked(self, node: str, timeout_s: float = 5.0) -> None:
        """Wait until there is a link with `node`. NodeUnreachable: there was none within `timeout_s` seconds."""
        await wait_until_linked(self.remoting, node, timeout_s)

    @property
    def links(self) -> tuple[Peer, ...]:
        """The systems that are linked now."""
        return tuple(self.remoting.linked)

    # --- inspection -------------------------------------------------------------------------------------------------

    def stats(self) -> SystemStats:
        """Return a snapshot of this system's counters."""
        return stats_of(self)

    @property
    def actor_count(self) -> int:
        """The number of actors alive now."""
        return self.registry.actor_count
