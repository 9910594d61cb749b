"""`ServiceBoard`: the registrations that a node wants, and their actors; outlives restarts of `ReceptionistActor`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from coterie.protocols.membership.members import MemberId
from coterie.protocols.membership.own_services import OwnServices, ServiceKey
from coterie.runtime.refs import Ref

__all__ = ["ServiceBoard"]


class ServiceBoard:
    """The wanted registrations of a node, and the actors that provide them. `me`: the node as a member."""

    def __init__(self, me: MemberId) -> None:
        self.own = OwnServices(me)
        self._actor_by_key: dict[ServiceKey, Ref[Any]] = {}

    @property
    def actors(self) -> tuple[Ref[Any], ...]:
        """The actors that provide something, each once."""
        return tuple(dict.fromkeys(self._actor_by_key.values()))

    def want(self, service: str, actor: Ref[Any], *, unique: bool) -> ServiceKey:
        """Have `actor` registered from now on; one that had the same path before provides this no more."""
        key = (service, actor.path)
        self._actor_by_key[key] = actor
        self.own.want(service, actor.path, unique=unique)
        return key

    def unwant(self, key: ServiceKey) -> Ref[Any] | None:
        """Have it registered no more; return the actor if that provides nothing any more."""
        actor = self._actor_by_key.pop(key, None)
        self.own.unwant(key)
        return actor if actor is not None and actor not in self._actor_by_key.values() else None

    def keys_of(self, actor: Ref[Any]) -> Iterator[ServiceKey]:
        """Yield what an actor provides."""
        yield from [key for key, provider in self._actor_by_key.items() if provider == actor]
