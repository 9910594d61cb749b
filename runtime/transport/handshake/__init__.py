"""Handshake between two systems: versions, identities, credentials. Pure.

`certificate.py`: names and roles that a peer's certificate allows.
`handshake.py`: state machines of the dialer and the acceptor.
`handshake_messages.py`: encoding of Hello, Challenge, Proof, Welcome and Refuse.
`identity.py`: identity of a system and of its peer.
`protocol_versions.py`: protocol versions and their negotiation.
`shared_key.py`: shared keys and the proof of knowing one.
"""
