"""`HangWatch`: asks the nodes of a supervised cluster periodically, and fences one that hangs (see `fencing.py`)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from coterie.actors.detection.detector_messages import MembersReport, ReportMembers
from coterie.actors.node_report import NODE_REPORT_PATH, NodeReport, ReportNode
from coterie.protocols.detection.failure_detector import MemberState
from coterie.runtime.refs import Address
from coterie.runtime.system import System
from coterie.supervision.answer_record import AnswerRecord
from coterie.supervision.fencing import NodeState, choose_fence
from coterie.supervision.node_supervisor import NodeSupervisor

__all__ = ["HangWatch"]

PAUSE_S: Final = 0.5
"""Time between two rounds of questions, s."""

TIMEOUT_MAX_S: Final = 1.0
TIMEOUTS_PER_HANG: Final = 4
"""A node has this many chances to answer before it counts as hung, unless the time-out would exceed 1 s."""

SLOWNESS_S: Final = 0.5
"""How much longer than pause and time-out a round may take before it counts as a pause of this process, s."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """A node answered; `failed`: the nodes that its detector has declared failed, None without a detector."""

    failed: frozenset[str] | None


class HangWatch:
    """Watches the nodes that `supervisors` run, until its task is cancelled.

    Args:
        system: a client of the cluster, which dials all nodes.
        supervisors: by node.
        hang_timeout_s: how long a node may be silent, s; 0: nothing is fenced.
    """

    def __init__(self, system: System, supervisors: Mapping[str, NodeSupervisor], hang_timeout_s: float) -> None:
        self._system = system
        self._supervisors = supervisors
        self._hang_timeout_s = hang_timeout_s
        self._ask_timeout_s = min(TIMEOUT_MAX_S, hang_timeout_s / TIMEOUTS_PER_HANG)
        round_s_max = PAUSE_S + self._ask_timeout_s + SLOWNESS_S
        self._records = {node: AnswerRecord(round_s_max) for node in supervisors}

    async def run(self) -> None:
        """Ask and fence until cancelled."""
        if self._hang_timeout_s == 0:
            return
        monotonic = self._system.host.clock.monotonic
        began_s = monotonic()
        while True:
            await asyncio.sleep(PAUSE_S)
            failed_by_observer = await self._ask_all(began_s)
            began_s = monotonic()
            fence = choose_fence(self._states(), failed_by_observer, hang_timeout_s=self._hang_timeout_s)
            if fence is not None:
                self._supervisors[fence.node].fence(fence.reason)

    async def _ask_all(self, began_s: float) -> dict[str, frozenset[str]]:
        """Ask all nodes at once, and record who answered; return what the detectors have declared failed, by node."""
        lives = {node: supervisor.life for node, supervisor in self._supervisors.items() if supervisor.is_up}
        answers = await asyncio.gather(*map(self._ask, self._supervisors))
        round_s = self._system.host.clock.monotonic() - began_s
        failed_by_observer = {}
        for (node, supervisor), answer in zip(self._supervisors.items(), answers, strict=True):
            record = self._records[node]
            if lives.get(node) != supervisor.life:
                record.answered()  # it was not up when it was asked, or another process was: no judgement
            elif answer is None:
                record.missed(round_s)
            else:
                record.answered()
                supervisor.returned()
                if answer.failed is not None:
                    failed_by_observer[node] = answer.failed
        return failed_by_observer

    async def _ask(self, node: str) -> _Answer | None:
        """Ask a node whether it works, and whom its detector has declared failed; None: no answer."""
        ref = self._system.at(Address(node, NODE_REPORT_PATH))
        asks = [ref.ask(request, timeout_s=self._ask_timeout_s) for request in (ReportNode(), ReportMembers())]
        report, members = await asyncio.gather(*asks, return_exceptions=True)
        if not isinstance(report, NodeReport):
            return None
        if not isinstance(members, MembersReport) or members.detector is None:
            return _Answer(None)
        return _Answer(frozenset(line.peer for line in members.members if line.state == MemberState.FAILED.value))

    def _states(self) -> list[NodeState]:
        return [
            NodeState(
                node=node,
                is_running=supervisor.is_running,
                was_up=supervisor.is_up,
                is_returning=supervisor.is_returning,
                silent_s=self._records[node].silent_s,
            )
            for node, supervisor in self._supervisors.items()
        ]
