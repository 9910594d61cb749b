"""Who shows which role now: the group is asked, from outside and past the proxies."""

from __future__ import annotations

from typing import Final, assert_never

from coterie.actors.groups.group_client import GroupClient
from coterie.actors.groups.group_messages import GroupStatus
from coterie.protocols.faults.kinds.fault_kinds import Role

__all__ = ["Observer"]

STATUS_TIMEOUT_S: Final = 0.3
"""A paused node does not answer: nobody waits long for it."""

CANDIDATES: Final = ("candidate", "pre_candidate")


class Observer:
    """Asks the nodes of a group how they are doing.

    | role | who shows it |
    | --- | --- |
    | leader | who leads in the highest term |
    | candidate | who stands for election, or asks whether it should |
    | voter | a follower whose term has risen since it was last asked: most such have voted |
    | busiest | who has synced its disk most often in this life |
    """

    def __init__(self, group: GroupClient) -> None:
        self._group = group
        self._term_by_node: dict[str, int] = {}

    async def statuses(self) -> list[GroupStatus]:
        """Return how those are doing that answer."""
        answers = await self._group.status(timeout_s=STATUS_TIMEOUT_S)
        return [answer for answer in answers.values() if isinstance(answer, GroupStatus)]

    async def who(self, role: Role) -> str | None:
        """Return who shows `role` now, None if nobody does (or any node would do)."""
        statuses = await self.statuses()
        found = self._showing(role, statuses)
        self._term_by_node |= {status.node: status.term for status in statuses}
        return None if found is None else found.node

    def _showing(self, role: Role, statuses: list[GroupStatus]) -> GroupStatus | None:
        match role:
            case Role.ANY:
                return None
            case Role.LEADER:
                leading = [status for status in statuses if status.role == "leader"]
                return max(leading, key=lambda status: status.term, default=None)
            case Role.CANDIDATE:
                return next((status for status in statuses if status.role in CANDIDATES), None)
            case Role.VOTER:
                return next((status for status in statuses if self._has_just_voted(status)), None)
            case Role.BUSIEST:
                return max(statuses, key=lambda status: status.syncs, default=None)
            case _:
                assert_never(role)

    def _has_just_voted(self, status: GroupStatus) -> bool:
        return status.role == "follower" and status.term > self._term_by_node.get(status.node, status.term)
