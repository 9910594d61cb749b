"""`SystemConfig`: sets a system's timeouts, mailbox capacity, detection of blocked loops, transport and remoting."""

from __future__ import annotations

from dataclasses import dataclass, field

from coterie.runtime.datagrams.datagram_config import DatagramConfig
from coterie.runtime.remote.remote_config import RemoteConfig
from coterie.runtime.transport.transport_config import TransportConfig

__all__ = ["SystemConfig"]


@dataclass(frozen=True, slots=True)
class SystemConfig:
    """The settings of a system.

    `ask_timeout_s`: the default timeout of an ask, seconds. `capacity`: the default bound of a mailbox lane,
    messages: too low refuses bursts, too high hides overload and costs memory. `stop_timeout_s`: how long actors may
    take to finish their current message when the system stops; then they are cancelled. `stall_s`: how long one
    message may block the loop before the watchdog reports it (None: no watchdog): too low reports actors that the
    operating system has paused, too high misses stalls that delay heartbeats. `transport`: sizes and times of the
    links. `remote`: bounds per linked node on unanswered requests, waiting offers and routes. `datagrams`: size of
    datagrams, and how late they may be.
    """

    ask_timeout_s: float = 5.0
    capacity: int = 10_000
    stop_timeout_s: float = 5.0
    stall_s: float | None = 0.5
    transport: TransportConfig = field(default_factory=TransportConfig)
    remote: RemoteConfig = field(default_factory=RemoteConfig)
    datagrams: DatagramConfig = field(default_factory=DatagramConfig)

    def __post_init__(self) -> None:
        for name, value in (("ask_timeout_s", self.ask_timeout_s), ("stop_timeout_s", self.stop_timeout_s)):
            if value <= 0:
                raise ValueError(f"{name} is {value}: it must be more than 0")
        if self.stall_s is not None and self.stall_s <= 0:
            raise ValueError(f"stall_s is {self.stall_s}: it must be more than 0, or None")
        if self.capacity < 1:
            raise ValueError(f"capacity is {self.capacity}: a mailbox holds at least 1 message")
