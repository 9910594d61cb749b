"""`NodeWatch`: asks one node of a supervised cluster whether it works, and whom its failure detector accuses."""

from __future__ import annotations

import asyncio
from typing import Final

from coterie.actors.detection.detector_messages import MembersReport, ReportMembers
from coterie.actors.node_report import NODE_REPORT_PATH, NodeReport, ReportNode
from coterie.protocols.detection.failure_detector import MemberState
from coterie.runtime.refs import Address
from coterie.runtime.system import System
from coterie.supervision.answer_record import AnswerRecord
from coterie.supervision.fencing import NodeState
from coterie.supervision.node_supervisor import NodeSupervisor

__all__ = ["NodeWatch"]

OPINION_TIMEOUT_S: Final = 1.0
"""An opinion that takes longer is old, s: the node counts as one that has none."""


class NodeWatch:
    """Watches one node, round by round.

    Args:
        system: a client of the cluster, which dials all nodes.
        supervisor: the supervisor of the node.
        hang_timeout_s: how long a question stays open, s.
        round_s_max: the longest that a round takes if this process runs, s.
    """

    def __init__(self, system: System, supervisor: NodeSupervisor, hang_timeout_s: float, round_s_max: float) -> None:
        self._ref = system.at(Address(supervisor.node, NODE_REPORT_PATH))
        self._supervisor = supervisor
        self._hang_timeout_s = hang_timeout_s
        self._life: int | None = None
        self._record = AnswerRecord(round_s_max)
        self._questions: set[asyncio.Future[NodeReport]] = set()
        self._inquiry: asyncio.Future[MembersReport] | None = None
        self.failed: frozenset[str] | None = None
        """The nodes that its detector has declared failed; None: it has no detector, or has not answered lately."""

    @property
    def state(self) -> NodeState:
        """What is known of the node."""
        return NodeState(
            node=self._supervisor.node,
            is_running=self._supervisor.is_running,
            was_up=self._supervisor.is_up,
            is_accusable=self._record.has_answered or self._supervisor.life == 1,
            silent_s=self._record.silent_s,
            returning_s=None if self._supervisor.has_given_up else self._record.returning_s,
        )

    def next_round(self, round_s: float) -> None:
        """Count the `round_s` seconds since the last round, and ask what is due."""
        self._record.passed(round_s)
        is_up = self._supervisor.is_up and self._supervisor.is_running
        life = self._supervisor.life if is_up else None
        if life is None or life != self._life:
            self._life = life
            self.forget()
        if life is not None:
            self._ask()

    def refused_as_full(self) -> None:
        """Record that the node has refused our link because it has no room: its event loop works, so it has answered.

        A process that hangs refuses nothing. Clients may take every place of a node: that is no reason to kill it.
        """
        if self._life is not None and self._life == self._supervisor.life and self._supervisor.is_running:
            self._record.answered()

    def fence(self, reason: str) -> None:
        """Kill the process of the node, which hangs."""
        self._supervisor.fence(reason)
        self.forget()
        self._record.fenced()

    def forget(self) -> None:
        """Drop the open questions, and what the process has answered."""
        self._record.restarted()
        self.failed = None
        for future in (*self._questions, self._inquiry):
            if future is not None:
                future.cancel()
        self._questions.clear()
        self._inquiry = None

    def _ask(self) -> None:
        if self._record.is_question_due:
            question = self._ref.ask(ReportNode(), timeout_s=self._hang_timeout_s)
            self._questions.add(question)
            self._record.asked()
            question.add_done_callback(self._on_report)
        if self._inquiry is None:
            self._inquiry = self._ref.ask(ReportMembers(), timeout_s=OPINION_TIMEOUT_S)
            self._inquiry.add_done_callback(self._on_members)

    def _on_report(self, question: asyncio.Future[NodeReport]) -> None:
        is_answered = not question.cancelled() and question.exception() is None
        if question not in self._questions:
            return  # of a former process
        self._questions.remove(question)
        if is_answered:
            self._record.answered()
        elif not self._questions:
            self._record.lost()

    def _on_members(self, inquiry: asyncio.Future[MembersReport]) -> None:
        report = None if inquiry.cancelled() or inquiry.exception() is not None else inquiry.result()
        if inquiry is not self._inquiry:
            return  # of a former process
        self._inquiry = None
        self.failed = None
        if report is not None and report.detector is not None:
            self.failed = frozenset(line.peer for line in report.members if line.state == MemberState.FAILED.value)
