"""`RemoteConfig`: limits, for each linked node, unanswered requests, waiting messages, watches, and path numbers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RemoteConfig"]


@dataclass(frozen=True, slots=True)
class RemoteConfig:
    """Bounds per linked node.

    Attributes:
        in_flight_max: unanswered asks, offers and requests to one node. Beyond: `TooManyInFlight`. Lower:
            bursts are refused. Higher: a node that does not answer costs that much memory.
        offers_max: offers of one node that wait here for room. Beyond: the node gets `TooManyInFlight`.
        routes_max: numbers for (path, actor, message type) on one connection in one direction. When they are used up
            the table starts over. Lower: names are sent more often. Higher: memory at both ends. It must not exceed
            the value of the other node.
        watches_max: actors of this node that one node, or client, may watch. Beyond: it is told at once that the actor
            ended, with the cause "refused: …". Lower: large watchers are refused. Higher: memory, some 300 bytes for
            each.
        spawned_max: actors of this node, together, that were spawned at the request of others and still run. Beyond:
            `SpawnRefused`.
        operators: the names of the clients that may read the reports of the nodes, and make code active: those to
            which their keys or certificates are issued. See `Topology`.
    """

    in_flight_max: int = 65_536
    offers_max: int = 4096
    routes_max: int = 4096
    watches_max: int = 16_384
    spawned_max: int = 10_000
    operators: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("in_flight_max", "offers_max", "routes_max", "watches_max", "spawned_max"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
