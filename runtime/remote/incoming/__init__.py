"""Incoming rows: handles the wire messages (rows) that other nodes send, and answers those that are requests.

`incoming_ask.py`: wraps an ask from another node, and sends the reply back.
`incoming_offer.py`: holds a message from another node until the mailbox has room.
`incoming_rows.py`: dispatches each wire message of another node.
`remote_spawn.py`: spawns actors at the request of another node.
"""
