"""Remote spawn: spawns actors of registered kinds at the request of another node or, if allowed, of a client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from coterie.errors import ActorFailed, SpawnRefused
from coterie.runtime.messages.short_values import short_value
from coterie.runtime.observing.printable_text import is_printable
from coterie.runtime.transport.handshake.identity import PeerRole
from coterie.runtime.user_code import actor_failed, is_of

if TYPE_CHECKING:
    from coterie.runtime.actor import Actor
    from coterie.runtime.refs import Ref
    from coterie.runtime.system import System

__all__ = ["Spawnable", "spawn_for"]


@dataclass(frozen=True, slots=True)
class Spawnable:
    """The actors that peers may spawn on a system: `factories` by kind, none by default.

    `for_clients`: whether clients may spawn, too. An actor spawned by a client is exported, so that it can be reached.
    """

    factories: Mapping[str, Callable[..., Actor[Any]]] = field(default_factory=dict)
    for_clients: bool = False


def spawn_for(system: System, role: PeerRole, kind: str, arguments: tuple[object, ...], name: object) -> Ref[Any]:
    """Spawn an actor for a peer of that role.

    Raises:
        SpawnRefused: not allowed, too many run, or the name is invalid or taken; nothing was spawned.
        ActorFailed: the factory raised.
    """
    where = f"node {system.node!r}"
    spawnable = system.spawnable
    if role is PeerRole.CLIENT and not spawnable.for_clients:
        raise SpawnRefused(f"{where} spawns nothing for clients: see Spawnable(for_clients=True)")
    factory = spawnable.factories.get(kind)
    if factory is None:
        known = ", ".join(map(repr, sorted(spawnable.factories))) or "nothing"
        raise SpawnRefused(f"{where} does not spawn {kind!r:.100} on request; registered: {known}")
    if name is not None and not isinstance(name, str):
        raise SpawnRefused(f"an actor cannot be named {short_value(name)}: a name is a string")
    _check_room(system)
    made = partial(factory, *arguments)
    try:
        ref: Ref[Any] = system.spawn(made, name=name, exported=role is PeerRole.CLIENT)
    except Exception as error:  # the factory is user code: any error is the answer
        raise _refusal(system, name, error) from error
    system.remoting.spawned_paths[ref.path] = None
    return ref


def _check_room(system: System) -> None:
    """Raise a SpawnRefused if as many actors as are allowed were spawned on request, and run."""
    remoting = system.remoting
    most = remoting.config.spawned_max
    if len(remoting.spawned_paths) >= most:
        for path in [path for path in remoting.spawned_paths if system.registry.cell_at(path) is None]:
            del remoting.spawned_paths[path]
    if len(remoting.spawned_paths) >= most:
        raise SpawnRefused(
            f"node {system.node!r} runs {most} actors that were spawned on request: stop some, or raise spawned_max="
        )


def _refusal(system: System, name: str | None, error: Exception) -> SpawnRefused | ActorFailed:
    if is_of(error, ValueError) and name is not None and (_is_invalid(name) or system.registry.cell_at(name)):
        return SpawnRefused(str(error))
    if is_of(error, RuntimeError) and system.is_stopping:
        return SpawnRefused(str(error))
    return actor_failed(error, f"the factory failed on node {system.node!r}")


def _is_invalid(name: str) -> bool:
    return "/" in name or not name or not is_printable(name)
