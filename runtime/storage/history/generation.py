"""`Generation`: numbers the openings of a store; peers that remember the latest one find a store that went back.

Each open of a store makes one and writes it into the log before it returns (`segmented_log.py`). The counter alone
would not do: a copy that is restored and opened as often as the lost store counts as far, but with another nonce.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

__all__ = ["GENERATION_BYTES", "NEVER_OPENED", "Generation", "contradiction"]

GENERATION_BYTES: Final = 16
"""The size of an encoded generation: counter and nonce, 8 bytes each, big-endian."""

_BITS: Final = 64


@dataclass(frozen=True, slots=True)
class Generation:
    """One opening of a store. `counter`: how often it has been opened, 0 … 2**64-1. `nonce`: random, of this opening.

    Raises:
        ValueError: a number is out of range.
    """

    counter: int
    nonce: int

    def __post_init__(self) -> None:
        for name, value in (("counter", self.counter), ("nonce", self.nonce)):
            if not 0 <= value < 1 << _BITS:
                raise ValueError(f"the {name} of a generation must be within 0 … 2**64-1, not {value}")

    def __str__(self) -> str:
        """Return the counter, and the nonce as hex digits."""
        return f"{self.counter}/{self.nonce:016x}"

    def next(self, rng: random.Random) -> Generation:
        """Return the generation of the next opening, with a nonce from `rng`."""
        return Generation(self.counter + 1, rng.getrandbits(_BITS))

    def encode(self) -> bytes:
        """Return its 16 bytes."""
        return self.counter.to_bytes(8, "big") + self.nonce.to_bytes(8, "big")

    @classmethod
    def decode(cls, data: bytes) -> Generation:
        """Read 16 bytes. ValueError: there are not 16."""
        if len(data) != GENERATION_BYTES:
            raise ValueError(f"a generation has {GENERATION_BYTES} bytes, not {len(data)}")
        return cls(int.from_bytes(data[:8], "big"), int.from_bytes(data[8:], "big"))


NEVER_OPENED: Final = Generation(0, 0)
"""The generation of a store that was formatted and not opened yet."""


def contradiction(remembered: Generation, heard: Generation) -> str | None:
    """Return why a store that now says `heard` went back in time, if `remembered` was heard of it before; None: not.

    A store that was opened again without being heard has a higher counter: that is no loss.
    """
    if heard.counter < remembered.counter:
        return f"it was opened {remembered.counter} times, and now says {heard.counter}"
    if heard.counter == remembered.counter and heard.nonce != remembered.nonce:
        return f"its generation {remembered.counter} was {remembered}, and is now {heard}"
    return None
