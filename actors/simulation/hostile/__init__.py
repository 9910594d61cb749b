"""Hostile clients: draw from a seed what a peer may send that has a client's rights and keeps to no rule.

`odd_values.py`: draws values of each field type, and keeps what the nodes have told.
`known_messages.py`: lists the message classes of coterie, and where their actors are.
`forged_messages.py`: draws plausible letters of Raft and Synod, and commands for a log.
`hostile_rows.py`: draws rows of every kind, each attack with its own mixture.
`hostile_frames.py`: draws payloads that are no frames of rows, and chunks without an end.
`hostile_peer.py`: `HostilePeer` links with one node, and writes any rows, payloads and bytes.
`hostile_campaign.py`: carries out one attack through a peer until its time is over.

The same code attacks the nodes of a simulation and real processes: only the `Host` differs.
"""

__all__: list[str] = []
