"""The transport: moves items between systems, in order per lane, at most once. It knows nothing of actors."""

from __future__ import annotations

from coterie.runtime.transport.handshake.identity import Identity, Peer, Role
from coterie.runtime.transport.handshake.shared_key import SharedKey
from coterie.runtime.transport.transport import Transport
from coterie.runtime.transport.transport_config import TransportConfig
from coterie.runtime.transport.transport_events import TransportEvents

__all__ = ["Identity", "Peer", "Role", "SharedKey", "Transport", "TransportConfig", "TransportEvents"]
