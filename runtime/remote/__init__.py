"""Remoting: messages, asks, offers, watches, lookups and spawns between systems, on top of the transport's links.

    Ref ─ RemoteDelivery ─ Association ─ Transport ═▶ ═▶ IncomingRows ─ IncomingRoute ─ Cell
                             │                           │
                          PendingRequests ◀──── answers ───────┘

`association.py`: state shared with one linked peer: routes, pending requests, offers, watches.
`error_codes.py`: errors as wire codes, and as dead-letter reasons.
`incoming/`: handling of the rows that a peer sent.
`interned_routes.py`: numbers on the wire for (path, uid, message type).
`link_events.py`: link changes reported to listeners.
`lookup.py`: the current ref of an actor by address.
`node_requests.py`: lookup and spawn requests to another node.
`pending_requests.py`: asks, offers and requests that wait for an answer.
`refused_handshakes.py`: rate-limited log of failed handshakes.
`remote_config.py`: bounds per linked node.
`remote_delivery.py`: sending to one actor on another node.
`remote_watches.py`: watches of actors on other nodes.
`remoting.py`: links, lookups and spawns of one system.
`rows.py`: the rows on the wire.
"""
