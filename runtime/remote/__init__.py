"""Remoting: sends messages to actors on other nodes, and watches, looks up and spawns actors there.

    Ref ─ RemoteDelivery ─ Association ─ Transport ═▶ ═▶ IncomingRows ─ IncomingRoute ─ Cell
                             │                           │
                          PendingRequests ◀──── answers ───────┘

`association.py`: holds the state of the link to one other node.
`error_codes.py`: translates errors into wire codes, and into reasons for dead letters.
`heard_peers.py`: checks from which peers a message is heard.
`incoming/`: handles the wire messages that other nodes send.
`interned_routes.py`: replaces actor paths and message types by numbers on the wire.
`link_events.py`: reports link changes to listeners.
`lookup.py`: finds the actor that has a path now.
`node_requests.py`: encodes lookup and spawn requests to another node.
`pending_requests.py`: keeps requests until another node answers them.
`refused_handshakes.py`: records failed handshakes, and limits how often they are logged.
`remote_config.py`: limits requests, waiting messages and routes of each linked node.
`remote_delivery.py`: sends messages to one actor on another node.
`remote_watches.py`: watches actors on other nodes.
`remoting.py`: manages the links of one system, and looks up and spawns actors on other nodes.
`rows.py`: defines the messages on the wire (rows).
`wired_refs.py`: makes the refs that arrive, with the rights of who sent them.
"""
