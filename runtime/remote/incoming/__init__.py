"""Incoming rows: dispatch and answers of the rows that a peer sent.

`incoming_ask.py`: an ask from another node, as an envelope in a mailbox.
`incoming_offer.py`: an offer from another node that waits for room.
`incoming_rows.py`: dispatch of each row of a frame.
`remote_spawn.py`: spawning on the request of another node.
"""
