"""Hostile clients: define the fault of a peer with a client's rights that sends anything, and what it may send."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar

from coterie.protocols.faults.kinds.fault_targets import Level

__all__ = ["Attack", "HostileClient"]


class Attack(enum.Enum):
    """What a hostile client sends."""

    ROWS = "rows"  # rows of every kind: odd values, numbers that no request has, routes to every actor
    MESSAGES = "messages"  # messages of every class, to every actor, with fields of the right types
    LETTERS = "letters"  # plausible letters of Raft and Synod, with terms and store ids that it has learned
    COMMANDS = "commands"  # commands for the log: forged sessions, repeated sequences, unknown and damaged commands
    REFS = "refs"  # messages with refs to actors and nodes of every kind, watches, look-ups
    FRAMES = "frames"  # damaged payloads, chunks without an end, frames that are cut off
    NAMES = "names"  # links under changing names, among them those of nodes and of other clients


@dataclass(frozen=True, slots=True)
class HostileClient:
    """For `duration_s` a client that the node `target` has admitted sends what `attack` says, drawn from `seed`."""

    KIND: ClassVar[str] = "hostile_client"
    LEVELS: ClassVar[frozenset[Level]] = frozenset({Level.SYSTEM})

    at_s: float
    target: str
    duration_s: float
    attack: Attack
    seed: int
