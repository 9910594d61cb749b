from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from coterie.actors.client import Client
from coterie.actors.groups.client_session import Identity, Session
from coterie.actors.groups.group_messages import GroupStatus
from coterie.cluster_processes import ClusterProcesses
from coterie.demo.coordinator import Coordinator, run_together
from coterie.demo.demo_output import DemoOutput, DemoProgress
from coterie.demo.demo_topology import Counted, CountFile
from coterie.demo.node_kill import KillRecord, NodeKill, Victim, held_back, void_reasons
from coterie.errors import NodeUnreachable
from coterie.protocols.balancing import Balancer, Policy, RequestOutcome, Target

LEADER = KillRecord(
    "n1", was_leader=True, term=3, in_flight=16, unanswered=5, acknowledged=40, acknowledged_while_down=9
)
FOLLOWER = replace(LEADER, was_leader=False)


def test_run_with_work_around_the_kill_is_not_void() -> None:
    assert void_reasons(LEADER, last_term=4) == []
    assert void_reasons(FOLLOWER, last_term=3) == []


def test_run_is_void_if_nothing_was_in_flight_at_the_kill() -> None:
    reasons = void_reasons(replace(LEADER, in_flight=0, unanswered=0), last_term=4)

    assert reasons == ["no file was in flight at the kill"]


def test_run_is_void_if_nothing_was_in_flight_to_the_killed_node() -> None:
    assert void_reasons(replace(LEADER, unanswered=0), last_term=4) == ["no file was in flight to the killed node"]


def test_run_is_void_if_nothing_was_acknowledged_while_the_node_was_down() -> None:
    reasons = void_reasons(replace(FOLLOWER, acknowledged_while_down=0), last_term=3)

    assert reasons == ["no file was acknowledged between kill and restart"]


def test_run_is_void_if_the_leader_was_killed_and_the_term_did_not_rise() -> None:
    assert void_reasons(LEADER, last_term=3) == ["the leader was killed, but the term (3) did not rise"]


class FakeCluster:
    """Three nodes with two workers each, in virtual time: an answer takes `answer_s`; None: no moment lies between.

    A stopped node does not answer, except that the first `late_stops` stops come too late: all that the node was sent
    before is answered, and the answers are on the way. A status takes `status_s`.
    """

    def __init__(self, *, answer_s: float | None, files: int = 63, late_stops: int = 0, status_s: float = 0.0) -> None:
        self.signals: list[str] = []
        self.files: list[str] = []
        self.progress = DemoProgress(files)
        self._answer_s = answer_s
        self._late_stops = late_stops
        self._status_s = status_s
        self._stopped: set[str] = set()
        self._killed: set[str] = set()
        self._balancer: Balancer | None = None
        self._answers_by_node: dict[str, list[asyncio.Future[None]]] = {node: [] for node in ("n1", "n2", "n3")}

    # what a cluster of processes offers

    def pid(self, node: str) -> int:
        return 1

    def pause(self, node: str) -> None:
        self.signals.append(f"stop {node}")
        self._stopped.add(node)
        if self._late_stops:
            self._late_stops -= 1
            for answer in self._answers_by_node[node]:
                _resolve(answer)

    def resume(self, node: str) -> None:
        self.signals.append(f"continue {node}")
        self._stopped.discard(node)
        for answer in self._answers_by_node[node]:
            self._answer_later(node, answer)

    async def kill(self, node: str) -> None:
        self.signals.append(f"kill {node}")
        self._killed.add(node)
        for answer in self._answers_by_node[node]:
            if not answer.done():
                answer.set_exception(NodeUnreachable(node, "killed"))

    async def start(self, node: str) -> None:
        self._killed.discard(node)
        self._stopped.discard(node)

    # what a client offers

    @property
    def client(self) -> Client:
        return cast(
            Client,
            SimpleNamespace(
                system=SimpleNamespace(
                    host=SimpleNamespace(
                        random=random.Random(1), clock=SimpleNamespace(monotonic=asyncio.get_running_loop().time)
                    )
                ),
                pool=self._pool,
                group=lambda _: self,
                key_value=lambda _: self,
            ),
        )

    def _pool(self, name: str, *, balance: Policy) -> FakeCluster:
        self._balancer = Balancer(balance, rng=random.Random(1))
        return self

    async def increment(self, key: bytes) -> None:
        pass

    async def status(self) -> dict[str, GroupStatus]:
        await asyncio.sleep(self._status_s)
        return {
            node: GroupStatus("store", node, "leader" if node == "n1" else "follower", 1, "n1", 9, 9, 9, "s", 0)
            for node in self._answers_by_node
        }

    async def ask(self, message: CountFile, *, key: bytes, timeout_s: float) -> Counted:
        assert self._balancer is not None
        workers = [
            Target(f"{node}/{at}", node=node)
            for node in sorted(self._answers_by_node.keys() - self._killed)
            for at in (1, 2)
        ]
        self._balancer.update(workers, now=0.0)
        picked = self._balancer.pick(now=0.0)
        assert picked is not None
        try:
            await self._answered(picked.target[:2])
        finally:
            self._balancer.report(picked.token, RequestOutcome.ANSWERED, now=0.0)
        self.files.append(message.file.decode())
        return Counted(1, None)

    async def _answered(self, node: str) -> None:
        if self._answer_s is not None:
            answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._answers_by_node[node].append(answer)
            self._answer_later(node, answer)
            await answer

    def _answer_later(self, node: str, answer: asyncio.Future[None]) -> None:
        def answer_unless_stopped() -> None:
            if node not in self._stopped:
                _resolve(answer)

        asyncio.get_running_loop().call_later(self._answer_s or 0.0, answer_unless_stopped)


def _resolve(answer: asyncio.Future[None]) -> None:
    if not answer.done():
        answer.set_result(None)


class FakeSession:
    async def next(self) -> Identity:
        return Identity(bytes(16), 1, 1)

    def settle(self, identity: Identity) -> None:
        pass


@pytest.fixture(autouse=True)
def files_are_read_on_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    async def call(function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    monkeypatch.setattr(asyncio, "to_thread", call)


async def run_kill(cluster: FakeCluster, folder: Path, victim: Victim) -> KillRecord:
    """Let the coordinator work on a cluster, and kill a node; every file must be counted."""
    total = cluster.progress.total
    files = [f"{number}.py" for number in range(total)]
    client = cluster.client
    coordinator = Coordinator(
        client,
        cast(Session, FakeSession()),
        run="r",
        root=str(folder),
        files=files,
        acknowledged=cluster.progress.add,
        held_back=held_back(total, victim),
    )
    kill = NodeKill(cast(ClusterProcesses, cluster), client, coordinator, cluster.progress, DemoOutput(), "r", victim)
    await run_together(coordinator.work(), kill.run())
    assert sorted(cluster.files) == sorted(files)
    assert kill.killed is not None
    return kill.killed


@pytest.mark.virtual
@pytest.mark.parametrize("answer_s", [0.0, 0.001, 1.0])
@pytest.mark.parametrize("victim", ["leader", "follower"])
async def test_work_does_not_run_out_while_the_victim_is_chosen(
    tmp_path: Path, victim: Victim, answer_s: float
) -> None:
    cluster = FakeCluster(answer_s=answer_s, status_s=100.0)

    killed = await run_kill(cluster, tmp_path, victim)

    node = "n1" if victim == "leader" else "n3"
    assert cluster.signals == [f"stop {node}", f"kill {node}"]
    assert killed.in_flight >= killed.unanswered > 0
    assert void_reasons(killed, last_term=2) == []


@pytest.mark.virtual
async def test_node_that_has_answered_everything_is_not_killed_yet(tmp_path: Path) -> None:
    cluster = FakeCluster(answer_s=0.001, files=200, late_stops=2)

    killed = await run_kill(cluster, tmp_path, "leader")

    assert cluster.signals == ["stop n1", "continue n1"] * 2 + ["stop n1", "kill n1"]
    assert void_reasons(killed, last_term=2) == []


@pytest.mark.virtual
async def test_run_in_which_the_node_never_has_an_unanswered_file_is_void(tmp_path: Path) -> None:
    cluster = FakeCluster(answer_s=None)

    killed = await run_kill(cluster, tmp_path, "leader")

    assert cluster.signals == ["kill n1"]
    assert killed.acknowledged == cluster.progress.total
    assert "no file was in flight at the kill" in void_reasons(killed, last_term=2)


@pytest.mark.parametrize("files", [1, 2, 3, 63])
def test_enough_files_may_be_sent_before_the_kill_is_prepared(files: int) -> None:
    assert 1 <= held_back(files, "leader") <= files - int(0.4 * files)
    assert held_back(files, "none") == 0
