"""The outside world as the runtime sees it: clock, random, network, disk, executor.

`runtime/` and `actors/` reach the outside only through a `Host`, so that a simulator can be the host. `RealHost`
(`real_host`) is this machine; `VirtualHost` (`virtual/`) is a world where time jumps.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from coterie.runtime.hosts.tls_config import TlsConfig

if TYPE_CHECKING:
    from coterie.runtime.cells.run_queue import RunQueue

__all__ = ["Clock", "Connections", "Disk", "Executor", "File", "Host", "Listener", "Network", "SecuredNetwork"]

T = TypeVar("T")


class Clock(Protocol):
    """Two clocks, both in seconds."""

    def monotonic(self) -> float:
        """Return a time that never goes back; only differences mean anything."""
        ...

    def wall(self) -> float:
        """Return seconds since the epoch; may jump. For people, never for decisions."""
        ...


class Listener(Protocol):
    """A listening socket."""

    @property
    def address(self) -> tuple[str, int]:
        """The (host, port) really bound: port 0 asked for any."""
        ...

    def close(self) -> None:
        """Stop accepting; connections that were accepted live on. Twice is harmless."""
        ...


class Connections(Protocol):
    """Stream connections between asyncio protocols."""

    async def listen(self, factory: Callable[[], asyncio.Protocol], host: str, port: int) -> Listener:
        """Accept connections at (host, port), a protocol of `factory` for each. OSError if it cannot be bound."""
        ...

    async def connect(self, factory: Callable[[], asyncio.Protocol], host: str, port: int) -> None:
        """Connect a protocol of `factory` to (host, port). OSError if nobody answers."""
        ...


class SecuredNetwork(Connections, Protocol):
    """Stream connections, each in mutual TLS 1.3: both ends have shown a certificate that an authority signed.

    To whom it was made out is for the user of the connection to compare, by `get_extra_info("ssl_object")`. `connect`
    raises HandshakeRefused if somebody answers without a good certificate.
    """

    def reload(self) -> None:
        """Read the certificates again, for the connections from now on. If it raises OSError nothing has changed."""
        ...


class Network(Connections, Protocol):
    """The network: stream connections, plain or secured."""

    def secured(self, tls: TlsConfig, refused: Callable[[str], None], *, handshake_timeout_s: float) -> SecuredNetwork:
        """Return the same network in mutual TLS; who takes longer than `handshake_timeout_s` to get there is dropped.

        `refused` is called with the reason when somebody who connected had no good certificate. OSError, naming the
        file, if a certificate cannot be read.
        """
        ...

    def names_on(self, tls: TlsConfig) -> tuple[str, ...]:
        """Return the names that our own certificate vouches for. OSError, naming the file, if it cannot be read."""
        ...


class File(Protocol):
    """An open file. All calls block: use them on the disk executor only."""

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`; fewer only at the end of the file."""
        ...

    def write_at(self, offset: int, data: bytes) -> None:
        """Write all of `data` at `offset` (not durable before `sync`). OSError if it cannot."""
        ...

    def truncate(self, size: int) -> None:
        """Cut or extend (with zeros) to `size` bytes."""
        ...

    def size(self) -> int:
        """Return the size in bytes."""
        ...

    def sync(self) -> None:
        """Make data and size durable (fdatasync). An OSError is final: never retry, the data may be gone."""
        ...

    def close(self) -> None:
        """Close it. Twice is harmless."""
        ...


class Disk(Protocol):
    """A file system, by absolute or relative path strings. All calls block: use them on the disk executor only."""

    def open(self, path: str, *, create: bool = False) -> File:
        """Open for reading and writing. `create` makes it and fails with FileExistsError if it is there."""
        ...

    def names(self, directory: str) -> list[str]:
        """Return the sorted names in `directory`. FileNotFoundError if there is none."""
        ...

    def exists(self, path: str) -> bool:
        """Return whether a file or directory is at `path`."""
        ...

    def make_directories(self, path: str) -> None:
        """Create `path` and what is missing above it, durably; nothing if it is there."""
        ...

    def rename(self, source: str, target: str) -> None:
        """Replace `target` by `source`, atomically; durable only after `sync_directory`."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file; durable only after `sync_directory`."""
        ...

    def sync_directory(self, path: str) -> None:
        """Make creations, renames and removals in `path` durable."""
        ...

    def lock(self, path: str) -> Callable[[], None]:
        """Lock `path` (created if missing) against every other process and opener; return the unlocker.

        BlockingIOError if somebody has it.
        """
        ...


class Executor(Protocol):
    """Where blocking functions run."""

    def run(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Run `function` on a worker thread (several at once)."""
        ...

    def run_disk(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Run `function` on the one disk thread, in order of the calls."""
        ...

    def submit_disk(self, function: Callable[[], T], done: Callable[[T | None, BaseException | None], None]) -> None:
        """Do as `run_disk` does, then call `done(result, error)` on the loop: a future would cost one more turn of it.

        What `done` raises goes to the loop's exception handler.
        """
        ...

    def watch(self, look: Callable[[], None], interval_s: float) -> Callable[[], None]:
        """Call `look` every `interval_s` seconds on a thread of its own, whatever the loop does; return what ends that.

        Where time is virtual nothing is called: there a loop is never held.
        """
        ...

    def close(self) -> None:
        """Let the threads end after their present work. Twice is harmless."""
        ...


class Host(Protocol):
    """The whole outside world. One Host belongs to one System."""

    @property
    def clock(self) -> Clock:
        """The clocks."""
        ...

    @property
    def random(self) -> random.Random:
        """The generator from which all others are seeded."""
        ...

    @property
    def network(self) -> Network:
        """The network."""
        ...

    @property
    def disk(self) -> Disk:
        """The file system."""
        ...

    @property
    def executor(self) -> Executor:
        """The worker threads."""
        ...

    def run_queue(self, loop: asyncio.AbstractEventLoop, owner: str) -> RunQueue:
        """Make the run queue of the System `owner`, which runs on `loop`: a simulator's draws who goes next."""
        ...
