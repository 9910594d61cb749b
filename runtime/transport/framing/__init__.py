"""Framing: items packed into frames, and frames cut from a byte stream. Pure.

`chunks.py`: large items split over several frames.
`frames.py`: length, sequence and checksum around each payload.
`items.py`: MessagePack items of a payload.
"""
