"""Detector messages: defines reports about the members of a cluster, and changes of opinion that are sent to actors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from coterie.protocols.detection.failure_detector import Failed, MemberStatus, StateChange, Suspected, Trusted
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.messages.speakers import Speaker

__all__ = [
    "DETECTOR_PATH",
    "MemberLine",
    "MembersReport",
    "PeerChange",
    "PeerFailed",
    "PeerSuspected",
    "PeerTrusted",
    "ReportMembers",
    "member_line",
    "peer_change",
]

DETECTOR_PATH: Final = "#detector"
"""The path of the detector on every node: no other part of a topology can have this name."""

Evidence = Mapping[str, float | int | str | bool]


@message(name="detection.PeerSuspected", speaker=Speaker.NODE)
class PeerSuspected:
    """Node `observer` suspects `peer`: requests should go to other nodes. `evidence`: numbers, keys with units."""

    observer: str
    peer: str
    reason: str
    evidence: Evidence


@message(name="detection.PeerTrusted", speaker=Speaker.NODE)
class PeerTrusted:
    """Node `observer` does not suspect `peer` any more, or has seen it come back after it had failed."""

    observer: str
    peer: str
    reason: str
    evidence: Evidence


@message(name="detection.PeerFailed", speaker=Speaker.NODE)
class PeerFailed:
    """Node `observer` has suspected `peer` for so long that others should act as if it had crashed."""

    observer: str
    peer: str
    reason: str
    evidence: Evidence


PeerChange = PeerSuspected | PeerTrusted | PeerFailed


@message(name="detection.MemberLine")
class MemberLine:
    """A node's opinion of a peer, as `MemberStatus`; `state` is the value of a `MemberState`."""

    peer: str
    state: str
    suspicion: float
    reason: str
    incarnation: int
    round_trip_s: float | None
    suspected_by: tuple[str, ...]


@message(name="detection.MembersReport")
class MembersReport:
    """The opinions of `node` about its peers, sorted by name. `detector`: the class of its settings, or None."""

    node: str
    detector: str | None
    members: tuple[MemberLine, ...]


@message(name="detection.ReportMembers", speaker=Speaker.OPERATOR)
class ReportMembers(Ask[MembersReport]):
    """Ask a node for its opinion of its peers."""


def peer_change(observer: str, change: StateChange) -> PeerChange:
    """Return the message that tells an actor of a change of `observer`'s opinion."""
    classes: dict[type, type[PeerChange]] = {Suspected: PeerSuspected, Trusted: PeerTrusted, Failed: PeerFailed}
    return classes[type(change)](observer, change.peer, change.reason, _evidence(change.evidence))


def member_line(status: MemberStatus) -> MemberLine:
    """Return the row of a report."""
    return MemberLine(
        peer=status.peer,
        state=status.state.value,
        suspicion=status.suspicion,
        reason=status.reason,
        incarnation=status.incarnation,
        round_trip_s=status.round_trip_s,
        suspected_by=tuple(status.suspected_by),
    )


def _evidence(evidence: Mapping[str, object]) -> Evidence:
    """Return the evidence as it can cross the wire: anything but a number, a text or a bool as text."""
    return {key: value if isinstance(value, float | int | str) else str(value) for key, value in evidence.items()}
