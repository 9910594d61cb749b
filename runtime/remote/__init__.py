"""What crosses between systems: messages, asks, offers, watches, lookups and spawns, on top of the transport's links.

    Ref ─ RemotePostbox ─ Association ─ Transport ═▶ ═▶ Inbound ─ InRoute ─ Cell
                             │                           │
                          Questions ◀──── answers ───────┘

`rows` says what is on the wire.
"""
