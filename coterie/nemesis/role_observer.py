"""`RoleObserver`: finds the node in a given role (such as leader): asks each node directly, past the chaos proxies."""

from __future__ import annotations

from typing import Any, Final, assert_never

from coterie.actors.groups.group_client import GroupClient
from coterie.actors.groups.group_messages import GroupStatus
from coterie.protocols.faults.kinds.fault_kinds import TargetRole

__all__ = ["RoleObserver"]

STATUS_TIMEOUT_S: Final = 0.3
"""Time limit for an answer; a paused node does not answer."""

CANDIDATES: Final = ("candidate", "pre_candidate")


class RoleObserver:
    """Asks the nodes of a group for their status.

    | role | node |
    | --- | --- |
    | leader | the leader with the highest term |
    | candidate | a candidate, or a node in a pre-vote |
    | voter | a follower whose term has risen since the last query: most of them have voted |
    | busiest | the node with the most disk syncs since its start |
    """

    def __init__(self, group: GroupClient[Any]) -> None:
        self._group = group
        self._term_by_node: dict[str, int] = {}

    async def statuses(self) -> list[GroupStatus]:
        """Return the statuses of the nodes that answer."""
        answers = await self._group.status(timeout_s=STATUS_TIMEOUT_S)
        return [answer for answer in answers.values() if isinstance(answer, GroupStatus)]

    async def node_in_role(self, role: TargetRole) -> str | None:
        """Return the node that is in `role` now, None if there is none (or the role is any)."""
        statuses = await self.statuses()
        found = self._find(role, statuses)
        self._term_by_node |= {status.node: status.term for status in statuses}
        return None if found is None else found.node

    def _find(self, role: TargetRole, statuses: list[GroupStatus]) -> GroupStatus | None:
        match role:
            case TargetRole.ANY:
                return None
            case TargetRole.LEADER:
                leading = [status for status in statuses if status.role == "leader"]
                return max(leading, key=lambda status: status.term, default=None)
            case TargetRole.CANDIDATE:
                return next((status for status in statuses if status.role in CANDIDATES), None)
            case TargetRole.VOTER:
                return next((status for status in statuses if self._has_just_voted(status)), None)
            case TargetRole.BUSIEST:
                return max(statuses, key=lambda status: status.syncs, default=None)
            case _:
                assert_never(role)

    def _has_just_voted(self, status: GroupStatus) -> bool:
        return status.role == "follower" and status.term > self._term_by_node.get(status.node, status.term)
