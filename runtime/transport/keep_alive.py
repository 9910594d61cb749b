"""How long a peer may be silent, keep a frame open, or not read. Pure: beats in, complaints out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coterie.runtime.transport.transport_config import TransportConfig

__all__ = ["DRAINED_BYTES_MIN", "Patience", "Vitals"]

DRAINED_BYTES_MIN: Final = 4096
"""How much of a full buffer must leave between two beats for its peer to count as one that reads."""


@dataclass(slots=True)
class Vitals:
    """What a connection shows at a beat.

    `has_heard`: whether anything has come since the last one. `frames`: how many whole frames have come (modulo
    anything). `is_inside_frame`: whether part of another one has. `unread_bytes`: what waits in the socket's buffer if
    that is full, else 0.
    """

    has_heard: bool
    frames: int
    is_inside_frame: bool
    unread_bytes: int


class Patience:
    """Watches one connection."""

    __slots__ = ("_config", "_frames", "_partial_s", "_stalled_s", "_unread_bytes", "silent_s")

    def __init__(self, config: TransportConfig) -> None:
        self._config = config
        self.silent_s = 0.0
        self._partial_s = 0.0
        self._stalled_s = 0.0
        self._frames = 0
        self._unread_bytes = 0

    def beat(self, step_s: float, vitals: Vitals) -> str | None:
        """Let `step_s` pass; return why the connection should be given up, or None."""
        is_trickling = vitals.is_inside_frame and vitals.frames == self._frames
        is_stalled = vitals.unread_bytes > 0 and self._unread_bytes - vitals.unread_bytes < DRAINED_BYTES_MIN
        self._frames, self._unread_bytes = vitals.frames, vitals.unread_bytes
        self.silent_s = 0.0 if vitals.has_heard else self.silent_s + step_s
        self._partial_s = self._partial_s + step_s if is_trickling else 0.0
        self._stalled_s = self._stalled_s + step_s if is_stalled else 0.0
        return self._complaint()

    def _complaint(self) -> str | None:
        config = self._config
        if self.silent_s >= config.silence_timeout_s:
            return f"silent for {self.silent_s:.1f} s"
        if self._partial_s >= config.frame_timeout_s:
            return f"one frame has been arriving for {self._partial_s:.1f} s"
        if self._stalled_s >= config.stall_timeout_s:
            return f"it has not read for {self._stalled_s:.1f} s, {self._unread_bytes} bytes wait"
        return None
