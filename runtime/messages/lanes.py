"""The lanes of a message: what may overtake what."""

from __future__ import annotations

import enum

__all__ = ["Lane"]


class Lane(enum.IntEnum):
    """First in, first out holds within a lane. The numbers travel on the wire and order urgency: lower goes first."""

    CONTROL = 0  # the runtime's own signals: stop, watch, timers
    CONSENSUS = 1  # messages of the algorithms
    BULK = 2  # everything else
