"""Every message of the failure detectors has a wire name, and decodes to what was encoded."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import msgpack
import pytest

from coterie.actors.detection.detection_wire import DETECTION_NAMES, DetectorPeerMessage
from coterie.errors import BadMessage
from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.detection_messages import Heartbeat, Probe, ProbeReply, ProbeReport, ProbeRequest
from coterie.protocols.detection.failure_detector import MemberState
from coterie.protocols.detection.swim.swim_messages import (
    Ack,
    Gossip,
    IndirectPing,
    MemberRecord,
    Nack,
    Ping,
    StateExchange,
    SwimMessage,
)
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import message_type
from coterie.runtime.messages.value_codecs import NO_REFS

RECORDS = tuple(
    MemberRecord(NodeId(f"n{number}"), 2**40 + number, state, NodeId("nœud"))
    for number, state in enumerate(MemberState)
)
HEARTBEATS_AND_PROBES = (Heartbeat, Probe, ProbeReply, ProbeRequest, ProbeReport)
SAMPLES: list[Any] = [
    Heartbeat(2**53 - 1, 7),
    Probe(1),
    ProbeReply(1),
    ProbeRequest(1, NodeId("n2"), 0.5),
    ProbeReport(1, False),
    Ping(2**31, RECORDS),
    Ack(0),
    IndirectPing(1, NodeId("n2"), 0.25, RECORDS[:1]),
    Nack(7),
    Gossip(RECORDS),
    StateExchange(RECORDS, is_answer=True),
]


def bodies() -> set[type]:
    (field,) = [field for field in dataclasses.fields(DetectorPeerMessage) if field.name == "body"]
    annotation: Any = field.type
    union = eval(annotation, vars(sys.modules[DetectorPeerMessage.__module__]))
    return set(union.__args__)


def test_every_message_of_a_detector_travels_in_the_envelope() -> None:
    assert bodies() == {*HEARTBEATS_AND_PROBES, *SwimMessage.__args__}
    assert bodies() == {type(sample) for sample in SAMPLES}
    assert bodies() | {MemberRecord} == set(DETECTION_NAMES.values())


def test_they_travel_on_the_consensus_lane() -> None:
    assert {message_type(cls).lane for cls in (*DETECTION_NAMES.values(), DetectorPeerMessage)} == {Lane.CONSENSUS}


@pytest.mark.parametrize("body", SAMPLES, ids=lambda body: type(body).__name__)
def test_a_message_comes_back_from_messagepack_as_it_left(body: Any) -> None:
    described = message_type(DetectorPeerMessage)

    packed = msgpack.packb(described.encode(DetectorPeerMessage("n1", body)))
    again: Any = described.decode(msgpack.unpackb(packed, use_list=False), NO_REFS)

    assert again == DetectorPeerMessage("n1", body)
    assert type(again.body) is type(body)


@pytest.mark.parametrize(
    "row",
    [
        ("n1", None),
        ("n1", ("raft.PreVote", (1, 2, 3))),
        ("n1", ("swim.Ping", ("1", ()))),
        ("n1", ("swim.Gossip", ((("n2", 0, "asleep", ""),),))),  # no such state
        (),
    ],
)
def test_a_malformed_message_is_a_bad_message(row: object) -> None:
    with pytest.raises(BadMessage):
        message_type(DetectorPeerMessage).decode(row, NO_REFS)
