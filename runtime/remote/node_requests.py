"""Node requests: encodes requests to look up or spawn an actor on another node, and the reference in the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coterie.runtime.messages.value_codecs import Codec
from coterie.runtime.refs import Ref
from coterie.runtime.remote.rows import LOOKUP, SPAWN, Row

__all__ = ["REF_CODEC", "LookupRequest", "SpawnRequest"]

REF_CODEC: Final = Codec(lambda ref: ref.to_wire(), Ref.from_wire, wire_types=frozenset({tuple}), instances=Ref)


@dataclass(frozen=True, slots=True)
class LookupRequest:
    """Request for the ref of the actor at `path`, which must accept the messages called `names`."""

    path: str
    names: tuple[str, ...]

    def row(self, number: int) -> Row:
        """Return the row of this request."""
        return (LOOKUP, number, self.path, self.names)


@dataclass(frozen=True, slots=True)
class SpawnRequest:
    """Request to spawn an actor of `kind`, created with `arguments`, under `name` (None: any)."""

    kind: str
    arguments: tuple[object, ...]
    name: str | None

    def row(self, number: int) -> Row:
        """Return the row of this request."""
        return (SPAWN, number, self.kind, self.arguments, self.name)
