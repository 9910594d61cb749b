"""Framing: items packed into frames, and frames cut out of a byte stream. Pure."""
