"""`MemberWatch`: prints live which of the demo's nodes are suspected, have failed, and are trusted again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from coterie.actors.client import Client
from coterie.actors.detection.detector_messages import MemberLine, MembersReport, ReportMembers
from coterie.actors.node_report import NODE_REPORT_PATH
from coterie.demo.demo_output import DemoOutput
from coterie.errors import CoterieError

__all__ = ["MemberWatch"]

POLL_S: Final = 0.1
TIMEOUT_S: Final = 1.0

TEXT_BY_STATE: Final = {
    "alive": "is trusted by all",
    "left": "has left",
    "suspected": "is suspected",
    "failed": "has failed",
}
"""In order: of several opinions of a member the last one here is shown."""

_STATES: Final = tuple(TEXT_BY_STATE)


class MemberWatch:
    """Asks all linked nodes for their opinions, and prints each change of the worst opinion of a member."""

    def __init__(self, client: Client, output: DemoOutput) -> None:
        self._client = client
        self._output = output
        self._state_by_member: dict[str, str] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            self.take(await asyncio.gather(*map(self._ask, self._client.nodes)))
            await asyncio.sleep(POLL_S)

    def take(self, reports: Iterable[MembersReport | None]) -> None:
        """Print what is new in the reports of one round; None: no answer."""
        worst: dict[str, tuple[MemberLine, str]] = {}
        for report in filter(None, reports):
            for line in report.members:
                if line.peer not in worst or _rank(line) > _rank(worst[line.peer][0]):
                    worst[line.peer] = (line, report.node)
        for member, (line, observer) in sorted(worst.items()):
            if line.state != self._state_by_member.get(member, "alive"):
                says = "" if line.state == "alive" else f", says {observer}: {line.reason}"
                self._output.say(f"{member} {TEXT_BY_STATE[line.state]}{says}")
            self._state_by_member[member] = line.state

    async def _ask(self, node: str) -> MembersReport | None:
        try:
            ref = self._client.actor(NODE_REPORT_PATH, node=node)
            report: MembersReport = await ref.ask(ReportMembers(), timeout_s=TIMEOUT_S)
        except CoterieError:
            return None
        return report


def _rank(line: MemberLine) -> int:
    return _STATES.index(line.state)
