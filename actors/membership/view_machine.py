"""`ViewMachine`: the state machine that holds the view of a cluster, its singletons and its services.

One Raft group of the cluster runs it. Each command is one pure function of `coterie.protocols.membership`, which every
replica applies to the same state: `decide_together`, `claim`, `release`, `register`, `unregister`. So a claim is
decided against the very view that is current at its place in the log. A command that breaks a rule of membership is no
error: its reply is `Refused`, with the reason.

`Follow` is answered by `read`, by a leader that a quorum has confirmed after the query was sent: what it says was true
at a moment after its asker sent it, which is what a lease rests on.
"""

from __future__ import annotations

from coterie.actors.groups.state_machine import Query, StateMachine
from coterie.actors.membership.membership_records import Registry
from coterie.protocols.algorithm import NodeId
from coterie.protocols.membership.members import MemberId, ViewNumber
from coterie.protocols.membership.services import (
    Registered,
    ServiceEntry,
    Services,
    dropped,
    register,
    unregister,
)
from coterie.protocols.membership.singletons import Epoch, Granted, HeldBy, Holders, claim, release
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import ViewChange
from coterie.protocols.membership.view_decisions import Done, Refused, decide_together
from coterie.protocols.quorums import Majority
from coterie.runtime.messages.message import Ask, message

__all__ = [
    "ChangeView",
    "Claim",
    "Follow",
    "Followed",
    "Register",
    "Release",
    "Unregister",
    "ViewChanges",
    "ViewMachine",
]


@message(name="membership.ViewChanges")
class ViewChanges:
    """The number of the view after the changes of a `ChangeView`, and the outcome of each, in their order."""

    view_number: ViewNumber
    outcomes: tuple[Done | Refused, ...]


@message(name="membership.ChangeView")
class ChangeView(Ask[ViewChanges]):
    """Make `changes` one view; those that are refused change nothing.

    `voters`: the names of the voters of the group that holds the view, of which a majority must remain; (): no check.
    """

    changes: tuple[ViewChange, ...]
    voters: tuple[str, ...] = ()


@message(name="membership.Claim")
class Claim(Ask[Granted | HeldBy | Refused]):
    """Grant the singleton of this name to `claimant`, which is up, if no other member holds it."""

    singleton: str
    claimant: MemberId


@message(name="membership.Release")
class Release(Ask[bool]):
    """Give a singleton back, whose actor of this epoch has stopped; return whether `claimant` held it in that epoch."""

    singleton: str
    claimant: MemberId
    epoch: Epoch


@message(name="membership.Register")
class Register(Ask[Registered | Refused]):
    """Record that the actor at `path` of `member` provides a service. `unique`: no other one may beside it."""

    service: str
    member: MemberId
    path: str
    unique: bool = False


@message(name="membership.Unregister")
class Unregister(Ask[bool]):
    """Record that the actor at `path` of `member` does not provide a service any more; return whether it did."""

    service: str
    member: MemberId
    path: str


@message(name="membership.Followed")
class Followed:
    """What is newer than the asker of a `Follow` knows, None for what is not.

    `number` and `revision` are those of the present view and registry: lower ones than the asker's mean that it asked
    another group, or one that began anew from a backup.
    """

    view: View | None
    registry: Registry | None
    number: ViewNumber
    revision: int


@message(name="membership.Follow")
class Follow(Query[Followed]):
    """Read the view if it is newer than number `view`, and the registry if it is newer than revision `registry`.

    A node that knows nothing asks for what is newer than -1.
    """

    view: int
    registry: int


class ViewMachine(StateMachine[ChangeView | Claim | Release | Register | Unregister | Follow]):
    """The view, the singletons and the services of a cluster: at first an empty view, and none."""

    def __init__(self) -> None:
        self._view: View = View()
        self._holders: Holders = {}
        self._services: Services = ()
        self._revision = 0

    def apply(
        self, command: ChangeView | Claim | Release | Register | Unregister, /
    ) -> ViewChanges | Granted | HeldBy | Registered | Refused | bool:
        """Execute one command."""
        match command:
            case ChangeView():
                return self._change(command)
            case Claim(singleton, claimant):
                claimed = claim(self._holders, self._view, singleton, claimant)
                self._record(claimed.holders, self._services)
                return claimed.answer
            case Release(singleton, claimant, epoch):
                released = release(self._holders, singleton, claimant, epoch)
                self._record(released.holders, self._services)
                return released.is_released
            case Register(service, member, path, unique):
                entered = register(self._services, self._view, ServiceEntry(service, member, path, unique))
                self._record(self._holders, entered.services)
                return entered.answer
            case Unregister(service, member, path):
                unregistered = unregister(self._services, service, member, path)
                self._record(self._holders, unregistered.services)
                return unregistered.is_change

    def read(self, query: Follow, /) -> Followed:
        """Return what is newer than the asker knows."""
        view = self._view if self._view.number > query.view else None
        is_newer = self._revision > query.registry
        registry = Registry(self._revision, self._holders, self._services) if is_newer else None
        return Followed(view, registry, self._view.number, self._revision)

    def _change(self, command: ChangeView) -> ViewChanges:
        voters = tuple(map(NodeId, dict.fromkeys(command.voters)))
        together = decide_together(self._view, command.changes, group=Majority(voters) if voters else None)
        if together.view is not self._view:
            self._view = together.view
            self._record(self._holders, dropped(self._services, together.view))
        return ViewChanges(together.view.number, together.outcomes)

    def _record(self, holders: Holders, services: Services) -> None:
        """Take the holders and the services after a command: those that it did not change are the same objects."""
        if holders is self._holders and services is self._services:
            return
        self._holders, self._services = holders, services
        self._revision += 1
