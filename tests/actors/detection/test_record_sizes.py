"""The size that SWIM assumes for a record is not below the size that the codec gives it: packets fit into datagrams."""

from __future__ import annotations

import msgpack
import pytest

from coterie.actors.detection.detection_wire import DetectorPeerMessage
from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.failure_detector import MemberState
from coterie.protocols.detection.swim.opinions import INCARNATION_MAX
from coterie.protocols.detection.swim.swim_config import SwimConfig
from coterie.protocols.detection.swim.swim_messages import MemberRecord, Ping, Records, record_size_bytes
from coterie.runtime.datagrams.datagram_config import DatagramConfig
from coterie.runtime.messages.message import message_type


def _encoded_bytes(records: Records) -> int:
    letter = DetectorPeerMessage("n1", Ping(2**31, records))
    packed = msgpack.packb(tuple(message_type(DetectorPeerMessage).encode(letter)))
    assert packed is not None
    return len(packed)


@pytest.mark.parametrize("state", list(MemberState))
@pytest.mark.parametrize("name", ["a", "node-12", "x" * 200, "é" * 100])
@pytest.mark.parametrize("incarnation", [0, INCARNATION_MAX])
def test_a_record_is_never_longer_on_the_wire_than_assumed(state: MemberState, name: str, incarnation: int) -> None:
    record = MemberRecord(NodeId(name), incarnation, state, NodeId(name))

    assert _encoded_bytes((record,)) - _encoded_bytes(()) <= record_size_bytes(record)


def test_a_full_packet_fits_into_a_datagram() -> None:
    record = MemberRecord(NodeId("node-12"), 3, MemberState.SUSPECTED, NodeId("node-13"))
    budget_bytes = SwimConfig().packet_budget_bytes
    records = (record,) * (budget_bytes // record_size_bytes(record))

    assert _encoded_bytes(records) + 200 <= DatagramConfig().max_bytes  # the header, with names, and the code
