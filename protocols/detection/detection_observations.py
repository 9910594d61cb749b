"""Detection observations: name the events that a failure detector reports to operators, and the data of each."""

from __future__ import annotations

from typing import Final

from coterie.protocols.algorithm import NodeId, Observe

__all__ = ["MESSAGE_REFUSED", "PAUSE_NOTICED", "message_refused"]

MESSAGE_REFUSED: Final = "detector.message_refused"
"""A message is ignored: `node`, `peer` (its sender), `message` (its class), `reason`. Perhaps configurations differ."""

PAUSE_NOTICED: Final = "detector.pause_noticed"
"""This process did not run, and leaves the time out of account: `node`, `pause_s`."""


def message_refused(node: NodeId, sender: NodeId, message: object, reason: str) -> Observe:
    """Return the observation that `node` ignores a message of `sender`."""
    facts = {"node": node, "peer": sender, "message": type(message).__name__, "reason": reason}
    return Observe(MESSAGE_REFUSED, facts)
