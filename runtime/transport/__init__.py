"""Transport: moves items between systems, in order per lane, at most once. It knows nothing of actors.

`chunk_backlog.py`: send queue of one lane while a large item leaves in chunks.
`connection.py`: one TCP connection: frames from bytes, queued items into few writes.
`dial_backoff.py`: exponential back-off with jitter between dials.
`dialer.py`: dials a peer, and dials again whenever the link is down.
`framing/`: items packed into frames, frames cut from a byte stream.
`handshake/`: versions, identities and credentials at the start of each connection.
`keep_alive.py`: detection of silent, slow and stalled connections.
`link.py`: the two connections to one peer, as one unit.
`listener.py`: accepts connections and pairs them into links.
`peers.py`: peer table: the link of each node, and the decision that a node is lost.
`transport.py`: the transport of one system: listens, dials, sends, reports.
`transport_config.py`: settings of a transport.
`transport_events.py`: callbacks from a transport to its owner.
`transport_state.py`: state shared by all connections of one transport.
"""

from __future__ import annotations

from coterie.runtime.transport.handshake.identity import Peer, PeerRole, SystemIdentity
from coterie.runtime.transport.handshake.shared_key import SharedKey
from coterie.runtime.transport.transport import Transport
from coterie.runtime.transport.transport_config import TransportConfig
from coterie.runtime.transport.transport_events import TransportEvents

__all__ = ["Peer", "PeerRole", "SharedKey", "SystemIdentity", "Transport", "TransportConfig", "TransportEvents"]
