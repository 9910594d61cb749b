"""`DetectorActor`: carries messages between detectors, and their opinions to listeners."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

import pytest

from coterie.actors.detection.detection_wire import DetectorPeerMessage
from coterie.actors.detection.detector_actor import LAG_MIN_S, DetectorActor
from coterie.actors.detection.detector_messages import (
    DETECTOR_PATH,
    MemberLine,
    MembersReport,
    PeerFailed,
    PeerSuspected,
    PeerTrusted,
    ReportMembers,
)
from coterie.protocols.algorithm import NodeId, Observe, Received, Send
from coterie.protocols.detection.failure_detector import Failed, LoopLagged, Suspected, Trusted
from coterie.protocols.detection.swim.swim_messages import Ack, Ping
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.refs import Ref
from coterie.runtime.system import System
from coterie.testing import Probe, Systems
from tests.actors.detection.fake_detectors import FakeConfig, FakeDetector

pytestmark = pytest.mark.virtual

N1, N2, N3 = NodeId("n1"), NodeId("n2"), NodeId("n3")


def spawn(system: System, *listeners: Any) -> tuple[Ref[Any], FakeConfig]:
    config = FakeConfig()
    make = partial(DetectorActor, config, [N1, N2, N3], listeners)
    return system.spawn(make, name=DETECTOR_PATH), config


async def detector_of(system: System, *listeners: Any) -> tuple[Ref[Any], FakeDetector]:
    ref, config = spawn(system, *listeners)
    await asyncio.sleep(0)
    return ref, config.made[-1]


async def settle() -> None:
    await asyncio.sleep(0.01)


async def test_a_detector_monitors_the_other_nodes(virtual_host: VirtualHost) -> None:
    async with System("n2", host=virtual_host) as system:
        _, detector = await detector_of(system)

        assert (detector.node, detector.peers) == (N2, (N1, N3))


async def test_messages_reach_the_detector_of_the_peer_with_their_sender() -> None:
    async with Systems("n1", "n2") as systems:
        _, one = await detector_of(systems["n1"])
        _, other = await detector_of(systems["n2"])
        one.effects, other.effects = [[Send(N2, Ping(7))], []], [[Send(N1, Ack(7))]]

        systems["n1"].registry.cell_at(DETECTOR_PATH).ref.tell(DetectorPeerMessage("n3", Ping(1)))  # type: ignore[union-attr]
        await asyncio.sleep(1)

        assert other.events == [Received(N1, Ping(7))]
        assert one.events == [Received(N3, Ping(1)), Received(N2, Ack(7))]


async def test_a_timer_ticks_the_detector_at_its_deadline(virtual_host: VirtualHost) -> None:
    async with System("n1", host=virtual_host) as system:
        ref, detector = await detector_of(system)
        detector.deadline = system.host.clock.monotonic() + 2.0
        detector.effects = [[], []]
        ref.tell(DetectorPeerMessage("n2", Ping(1)))

        await asyncio.sleep(1.9)
        before = detector.deadline
        await asyncio.sleep(0.2)

        assert before is not None
        assert detector.deadline is None


CHANGES = [
    Suspected(N2, "silent for 1 s", {"silence_s": 1.0}),
    Failed(N2, "silent for 3 s", {"accusers": ("n3",)}),
    Trusted(N2, "heard again"),
]


async def test_functions_and_actors_hear_each_change_in_order(virtual_host: VirtualHost) -> None:
    heard: list[Any] = []
    async with System("n1", host=virtual_host) as system:
        probe = Probe(system)
        ref, detector = await detector_of(system, heard.append, probe.ref)
        detector.effects = [CHANGES]

        ref.tell(DetectorPeerMessage("n2", Ping(1)))
        await settle()

        assert heard == CHANGES
        assert probe.received == (
            PeerSuspected("n1", "n2", "silent for 1 s", {"silence_s": 1.0}),
            PeerFailed("n1", "n2", "silent for 3 s", {"accusers": "('n3',)"}),
            PeerTrusted("n1", "n2", "heard again", {}),
        )


async def test_a_listener_that_raises_is_logged_and_harms_nothing(
    virtual_host: VirtualHost, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("no such pager")

    heard: list[Any] = []
    async with System("n1", host=virtual_host) as system:
        ref, detector = await detector_of(system, broken, heard.append)
        detector.effects = [CHANGES[:1]]

        ref.tell(DetectorPeerMessage("n2", Ping(1)))
        await settle()

        assert heard == CHANGES[:1]
        assert system.failures == 0
    assert "no such pager" in caplog.text
    assert "listener.failed" in caplog.text


async def test_changes_are_logged_with_reason_and_evidence(
    virtual_host: VirtualHost, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "coterie")
    async with System("n1", host=virtual_host) as system:
        ref, detector = await detector_of(system)
        detector.effects = [[*CHANGES, Observe("swim.paused", {"pause_s": 2.0})]]
        ref.tell(DetectorPeerMessage("n2", Ping(1)))
        await settle()

    found = [(record.levelname, str(record.msg)) for record in caplog.records if "peer." in str(record.msg)]
    assert [level for level, _ in found] == ["WARNING", "ERROR", "WARNING"]
    assert "silent for 1 s" in found[0][1]
    assert "silence_s" in found[0][1]
    assert "swim.paused" in caplog.text


async def test_only_a_trust_that_ends_an_alarm_is_a_warning(
    virtual_host: VirtualHost, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "coterie")
    async with System("n1", host=virtual_host) as system:
        ref, detector = await detector_of(system)
        detector.effects = [[CHANGES[2], *CHANGES[:1], CHANGES[2], CHANGES[2]]]
        ref.tell(DetectorPeerMessage("n2", Ping(1)))
        await settle()

    levels = [record.levelname for record in caplog.records if "peer.trusted" in str(record.msg)]
    assert levels == ["INFO", "WARNING", "INFO"]


async def test_the_log_rounds_the_evidence_and_the_listeners_get_all_of_it(
    virtual_host: VirtualHost, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Any] = []
    change = Suspected(N2, "silent", {"silence_s": 1.23456789, "period_s": 0.000123456, "missed": 123456})
    async with System("n1", host=virtual_host) as system:
        ref, detector = await detector_of(system, heard.append)
        detector.effects = [[change]]
        ref.tell(DetectorPeerMessage("n2", Ping(1)))
        await settle()

    (line,) = [str(record.msg) for record in caplog.records if "peer.suspected" in str(record.msg)]
    assert "1.235" in line
    assert "1.2346" not in line
    assert "0.0001235" in line
    assert "123456" in line
    assert heard == [change]


class MovedClock:
    """A clock that a test can move: the loop is then as late as the clock was moved."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.offset_s = 0.0

    def monotonic(self) -> float:
        return float(self._inner.monotonic()) + self.offset_s

    def wall(self) -> float:
        return float(self._inner.wall())


class MovedHost(VirtualHost):
    def __init__(self) -> None:
        super().__init__("n1")
        self.moved = MovedClock(super().clock)

    @property
    def clock(self) -> Any:
        return self.moved


async def test_the_detector_is_told_when_its_own_loop_was_late() -> None:
    host = MovedHost()
    async with System("n1", host=host) as system:
        _, detector = await detector_of(system)
        await asyncio.sleep(1)
        assert detector.events == []

        host.moved.offset_s += 2.0
        await asyncio.sleep(1)

        (event,) = detector.events
        assert isinstance(event, LoopLagged)
        assert event.lag_s == pytest.approx(2.0, abs=0.1)


async def test_an_ordinary_lag_is_not_told() -> None:
    host = MovedHost()
    async with System("n1", host=host) as system:
        _, detector = await detector_of(system)

        host.moved.offset_s += LAG_MIN_S * 0.9
        await asyncio.sleep(1)

        assert detector.events == []


async def test_a_report_has_a_line_for_each_member(virtual_host: VirtualHost) -> None:
    async with System("n1", host=virtual_host) as system:
        ref, _ = await detector_of(system)

        report = await ref.ask(ReportMembers())

    lines = tuple(MemberLine(peer, "alive", 0.5, "heard", 3, 0.001, ("n3",)) for peer in ("n2", "n3"))
    assert report == MembersReport("n1", "FakeConfig", lines)


async def test_a_restarted_detector_takes_back_what_it_suspected(virtual_host: VirtualHost) -> None:
    heard: list[Any] = []
    async with System("n1", host=virtual_host) as system:
        ref, config = spawn(system, heard.append)
        await settle()
        config.made[-1].effects = [CHANGES[:1]]
        ref.tell(DetectorPeerMessage("n2", Ping(1)))
        await settle()
        config.made[-1].error = RuntimeError("a bug")

        ref.tell(DetectorPeerMessage("n2", Ping(2)))
        await asyncio.sleep(1)

        assert len(config.made) == 2
        assert [type(change) for change in heard] == [Suspected, Trusted, Trusted]
        assert [change.peer for change in heard[1:]] == ["n2", "n3"]


async def test_a_stopped_detector_leaves_no_timer(virtual_host: VirtualHost) -> None:
    async with System("n1", host=virtual_host) as system:
        ref, detector = await detector_of(system)
        detector.deadline = system.host.clock.monotonic() + 5

        await system.stop(ref)
        await asyncio.sleep(10)

        assert detector.deadline is not None
