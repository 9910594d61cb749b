"""`LeaderAnnouncements`: tells clients which node leads, and operators when for long none does, and one does again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from coterie.actors.groups.group_messages import LeaderIs
from coterie.protocols.raft.raft import Raft
from coterie.runtime.refs import Ref
from coterie.runtime.remote.link_events import LinkEvent

if TYPE_CHECKING:
    from coterie.runtime.actor import Context

__all__ = ["LeaderAnnouncements"]

WATCHERS_MAX: Final = 16
"""How many watchers of one node, or client, are kept: each of its handles to a group has one."""

ABSENT_MIN_S: Final = 3.0
ABSENT_ELECTIONS: Final = 8
"""A leader's absence is told after the longer of `ABSENT_MIN_S` and so many of the longest election time-outs."""


class LeaderAnnouncements:
    """What one replica says of the leader of its group, for one life of its actor.

    Args:
        group: the group's name.
        raft: the node of this replica.
        context: the context of its actor.
        longest_election_s: the longest election time-out (s).
    """

    def __init__(self, group: str, raft: Raft, context: Context, *, longest_election_s: float) -> None:
        self._group = group
        self._raft = raft
        self._context = context
        self._absent_max_s = max(ABSENT_MIN_S, ABSENT_ELECTIONS * longest_election_s)
        self._watchers: dict[str, dict[Ref[LeaderIs], None]] = {}  # by node, each in order: the first is dropped first
        self._newest: LeaderIs | None = None
        self._absent_since_s: float | None = None
        self._is_absence_told = False
        self._unsubscribe: Callable[[], None] = context.system.on_link(self._link_changed)

    def watch(self, watcher: Ref[LeaderIs]) -> LeaderIs | None:
        """Announce new leaders to `watcher` until its link is down; return the leader known now.

        A watcher on a node without a link is not kept, and of one node only the latest `WATCHERS_MAX`. A client names
        only itself: its refs to others would take their places.
        """
        system = self._context.system
        if watcher.as_client:
            return self._newest
        if watcher.node == system.node or system.remoting.association(watcher.node) is not None:
            watchers = self._watchers.setdefault(watcher.node, {})
            watchers[watcher] = None
            if len(watchers) > WATCHERS_MAX:
                del watchers[next(iter(watchers))]
        return self._newest

    def changed(self) -> None:
        """Announce the leader, if this node has learned of a new one."""
        leader, term = self._raft.leader, self._raft.term
        if leader is not None and (self._newest is None or self._newest.term < term):
            self._newest = LeaderIs(self._group, self._context.system.node, leader, term)
            for watchers in self._watchers.values():
                for watcher in watchers:
                    watcher.tell(self._newest)

    def advance(self, now: float, *, takes_part: bool) -> None:
        """Tell operators once that there has been no leader for long, and once that there is one again (`now`: s).

        A node that does not take part (yet) hears of no leader, though there may be one: `VoterRegistration` says why.
        """
        if self._raft.leader is None and self._raft.is_member and takes_part:
            if self._absent_since_s is None:
                self._absent_since_s = now
            elif not self._is_absence_told and now - self._absent_since_s >= self._absent_max_s:
                self._is_absence_told = True
                self._tell_absence(now - self._absent_since_s)
        elif self._absent_since_s is not None:
            if self._is_absence_told:
                after_s = round(now - self._absent_since_s, 1)
                facts = {"group": self._group, "leader": self._raft.leader, "term": self._raft.term, "after_s": after_s}
                self._context.log.warning("group.leader_found", **facts)
            self._absent_since_s, self._is_absence_told = None, False

    def close(self) -> None:
        """Say nothing any more."""
        self._unsubscribe()

    def _tell_absence(self, absent_s: float) -> None:
        voters = self._raft.facts.known_voters
        linked = self._context.system.remoting.linked_names
        missing = [node for node in voters if node not in linked and node != self._context.system.node]
        self._context.log.warning(
            "group.no_leader",
            group=self._group,
            absent_s=round(absent_s, 1),
            voters=", ".join(voters),
            not_linked=", ".join(missing) or "none",
            advice="no command is answered until a quorum of the voters is up and linked",
        )

    def _link_changed(self, event: LinkEvent) -> None:
        if event.kind != "up":
            self._watchers.pop(event.node, None)
