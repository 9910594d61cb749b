"""`Host`: defines the interface by which the runtime uses clocks, random numbers, network, disk and threads.

`runtime/` and `actors/` reach the outside only through a `Host`, so that a simulator can be the host. `RealHost`
(`real_host.py`) is this machine; `VirtualHost` (`virtual/`) runs in virtual time; `SimulatedHost` (`simulation/`) is
one simulated process's view.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from coterie.runtime.hosts.resource_reading import Resources
from coterie.runtime.hosts.tls_config import TlsConfig

if TYPE_CHECKING:
    from coterie.runtime.cells.run_queue import RunQueue
    from coterie.runtime.transport.handshake.certificate import Certificate

__all__ = [
    "Clock",
    "Connections",
    "DatagramReceiver",
    "DatagramSocket",
    "Disk",
    "Executor",
    "File",
    "Host",
    "Listener",
    "Network",
    "SecuredNetwork",
]

T = TypeVar("T")

DatagramReceiver = Callable[[bytes, tuple[str, int]], None]
"""Takes a datagram and the (host, port) it says it comes from. It runs on the loop, and must not raise."""


class Clock(Protocol):
    """Two clocks, both in seconds."""

    def monotonic(self) -> float:
        """Return a time that never goes back; only differences have a meaning."""
        ...

    def wall(self) -> float:
        """Return seconds since the epoch; may jump. For display only, never for decisions."""
        ...


class Listener(Protocol):
    """A listening socket."""

    @property
    def address(self) -> tuple[str, int]:
        """The (host, port) bound; if port 0 was requested, the port that was assigned."""
        ...

    def close(self) -> None:
        """Stop accepting; accepted connections stay open. Idempotent."""
        ...


class Connections(Protocol):
    """Stream connections between asyncio protocols."""

    async def listen(self, factory: Callable[[], asyncio.Protocol], host: str, port: int) -> Listener:
        """Accept connections at (host, port), each with a new protocol from `factory`. OSError if it cannot bind."""
        ...

    async def connect(self, factory: Callable[[], asyncio.Protocol], host: str, port: int) -> None:
        """Connect a new protocol from `factory` to (host, port). OSError if the connection fails."""
        ...


class SecuredNetwork(Connections, Protocol):
    """Stream connections, each in mutual TLS 1.3: both ends have shown a certificate that an authority signed.

    The caller compares the peer's name with its certificate (`get_extra_info("ssl_object")`). `connect` raises
    HandshakeRefused if the peer has no valid certificate.
    """

    def reload(self) -> None:
        """Read the certificates again, for new connections. If it raises OSError nothing has changed."""
        ...

    def distrust(self, certificate: Certificate, *, now: float) -> str | None:
        """Return why a certificate would not be accepted at `now` (Unix time, s): expired, revoked, of no authority."""
        ...


class DatagramSocket(Protocol):
    """A socket for datagrams, which the network may lose, duplicate, reorder, delay or damage."""

    @property
    def address(self) -> tuple[str, int]:
        """The (host, port) bound; if port 0 was requested, the port that was assigned."""
        ...

    @property
    def dropped(self) -> int:
        """Number of datagrams that were not sent: the socket's buffer was full, or a name was not resolved yet."""
        ...

    @property
    def errors(self) -> int:
        """Number of errors of the network, for example a datagram that is too large, or one that was refused."""
        ...

    def send(self, data: bytes, address: tuple[str, int]) -> None:
        """Send a datagram to (host, port). Never blocks and never raises for the network; no effect once closed."""
        ...

    def close(self) -> None:
        """Send and receive nothing more. Idempotent."""
        ...


class Network(Connections, Protocol):
    """The network: stream connections, plain or secured, and datagrams."""

    async def resolve(self, host: str, port: int) -> list[tuple[str, int]]:
        """Return all addresses that a host name has, each with the port. OSError if it has none."""
        ...

    async def open_datagrams(self, received: DatagramReceiver, host: str, port: int) -> DatagramSocket:
        """Open a datagram socket at (host, port); `received` is called with each datagram that arrives.

        OSError, naming the address, if it cannot be bound.
        """
        ...

    def secured(
        self, tls: TlsConfig, on_refused: Callable[[str, str], None], *, handshake_timeout_s: float, handshakes_max: int
    ) -> SecuredNetwork:
        """Return the same network in mutual TLS.

        An incoming handshake is dropped if its first byte, or all of it from there on, takes longer than
        `handshake_timeout_s`, and the oldest one if there are more than `handshakes_max`.

        `on_refused` is called with the address (`host:port`) and the reason when an incoming connection has no valid
        certificate, or does not begin with TLS. OSError, naming the file, if a certificate cannot be read.
        """
        ...

    def certificate_names(self, tls: TlsConfig) -> tuple[str, ...]:
        """Return the names in our own certificate. OSError, naming the file, if it cannot be read."""
        ...


class File(Protocol):
    """An open file. All calls block: make them on the disk executor only."""

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`; fewer only at the end of the file."""
        ...

    def write_at(self, offset: int, data: bytes) -> None:
        """Write all of `data` at `offset` (not durable before `sync`). OSError if it fails."""
        ...

    def truncate(self, size: int) -> None:
        """Truncate or extend (with zeros) to `size` bytes."""
        ...

    def size(self) -> int:
        """Return the size in bytes."""
        ...

    def is_removed(self) -> bool:
        """Return whether the file has no name in the file system any more: its content ends with this process."""
        ...

    def sync(self) -> None:
        """Make data and size durable (fdatasync). An OSError is final: never retry, the data may be gone."""
        ...

    def close(self) -> None:
        """Close the file. Idempotent."""
        ...


class Disk(Protocol):
    """A file system, by absolute or relative path strings. All calls block: make them on the disk executor only."""

    def open(self, path: str, *, create: bool = False) -> File:
        """Open for reading and writing. `create` creates the file; FileExistsError if it exists."""
        ...

    def names(self, directory: str) -> list[str]:
        """Return the sorted names in `directory`. FileNotFoundError if it does not exist."""
        ...

    def exists(self, path: str) -> bool:
        """Return whether a file or directory is at `path`."""
        ...

    def is_private(self, path: str) -> bool:
        """Return whether nobody but its owner may enter a directory, or read a file."""
        ...

    def free_bytes(self, path: str) -> int:
        """Return how many bytes this process may still write to the file system of `path`, which exists."""
        ...

    def total_bytes(self, path: str) -> int:
        """Return the size in bytes of the file system of `path`, which exists."""
        ...

    def make_directories(self, path: str) -> None:
        """Create `path` and its missing parents, durably; do nothing if it exists."""
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
        """Lock `path` (created if missing) against every other process and opener; return the function that unlocks it.

        BlockingIOError if it is locked already.
        """
        ...


class Executor(Protocol):
    """Runs blocking functions."""

    def run(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Run `function` on a worker thread; several run at the same time."""
        ...

    def run_disk(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Run `function` on the single disk thread, in order of the calls."""
        ...

    def submit_disk(self, function: Callable[[], T], done: Callable[[T | None, BaseException | None], None]) -> None:
        """Do as `run_disk`, then call `done(result, error)` on the loop: a future would cost one more turn of the loop.

        An error raised by `done` goes to the loop's exception handler.
        """
        ...

    def call_periodically(self, function: Callable[[], None], interval_s: float) -> Callable[[], None]:
        """Call `function` every `interval_s` s on its own thread, even if the loop is blocked; return a stop function.

        In virtual time nothing is called: a virtual loop is never blocked.
        """
        ...

    def close(self) -> None:
        """Let the threads end after their current work. Idempotent."""
        ...


class Host(Protocol):
    """Clocks, random numbers, network, disk, executor and resources. One Host belongs to one System."""

    @property
    def clock(self) -> Clock:
        """The clocks."""
        ...

    @property
    def random(self) -> random.Random:
        """The random generator from which all others are seeded."""
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

    @property
    def resources(self) -> Resources:
        """The use of processors and memory."""
        ...

    def run_queue(self, loop: asyncio.AbstractEventLoop, owner: str) -> RunQueue:
        """Make the run queue of the System `owner`, which runs on `loop`; a simulator's queue picks a random cell."""
        ...
