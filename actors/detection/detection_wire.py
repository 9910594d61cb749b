"""Detection wire: defines the wire names of the detectors' messages, and the envelope in which they travel.

The detectors are pure and do not depend on a wire, so their names are in this table. A name never changes: nodes of two
releases exchange messages.
"""

from __future__ import annotations

from typing import Final

from coterie.protocols.detection.detection_messages import Heartbeat, Probe, ProbeReply, ProbeReport, ProbeRequest
from coterie.protocols.detection.swim.swim_messages import (
    Ack,
    Gossip,
    IndirectPing,
    MemberRecord,
    Nack,
    Ping,
    StateExchange,
)
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import message, register_message
from coterie.runtime.messages.speakers import Speaker

__all__ = ["DETECTION_NAMES", "DetectorPeerMessage"]

DETECTION_NAMES: Final[dict[str, type]] = {
    "detection.Heartbeat": Heartbeat,
    "detection.Probe": Probe,
    "detection.ProbeReply": ProbeReply,
    "detection.ProbeRequest": ProbeRequest,
    "detection.ProbeReport": ProbeReport,
    "swim.MemberRecord": MemberRecord,
    "swim.Ping": Ping,
    "swim.Ack": Ack,
    "swim.IndirectPing": IndirectPing,
    "swim.Nack": Nack,
    "swim.Gossip": Gossip,
    "swim.StateExchange": StateExchange,
}

for _name, _cls in DETECTION_NAMES.items():
    register_message(_cls, name=_name, lane=Lane.CONSENSUS)


@message(name="detection.Letter", lane=Lane.CONSENSUS, speaker=Speaker.MEMBER)
class DetectorPeerMessage:
    """One message of a failure detector: `sender` is the node it comes from."""

    sender: str
    body: (
        Heartbeat
        | Probe
        | ProbeReply
        | ProbeRequest
        | ProbeReport
        | Ping
        | Ack
        | IndirectPing
        | Nack
        | Gossip
        | StateExchange
    )
