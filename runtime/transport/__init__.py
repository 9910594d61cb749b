"""Transport: moves data items between systems, at most once, in order within one priority. It does not use actors.

`chunk_backlog.py`: cuts a large item into chunks, and queues the items of its lane behind it.
`client_reads.py`: bounds what the frames of all clients together take of one turn of the event loop.
`connection.py`: reads and writes one TCP connection.
`connection_slots.py`: bounds accepted connections: strangers, clients, and nodes that come back.
`descriptor_budget.py`: divides the process's file descriptors, and reports when they run out.
`dial_backoff.py`: computes the wait before the next dial.
`dialer.py`: dials a peer, and dials again whenever the link is down.
`framing/`: packs items into frames, and cuts arriving bytes into frames and items.
`handshake/`: checks versions, names and credentials at the start of each connection.
`keep_alive.py`: detects silent, slow and stalled connections.
`link.py`: joins the two connections to one peer into one unit.
`listener.py`: accepts connections and pairs them into links.
`peers.py`: keeps the link of each node, and decides when a node counts as lost.
`transport.py`: listens, dials and sends for one system, and reports links and items.
`transport_config.py`: sets the size limits, timeouts and versions of a transport.
`transport_events.py`: defines the callbacks of a transport.
`transport_state.py`: holds the state that all connections of a transport share.
"""

from __future__ import annotations

from coterie.runtime.transport.handshake.identity import Peer, PeerRole, SystemIdentity
from coterie.runtime.transport.handshake.shared_key import ClientKey, SharedKey
from coterie.runtime.transport.transport import Transport
from coterie.runtime.transport.transport_config import TransportConfig
from coterie.runtime.transport.transport_events import TransportEvents

__all__ = [
    "ClientKey",
    "Peer",
    "PeerRole",
    "SharedKey",
    "SystemIdentity",
    "Transport",
    "TransportConfig",
    "TransportEvents",
]
