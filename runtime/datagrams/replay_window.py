"""`ReplayWindow`: detects datagrams that have arrived before, by a sliding window over their sequence numbers.

The window ends at the highest number so far (RFC 4303 §3.4.3). A number above it is new; one within it is new unless
its bit is set; one below it counts as a replay, since nothing is known of it any more.
"""

from __future__ import annotations

__all__ = ["ReplayWindow"]


class ReplayWindow:
    """The sequence numbers, from 1 on, that have arrived from one sender. `size`: the length of the window."""

    __slots__ = ("_highest", "_seen", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._highest = 0
        self._seen = 1  # bit n: whether the number `highest - n` has arrived; 0 is never sent

    def is_fresh(self, sequence: int) -> bool:
        """Return whether a number has not arrived before, as far as is known."""
        age = self._highest - sequence
        return age < 0 or (age < self._size and not self._seen >> age & 1)

    def take(self, sequence: int) -> None:
        """Note that a fresh number has arrived. Call it for authenticated datagrams only."""
        age = self._highest - sequence
        if age >= 0:
            self._seen |= 1 << age
        elif -age >= self._size:  # nothing that was seen is within the window any more
            self._highest, self._seen = sequence, 1
        else:
            self._highest = sequence
            self._seen = (self._seen << -age | 1) & ((1 << self._size) - 1)
