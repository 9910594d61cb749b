"""`DatagramConfig`: sets the longest datagram and the number of late datagrams that are accepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["SIZE_MAX", "SIZE_MIN", "DatagramConfig"]

SIZE_MIN: Final = 256
SIZE_MAX: Final = 65_507
"""The longest payload of UDP over IPv4 (bytes)."""


@dataclass(frozen=True, slots=True)
class DatagramConfig:
    """The settings of a system's datagrams.

    Attributes:
        max_bytes: the longest datagram that is sent, bytes from 256 to 65,507, without the headers of UDP and IP. A
            message that does not fit goes over the link instead. The default of 1400 leaves room for those headers, and
            for those of a tunnel, in an Ethernet frame. Lower: more messages go over the link. Higher: datagrams are
            split into fragments, and each is lost with its first lost fragment.
        replay_window: by fewer than so many datagrams of the same sender one may be overtaken; one that is later is
            dropped, since it may be a replay. Lower: a network that reorders much loses datagrams. Higher: more memory,
            one bit each for every peer.
    """

    max_bytes: int = 1400
    replay_window: int = 1024

    def __post_init__(self) -> None:
        if not SIZE_MIN <= self.max_bytes <= SIZE_MAX:
            raise ValueError(f"max_bytes is {self.max_bytes}: a datagram has {SIZE_MIN} … {SIZE_MAX} bytes")
        if self.replay_window < 1:
            raise ValueError(f"replay_window is {self.replay_window}: it must be at least 1")
