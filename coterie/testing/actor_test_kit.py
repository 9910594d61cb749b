"""`TestKit`: runs one actor system for a test; fails the test if an actor fails or a resource is left behind."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from types import TracebackType
from typing import ClassVar, Self

from coterie.runtime.hosts.host import Host
from coterie.runtime.hosts.real_host import RealHost
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop
from coterie.runtime.observing.actor_events import Event
from coterie.runtime.system import System, SystemConfig
from coterie.testing.leak_check import no_leaks
from coterie.testing.probe import Probe

__all__ = ["TestKit"]


class TestKit:
    """One system and its probes, on any loop; on a `VirtualLoop` its host is virtual.

        async with TestKit() as kit:
            probe = kit.probe()
            kit.system.spawn(partial(Greeter, probe.ref)).tell(Greet("world"))
            await probe.expect(Greeting("hello, world"))

    At its end it raises an AssertionError if an actor failed (unless `may_fail`), or if a task, timer, socket, file,
    thread or process is left behind.

    Args:
        config: configuration of the system.
        may_fail: whether actors may fail, for tests of failures.
    """

    __test__: ClassVar[bool] = False  # pytest would collect a class named Test…
    system: System
    """The system, from the beginning of the `async with`."""

    def __init__(self, *, config: SystemConfig | None = None, may_fail: bool = False) -> None:
        self.failures: list[Event] = []
        """The `actor.failed` events so far."""
        self._config = config
        self._may_fail = may_fail
        self._exit = AsyncExitStack()

    def probe(self, *messages: type, name: str | None = None) -> Probe:
        """Spawn a probe; see `Probe`."""
        return Probe(self.system, *messages, name=name)

    async def __aenter__(self) -> Self:
        """Start the system on the running loop."""
        await self._exit.enter_async_context(no_leaks())
        self._exit.push(self._check_failures)
        is_virtual = isinstance(asyncio.get_running_loop(), VirtualLoop)
        host: Host = VirtualHost() if is_virtual else RealHost()
        self.system = await self._exit.enter_async_context(System("test", host=host, config=self._config))
        self.system.events.subscribe(self._record_failure)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the system; unless the body raised, check for failed actors and leaks."""
        await self._exit.__aexit__(kind, error, trace)

    def _check_failures(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self.failures and not self._may_fail:
            failed = "".join(f"\n  {event.actor}: {event.facts.get('error')}" for event in self.failures)
            raise AssertionError(f"actors failed (see may_fail=):{failed}")

    def _record_failure(self, event: Event) -> None:
        if event.name == "actor.failed":
            self.failures.append(event)
