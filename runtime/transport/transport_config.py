"""`TransportConfig`: sets the size limits, timeouts and protocol versions of a transport, and explains each default."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.runtime.transport.framing.items import ARRAY_HEADER_BYTES
from coterie.runtime.transport.handshake.protocol_versions import VERSION_MAX, VERSION_MIN, Versions

__all__ = ["HELLO_CAP_BYTES", "TransportConfig"]

HELLO_CAP_BYTES = 4096
"""The longest payload that is read from a peer before its handshake has passed."""


@dataclass(frozen=True, slots=True)
class TransportConfig:
    """Sizes in bytes, times in seconds.

    Attributes:
        frame_cap_bytes: the longest payload of one frame that is accepted. It bounds what a hostile peer can make us
            hold: a decoded payload takes up to 55 times its size (see `unpacking.py`). All nodes should agree.
        client_frame_cap_bytes: the largest item, and the longest payload of one frame, that a client may send; never
            more than `frame_cap_bytes`. Clients and nodes should agree: a client refuses a larger item itself, and a
            node drops it and answers that it is too large. Lower: clients must cut their data; higher: a hostile client
            holds the loop of a node longer, some 60 ms for 512 KiB.
        frame_soft_bytes: where the items of one tick are cut into several frames, and a larger item into chunks.
            Lower: more headers. Higher: a receiver handles more before anything else gets its turn.
        message_cap_bytes: the largest item, sent or accepted; it crosses in chunks. Each connection may hold one
            such item of each of its lanes until it is complete. An item of an authenticated node that is hostile takes
            up to 50 times its size to decode, and holds the loop for 0.1 to 0.3 s for each MiB. All nodes should agree;
            an item beyond the receiver's cap closes the link. (To a node of protocol version 2 the cap is that of its
            frames.)
        outbound_limit_bytes: bytes that may wait for one connection (our queue and the socket's buffer together) before
            `OutboundFull`; as much again, in each lane, for items behind a large item that is being sent.
            Lower: bursts are refused. Higher: a peer that never reads costs that much memory.
        write_buffer_bytes: how much of that is handed to the socket's buffer before we wait for it to drain.
        connections_max: most accepted connections of links; a link takes two. Two for each other node (`add_peer`) are
            theirs alone, the rest are for clients, of one owner or at one address three of four of these
            (`connection_slots.py`); one too many is refused. The limit of open files (ulimit -n) may allow fewer,
            which is logged. Lower: busy clusters refuse clients; higher: memory, and descriptors.
        handshakes_max: most accepted connections that have not said who they are, and most incoming TLS handshakes at
            once; one too many ends the oldest. Lower: a storm of connections ends honest handshakes; higher: strangers
            hold that many descriptors for `handshake_timeout_s`.
        handshake_timeout_s: longest time for connecting, for a handshake, and for the second connection of a link; all
            together take up to six round trips. Lower: no link is made over slow networks; higher: strangers that say
            nothing keep their places longer (see `handshakes_max`).
        keepalive_interval_s: an empty frame is sent when nothing else was for this long; also the granularity of all
            the times below.
        silence_timeout_s: a connection on which nothing arrives for this long is closed. A stopped process keeps its
            TCP connections up, so silence is the only sign. At least three keep-alives, so that one delayed
            keep-alive closes nothing.
        frame_timeout_s: a connection on which one frame takes this long to arrive is closed. Lower: slow networks
            cannot carry a whole frame (at most `frame_cap_bytes`); higher: a peer that trickles bytes stays longer.
        stall_timeout_s: a connection whose peer has hardly read for this long (less than 4 KiB between two
            keep-alives) while our buffer for it is full is closed.
        lost_after_s: a node without a link (or silent) for this long is lost. Lower: watchers are notified sooner;
            higher: short outages and restarts of switches go unnoticed.
        reconnect_first_s, reconnect_cap_s: the back-off between dials doubles from the first to the cap, each time
            multiplied by a random factor in 0.5 … 1.
        reconnect_full_cap_s: the cap while the other end refuses us because it has no room. Lower: many refused clients
            keep a full node busy; higher: a place that has become free is taken later.
        drain_timeout_s: how long the second connection of a link may still deliver after the first one ended.
        close_timeout_s: longest wait of `close` for queued bytes to leave.
        version_min, version_max: the supported protocol versions. Lower the maximum to disable new features until
            all nodes are upgraded; raise the minimum to refuse old nodes.
    """

    frame_cap_bytes: int = 4 * 1024 * 1024
    client_frame_cap_bytes: int = 512 * 1024
    frame_soft_bytes: int = 64 * 1024
    message_cap_bytes: int = 64 * 1024 * 1024
    outbound_limit_bytes: int = 16 * 1024 * 1024
    write_buffer_bytes: int = 256 * 1024
    connections_max: int = 1024
    handshakes_max: int = 128
    handshake_timeout_s: float = 5.0
    keepalive_interval_s: float = 0.5
    silence_timeout_s: float = 3.0
    frame_timeout_s: float = 10.0
    stall_timeout_s: float = 10.0
    lost_after_s: float = 5.0
    reconnect_first_s: float = 0.05
    reconnect_cap_s: float = 1.0
    reconnect_full_cap_s: float = 10.0
    drain_timeout_s: float = 0.25
    close_timeout_s: float = 1.0
    version_min: int = VERSION_MIN
    version_max: int = VERSION_MAX

    @property
    def versions(self) -> Versions:
        """The lowest and the highest supported protocol version."""
        return self.version_min, self.version_max

    @property
    def client_cap_bytes(self) -> int:
        """The largest item, and the longest payload, that a client may send."""
        return min(self.client_frame_cap_bytes, self.frame_cap_bytes)

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        if not HELLO_CAP_BYTES <= self.frame_cap_bytes < 2**32:
            raise ValueError(f"frame_cap_bytes must be in {HELLO_CAP_BYTES} … 2**32-1, not {self.frame_cap_bytes}")
        if self.client_frame_cap_bytes < HELLO_CAP_BYTES:
            raise ValueError(
                f"client_frame_cap_bytes must be at least {HELLO_CAP_BYTES}, not {self.client_frame_cap_bytes}"
            )
        if self.frame_soft_bytes > self.frame_cap_bytes - ARRAY_HEADER_BYTES:
            raise ValueError(
                f"frame_soft_bytes ({self.frame_soft_bytes}) plus {ARRAY_HEADER_BYTES} must fit into a frame "
                f"(frame_cap_bytes is {self.frame_cap_bytes})"
            )
        if not self.frame_cap_bytes <= self.message_cap_bytes < 2**32:
            raise ValueError(
                f"message_cap_bytes must be in {self.frame_cap_bytes} (frame_cap_bytes) … 2**32-1, "
                f"not {self.message_cap_bytes}"
            )
        if not VERSION_MIN <= self.version_min <= self.version_max <= VERSION_MAX:
            raise ValueError(
                f"versions {self.version_min} … {self.version_max} are not supported; "
                f"supported are {VERSION_MIN} … {VERSION_MAX}"
            )
        if self.outbound_limit_bytes < self.frame_cap_bytes:
            raise ValueError(
                f"outbound_limit_bytes ({self.outbound_limit_bytes}) must hold at least one frame "
                f"(frame_cap_bytes is {self.frame_cap_bytes})"
            )
        if self.silence_timeout_s < 3 * self.keepalive_interval_s:
            raise ValueError(
                f"silence_timeout_s ({self.silence_timeout_s}) must be at least three keep-alive intervals "
                f"(keepalive_interval_s is {self.keepalive_interval_s})"
            )
        if self.reconnect_cap_s < self.reconnect_first_s:
            raise ValueError(
                f"reconnect_cap_s ({self.reconnect_cap_s}) is below reconnect_first_s ({self.reconnect_first_s})"
            )
        if self.reconnect_full_cap_s < self.reconnect_cap_s:
            raise ValueError(
                f"reconnect_full_cap_s ({self.reconnect_full_cap_s}) is below reconnect_cap_s ({self.reconnect_cap_s})"
            )
