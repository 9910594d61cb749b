"""Services: record which actors of which members provide a service, by its name.

An entry is one actor: the identity of its member, and its path there. Members register their own when they are joining
or up. Entries of members that are down or in the view no more do not count, and `dropped` removes them with the next
change of the view. Those of joining and leaving members are kept, but are no `instances`: their members are not up.

A service may be registered as unique: then its one entry refuses all others. That finds duplicates and names them, but
is no lock: an entry ends when its member is decided out, at which moment its actor may still run. What must never run
twice is a singleton (`coterie.protocols.membership.singletons`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from coterie.protocols.membership.members import MemberId, MembershipState
from coterie.protocols.membership.registered_names import NAME_CHARS_MAX, PATH_CHARS_MAX, quoted, why_not_registrable
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_decisions import Refused

__all__ = [
    "ENTRIES_MAX",
    "PATHS_PER_MEMBER",
    "Entered",
    "Registered",
    "ServiceEntry",
    "Services",
    "Unregistered",
    "dropped",
    "entries_of",
    "instances",
    "register",
    "unregister",
]

ENTRIES_MAX: Final = 10_000
"""How many entries a cluster has at most, of all services together."""

PATHS_PER_MEMBER: Final = 256
"""How many different paths one member registers at most."""


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """One actor that provides a service.

    Attributes:
        service: the name of the service, 1 … 128 visible characters.
        member: whose actor it is.
        path: of the actor on that member, 1 … 256 visible characters.
        unique: whether no other entry of this service is allowed beside it.
    """

    service: str
    member: MemberId
    path: str
    unique: bool = False


Services = tuple[ServiceEntry, ...]
"""All entries, sorted by service, member and path, each once."""


@dataclass(frozen=True, slots=True)
class Registered:
    """The entry is recorded; `is_change` is false if it was before."""

    is_change: bool = True


@dataclass(frozen=True, slots=True)
class Entered:
    """The services after a registration, the same object unless that changed something; and the answer to it."""

    services: Services
    answer: Registered | Refused


@dataclass(frozen=True, slots=True)
class Unregistered:
    """The services after an entry was taken out, the same object if it was not in."""

    services: Services
    is_change: bool


def register(services: Services, view: View, entry: ServiceEntry) -> Entered:
    """Record an entry; in place of one of the same service, member and path, which may differ in `unique`.

    Refused is an entry of a member that is not joining or up, one that another entry excludes, because either is
    unique, one with a malformed name or path, and one beyond the bounds.
    """
    refusal = _why_not_present(view, entry) or _why_malformed(entry) or _why_excluded(services, view, entry)
    if refusal is not None:
        return Entered(services, Refused(refusal))
    place = bisect_left(services, _key(entry), key=_key)
    is_known = place < len(services) and _key(services[place]) == _key(entry)
    if is_known and services[place] == entry:
        return Entered(services, Registered(is_change=False))
    if not is_known and (excess := _why_too_many(services, view, entry)) is not None:
        return Entered(services, Refused(excess))
    return Entered((*services[:place], entry, *services[place + is_known :]), Registered())


def unregister(services: Services, service: str, member: MemberId, path: str) -> Unregistered:
    """Take an entry out; one that is not in changes nothing."""
    key = (service, member, path)
    place = bisect_left(services, key, key=_key)
    if place == len(services) or _key(services[place]) != key:
        return Unregistered(services, is_change=False)
    return Unregistered((*services[:place], *services[place + 1 :]), is_change=True)


def dropped(services: Services, view: View) -> Services:
    """Return the services without entries of members that are down or not in the view; the same object if none is."""
    present = frozenset(member.identity for member in view.present)
    kept = tuple(entry for entry in services if _is_kept(entry, present))
    return services if len(kept) == len(services) else kept


def instances(services: Services, view: View, service: str) -> tuple[ServiceEntry, ...]:
    """Return the entries of one service whose member is up, sorted by member and path."""
    return tuple(entry for entry in entries_of(services, service) if _is_up(view, entry.member))


def entries_of(services: Services, service: str) -> tuple[ServiceEntry, ...]:
    """Return all entries of one service, sorted by member and path. O(log n)."""
    first = bisect_left(services, service, key=_service)
    return services[first : bisect_right(services, service, lo=first, key=_service)]


def _key(entry: ServiceEntry) -> tuple[str, MemberId, str]:
    return (entry.service, entry.member, entry.path)


def _service(entry: ServiceEntry) -> str:
    return entry.service


def _is_kept(entry: ServiceEntry, present: frozenset[MemberId]) -> bool:
    return entry.member in present


def _is_up(view: View, identity: MemberId) -> bool:
    member = view.find(identity)
    return member is not None and member.is_up


def _why_not_present(view: View, entry: ServiceEntry) -> str | None:
    member = view.find(entry.member)
    if member is not None and member.state in (MembershipState.JOINING, MembershipState.UP):
        return None
    state = "not in it" if member is None else f"{member.state.value} since view {member.since}"
    return (
        f"service {quoted(entry.service)} is for members that are joining or up in view {view.number}, "
        f"and {entry.member} is {state}"
    )


def _why_malformed(entry: ServiceEntry) -> str | None:
    name = why_not_registrable("the name of a service", entry.service, NAME_CHARS_MAX)
    return name or why_not_registrable("the path of a service", entry.path, PATH_CHARS_MAX)


def _why_excluded(services: Services, view: View, entry: ServiceEntry) -> str | None:
    others = list(_others(services, view, entry))
    service, own = quoted(entry.service), _shown(entry)
    if entry.unique and others:
        return (
            f"service {service} cannot be unique to {own}: {_shown(others[0])} provides it; "
            f"unregister that first, or use another name"
        )
    unique = next((other for other in others if other.unique), None)
    if unique is None:
        return None
    return (
        f"service {service} is unique to {_shown(unique)}, so that {own} cannot register it: "
        f"unregister that first, or use another name"
    )


def _shown(entry: ServiceEntry) -> str:
    return f"{quoted(entry.path)} of {entry.member}"


def _others(services: Services, view: View, entry: ServiceEntry) -> Iterator[ServiceEntry]:
    """Yield the other entries of the same service that count: those of members that have not been decided out."""
    for other in entries_of(services, entry.service):
        member = view.find(other.member)
        if member is not None and not member.is_down and _key(other) != _key(entry):
            yield other


def _why_too_many(services: Services, view: View, entry: ServiceEntry) -> str | None:
    service = quoted(entry.service)
    if len(services) >= ENTRIES_MAX and len(dropped(services, view)) >= ENTRIES_MAX:
        return f"service {service}: a cluster has at most {ENTRIES_MAX:,} entries; unregister some first"
    paths = {other.path for other in services if other.member == entry.member}
    if len(paths) >= PATHS_PER_MEMBER and entry.path not in paths:
        return (
            f"service {service}: {entry.member} has registered {PATHS_PER_MEMBER} paths, the most that there may be; "
            f"unregister one before {quoted(entry.path)}"
        )
    return None
