"""Framing: packs data items into frames, and cuts arriving bytes into frames and items. Does no I/O.

`chunks.py`: splits large items over several frames, and joins the parts.
`frames.py`: adds length, sequence number and checksum to each payload, and checks them.
`items.py`: packs items into payloads (MessagePack), and unpacks them.
"""
