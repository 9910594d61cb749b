"""`Lane`: names the priority of a message: control, consensus or bulk; messages of one lane keep their order."""

from __future__ import annotations

import enum

__all__ = ["Lane"]


class Lane(enum.IntEnum):
    """The lane of a message, first in, first out. The numbers travel on the wire; a lower number goes first."""

    CONTROL = 0  # the runtime's own: watches, timers
    CONSENSUS = 1  # messages of the consensus algorithms
    BULK = 2  # all other messages
