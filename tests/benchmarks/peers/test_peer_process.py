"""Peers that fail: each is named with its last words, what it had measured is kept, and the others are measured."""

from __future__ import annotations

import re

import pytest

from benchmarks.harness.comparison import Comparison
from benchmarks.harness.results import Measurement
from benchmarks.harness.settings import Settings
from benchmarks.peers import peer_process
from benchmarks.peers.peer_catalogue import PEERS, Peer
from benchmarks.peers.peer_process import PeerFailed, peer_measurements
from benchmarks.peers.peer_runs import power_of_ten

QUICK = Settings(runs=3, is_quick=True, peers=("fake",))


@pytest.fixture(autouse=True)
def _fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PEERS, "fake", Peer("tests.benchmarks.peers.fake_peer"))


async def failure(comparison: str, measured: list[Measurement]) -> str:
    with pytest.raises(PeerFailed) as raised:
        await peer_measurements("fake", comparison, -1, QUICK, measured)
    return str(raised.value)


async def test_a_peer_that_works_is_measured_as_often_as_wanted() -> None:
    measured: list[Measurement] = []
    await peer_measurements("fake", "works", -1, QUICK, measured)

    assert [measurement.detail for measurement in measured] == [{"size": 2.0}] * 3


async def test_a_peer_without_such_work_is_no_failure() -> None:
    measured: list[Measurement] = []
    await peer_measurements("fake", "other", -1, QUICK, measured)

    assert measured == []


@pytest.mark.parametrize(
    ("comparison", "words", "kept"),
    [
        ("raises", r"RuntimeError: no more processes are allowed \(.* ended early\)", 0),
        ("fails_later", r"system limit reached \(.* ended early\)", 1),
        ("chatters", "it printed no figure: 'Segmentation fault", 0),
    ],
)
async def test_a_peer_that_fails_is_named_with_its_last_words(comparison: str, words: str, kept: int) -> None:
    measured: list[Measurement] = []
    said = await failure(comparison, measured)

    assert re.search(words, said), said
    assert len(measured) == kept, "what it had measured before is kept"


@pytest.mark.slow
async def test_a_peer_that_hangs_is_ended_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_process, "START_TIMEOUT_S", 3.0)

    assert re.search(r"never ends \(no end after \d+ s\)", await failure("hangs", []))


async def test_a_peer_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PEERS, "fake", Peer("tests.benchmarks.peers.no_such_peer"))

    assert "ModuleNotFoundError" in await failure("works", [])


async def test_a_comparison_goes_on_without_a_peer_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    async def work(count: int) -> Measurement:
        return Measurement(float(count))

    settings = Settings(runs=1, is_quick=True, peers=("fake", "fake"))
    results = await Comparison("raises", "tells/s", 1000, work, work).run(settings)

    assert [result.system for result in results] == ["floor", "coterie"]
    assert len(settings.kept.skipped) == 2, "the second one was tried after the first one"
    assert "peer fake at raises is skipped: RuntimeError: no more processes are allowed" in capsys.readouterr().err


@pytest.mark.parametrize(("count", "power"), [(1, 1), (9, 1), (10, 10), (734_211, 100_000), (1_000_000, 1_000_000)])
def test_trees_of_ten_get_powers_of_ten(count: int, power: int) -> None:
    assert power_of_ten(count) == power
