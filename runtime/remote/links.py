"""What happens to links, told to whoever wants to know."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.runtime.transport.identity import Role

__all__ = ["LinkEvent"]


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """What happened to the link with a node: `kind` is `up`, `down` or `lost` (final for that incarnation)."""

    kind: str
    node: str
    incarnation: int
    role: Role
    reason: str
