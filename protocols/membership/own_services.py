"""`OwnServices`: one member's registrations: what it wants, what the cluster has of it, and what to send next; pure.

    wanted, and not registered      ──▶ Enter      sent again whenever a registry lacks it, for whatever reason
    registered, and not wanted      ──▶ Withdraw   also what a command whose outcome was unknown has left behind

The registry that a member knows is older than the answers to its own commands. So an answer counts until a registry of
a higher revision is known. That registry may be older still: then a command is sent once too often, which changes
nothing, since registering twice is registering once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coterie.protocols.membership.members import MemberId, MembershipState
from coterie.protocols.membership.services import Services
from coterie.protocols.membership.view import View

__all__ = ["IN_FLIGHT_MAX", "Enter", "OwnServices", "ServiceKey", "Withdraw"]

IN_FLIGHT_MAX: Final = 16
"""How many commands of one member are under way at once: a node with many services does not flood the group."""

ServiceKey = tuple[str, str]
"""The name of a service, and the path of the actor that provides it."""


@dataclass(frozen=True, slots=True)
class Enter:
    """Register the actor at a path. `unique`: no other one may beside it."""

    service: str
    path: str
    unique: bool

    @property
    def key(self) -> ServiceKey:
        """What it is about."""
        return (self.service, self.path)


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take a registration out."""

    service: str
    path: str

    @property
    def key(self) -> ServiceKey:
        """What it is about."""
        return (self.service, self.path)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the cluster has of one key: `unique` of its entry, or None without one. `revision`: known when answered."""

    unique: bool | None
    revision: int


class OwnServices:
    """The registrations of one life of a node.

    Args:
        me: the member. It registers only while the view that is known has it joining or up.
    """

    def __init__(self, me: MemberId) -> None:
        self._me = me
        self._wanted: dict[ServiceKey, Enter] = {}
        self._view = View()
        self._services: Services = ()
        self._revision = -1
        self._own: dict[ServiceKey, bool] = {}
        self._answers: dict[ServiceKey, _Known] = {}
        self._flying: set[ServiceKey] = set()
        self._held_off: dict[ServiceKey, tuple[int, int]] = {}

    # --- what is wanted ---------------------------------------------------------------------------------------------

    @property
    def wanted(self) -> tuple[ServiceKey, ...]:
        """The registrations that are wanted."""
        return tuple(self._wanted)

    def want(self, service: str, path: str, *, unique: bool) -> None:
        """Have the actor at `path` registered from now on."""
        entry = Enter(service, path, unique)
        if self._wanted.get(entry.key) != entry:
            self._held_off.pop(entry.key, None)
        self._wanted[entry.key] = entry

    def unwant(self, key: ServiceKey) -> bool:
        """Have it registered no more; return whether it was wanted."""
        self._held_off.pop(key, None)
        return self._wanted.pop(key, None) is not None

    # --- what is known ----------------------------------------------------------------------------------------------

    def learn(self, view: View, services: Services, revision: int) -> None:
        """Take the newest view and registry that are known here."""
        self._view, self._revision = view, revision
        if services is not self._services:
            self._services = services
            self._own = {(one.service, one.path): one.unique for one in services if one.member == self._me}
        self._answers = {key: known for key, known in self._answers.items() if known.revision >= revision}

    def registered(self, key: ServiceKey) -> bool | None:
        """Return whether the cluster has it as unique, as far as this member knows; None: it has no entry of it."""
        answer = self._answers.get(key)
        return self._own.get(key) if answer is None else answer.unique

    def is_settled(self, key: ServiceKey) -> bool:
        """Return whether the cluster has it as it is wanted, also in the registry that is known here."""
        wanted = self._wanted.get(key)
        unique = None if wanted is None else wanted.unique
        return key not in self._flying and self.registered(key) == unique and self._own.get(key) == unique

    def is_out(self, key: ServiceKey) -> bool:
        """Return whether it is neither wanted nor registered, as far as is known here: one that is out has nothing."""
        if key in self._wanted or key in self._flying:
            return False
        return self._view.find(self._me) is None or self.registered(key) is None

    # --- commands ---------------------------------------------------------------------------------------------------

    def next(self) -> tuple[Enter | Withdraw, ...]:
        """Return what is to be sent now; each counts as under way until `answered`, `refused` or `failed`."""
        own = self._view.find(self._me)
        if own is None:
            return ()
        may_enter = own.state in (MembershipState.JOINING, MembershipState.UP)
        found = (self._command(key) for key in self._keys())
        commands = [one for one in found if one is not None and (may_enter or isinstance(one, Withdraw))]
        commands = commands[: max(0, IN_FLIGHT_MAX - len(self._flying))]
        self._flying.update(command.key for command in commands)
        return tuple(commands)

    def answered(self, command: Enter | Withdraw) -> None:
        """Take it that the group has carried a command out."""
        self._flying.discard(command.key)
        unique = command.unique if isinstance(command, Enter) else None
        self._answers[command.key] = _Known(unique, self._revision)

    def refused(self, command: Enter) -> None:
        """Take it that the group refuses a registration: it is tried again when the view or the registry changes."""
        self._flying.discard(command.key)
        self._answers.pop(command.key, None)
        if self._wanted.get(command.key) == command:
            self._held_off[command.key] = self._situation

    def failed(self, command: Enter | Withdraw) -> None:
        """Take it that there was no answer, so that it may or may not have been carried out."""
        self._flying.discard(command.key)
        self._answers.pop(command.key, None)

    @property
    def _situation(self) -> tuple[int, int]:
        return (self._view.number, self._revision)

    def _keys(self) -> tuple[ServiceKey, ...]:
        return tuple(dict.fromkeys((*self._wanted, *self._own, *self._answers)))

    def _command(self, key: ServiceKey) -> Enter | Withdraw | None:
        if key in self._flying or self._held_off.get(key) == self._situation:
            return None
        wanted, registered = self._wanted.get(key), self.registered(key)
        if wanted is not None:
            return None if registered == wanted.unique else wanted
        return None if registered is None else Withdraw(*key)
