"""Synod observations: name the events that a Paxos node reports to operators, and the data of each."""

from __future__ import annotations

from typing import Final

__all__ = ["BACKED_OFF", "BALLOT_IMPLAUSIBLE", "ROUND_STARTED", "VALUE_CHOSEN"]

ROUND_STARTED: Final = "synod.round_started"
"""This node's proposer starts phase 1: `node`, `round`."""

BACKED_OFF: Final = "synod.backed_off"
"""A higher ballot was promised elsewhere, so this proposer waits: `node`, `round` (the refused one), `wait_s`."""

BALLOT_IMPLAUSIBLE: Final = "synod.ballot_implausible"
"""A member uses a ballot that is too far ahead to be true (see `plausibility`), and is not heard: `node`, `sender`,
`round`. Told once for each sender."""

VALUE_CHOSEN: Final = "synod.value_chosen"
"""This node learned the chosen value: `node`, `round` (in which a quorum accepted it), `value_bytes` (its length)."""
