"""The transport: moves items between systems, in order per lane, at most once. It knows nothing of actors."""

from __future__ import annotations

from coterie.runtime.transport.auth import SharedKey
from coterie.runtime.transport.config import TransportConfig
from coterie.runtime.transport.events import TransportEvents
from coterie.runtime.transport.identity import Identity, Peer, Role
from coterie.runtime.transport.transport import Transport

__all__ = ["Identity", "Peer", "Role", "SharedKey", "Transport", "TransportConfig", "TransportEvents"]
