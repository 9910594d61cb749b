"""`ViewChecker`: checks that all nodes of a simulated cluster see one sequence of views, in all their lives."""

from __future__ import annotations

from typing import Final

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.membership.members import MemberId, ViewNumber
from coterie.protocols.membership.view import View

__all__ = ["ViewChecker"]

KEPT: Final = 10_000


class ViewChecker:
    """The views of one cluster.

    Invariants:
        * two nodes that know a view of one number know the same view;
        * one life of a node sees numbers ascend;
        * a member that was removed is never in a later view;
        * what needs a lease is done in an epoch no lower than any in which it was done before.

    Args:
        context: makes the violations.
    """

    def __init__(self, context: ViolationContext) -> None:
        self._context = context
        self._view_by_number: dict[ViewNumber, View] = {}
        self._seen_by_life: dict[MemberId, ViewNumber] = {}
        self._gone: dict[MemberId, ViewNumber] = {}
        self._epoch_by_name: dict[str, tuple[int, str]] = {}
        self.newest = View()

    def seen(self, life: MemberId, view: View) -> None:
        """Take the view that a node has learned."""
        known = self._view_by_number.setdefault(view.number, view)
        if known != view:
            self._fail("view.forked", life, f"view {view.number} is {view}, but another node has {known}")
        before = self._seen_by_life.get(life)
        if before is not None and view.number <= before:
            self._fail("view.went_back", life, f"view {view.number} after view {before}")
        self._seen_by_life[life] = view.number
        if view.number > self.newest.number:
            self._newer(life, view)

    def acted(self, name: str, node: str, epoch: int) -> None:
        """Take it that the holder of a singleton has acted in an epoch."""
        latest, holder = self._epoch_by_name.get(name, (epoch, node))
        if epoch < latest:
            text = f"singleton {name!r} acts on {node} in epoch {epoch}, after it acted on {holder} in epoch {latest}"
            self._context.fail("singleton.two", NodeId(node), text)
        self._epoch_by_name[name] = epoch, node

    def _newer(self, life: MemberId, view: View) -> None:
        present = {member.identity for member in view}
        for member in self.newest:
            if member.identity not in present:
                self._gone[member.identity] = view.number
        for member in view:
            if member.identity in self._gone:
                text = f"{member.identity} is in view {view.number}, but was gone in view {self._gone[member.identity]}"
                self._fail("view.removed_member", life, text)
        self.newest = view

    def _fail(self, invariant: str, life: MemberId, text: str) -> None:
        self._context.fail(invariant, life.name, text)
