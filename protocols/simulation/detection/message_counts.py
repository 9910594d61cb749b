"""`MessageCounts`: counts the messages and bytes that simulated members send, by kind."""

from __future__ import annotations

from collections import Counter

from coterie.protocols.detection.swim.swim_messages import Records, records_size_bytes

__all__ = ["MESSAGE_BYTES", "MessageCounts"]

MESSAGE_BYTES = 110
"""What a datagram takes besides its records: the headers of IP, UDP and coterie, the authentication code, numbers."""


class MessageCounts:
    """The counters. `messages` and `size_bytes` are by the name of the message's class."""

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()
        self.size_bytes: Counter[str] = Counter()

    def copy(self) -> MessageCounts:
        """Return the counters as they are now."""
        other = MessageCounts()
        other.messages.update(self.messages)
        other.size_bytes.update(self.size_bytes)
        return other

    def add(self, message: object) -> None:
        """Count a message that is sent, whether it arrives or not."""
        kind = type(message).__name__
        records: Records = getattr(message, "records", ())
        self.messages[kind] += 1
        self.size_bytes[kind] += MESSAGE_BYTES + records_size_bytes(records)
