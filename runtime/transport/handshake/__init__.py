"""Handshake: checks versions, names and credentials of two systems before they exchange messages. Does no I/O.

`certificate.py`: reads the names and role that a peer's certificate allows.
`definite_refusals.py`: says which refusals last until an option is changed, and which option.
`handshake.py`: authenticates both ends: the state machines of dialer and acceptor.
`handshake_messages.py`: encodes and decodes Hello, Challenge, Proof, Welcome and Refuse.
`identity.py`: holds name, role and incarnation of a system and of its peer.
`protocol_versions.py`: lists the protocol versions, and chooses one that both systems support.
`shared_key.py`: holds the secret keys, and proves knowledge of a key.
`tls_mismatch.py`: detects that one end speaks TLS and the other does not, and says so to both.
"""
