"""`KeepAlive`: decides when a connection is silent, receives a frame too slowly, or is not read by the peer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coterie.runtime.transport.transport_config import TransportConfig

__all__ = ["DRAINED_BYTES_MIN", "Activity", "KeepAlive"]

DRAINED_BYTES_MIN: Final = 4096
"""Bytes that must leave a full buffer between two checks for the peer to count as reading."""


@dataclass(slots=True)
class Activity:
    """State of a connection at one check.

    `has_received`: whether any byte arrived since the last check. `frames`: count of whole frames received (modulo
    anything). `is_inside_frame`: whether part of a further frame has arrived. `unread_bytes`: bytes that wait in the
    socket's buffer if it is full, else 0.
    """

    has_received: bool
    frames: int
    is_inside_frame: bool
    unread_bytes: int


class KeepAlive:
    """Measures how long one connection has been silent, inside one frame, and stalled."""

    __slots__ = ("_config", "_frames", "_partial_s", "_stalled_s", "_unread_bytes", "silent_s")

    def __init__(self, config: TransportConfig) -> None:
        self._config = config
        self.silent_s = 0.0
        self._partial_s = 0.0
        self._stalled_s = 0.0
        self._frames = 0
        self._unread_bytes = 0

    def check(self, step_s: float, activity: Activity) -> str | None:
        """Advance time by `step_s`; return why the connection must be closed, or None."""
        is_trickling = activity.is_inside_frame and activity.frames == self._frames
        is_stalled = activity.unread_bytes > 0 and self._unread_bytes - activity.unread_bytes < DRAINED_BYTES_MIN
        self._frames, self._unread_bytes = activity.frames, activity.unread_bytes
        self.silent_s = 0.0 if activity.has_received else self.silent_s + step_s
        self._partial_s = self._partial_s + step_s if is_trickling else 0.0
        self._stalled_s = self._stalled_s + step_s if is_stalled else 0.0
        return self._failure()

    def _failure(self) -> str | None:
        config = self._config
        if self.silent_s >= config.silence_timeout_s:
            return f"silent for {self.silent_s:.1f} s"
        if self._partial_s >= config.frame_timeout_s:
            return f"one frame has been arriving for {self._partial_s:.1f} s"
        if self._stalled_s >= config.stall_timeout_s:
            return f"it has not read for {self._stalled_s:.1f} s, {self._unread_bytes} bytes wait"
        return None
