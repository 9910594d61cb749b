"""Frames: adds length, sequence number and checksum to each payload, and checks them on arrival. Does no I/O.

    ┌────────────────────┬──────────────┬───────────┬─────────┐
    │ payload length u32 │ sequence u32 │ CRC32 u32 │ payload │      big-endian
    └────────────────────┴──────────────┴───────────┴─────────┘

The sequence counts the frames of one direction of one connection from 0 (modulo 2**32), so that a frame lost,
duplicated or reordered by a broken middlebox is detected. The CRC covers length, sequence and payload: TCP's own sum
has 16 bits only, and damage does get past it (Stone & Partridge, SIGCOMM 2000, "When the CRC and TCP checksum
disagree").
"""

from __future__ import annotations

import struct
import zlib

from coterie.errors import BrokenFrame

__all__ = ["HEADER_BYTES", "FrameDecoder", "FrameEncoder"]

_COVERED = struct.Struct(">II")  # length, sequence
_HEADER = struct.Struct(">III")  # length, sequence, CRC
_SEQUENCE_MASK = 2**32 - 1

COVERED_BYTES = _COVERED.size
HEADER_BYTES = _HEADER.size


def _checksum(covered: bytes | bytearray, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(covered))


class FrameEncoder:
    """Makes the frames of one direction of one connection."""

    __slots__ = ("_sequence",)

    def __init__(self) -> None:
        self._sequence = 0

    def encode(self, payload: bytes) -> bytes:
        """Return the next frame around `payload`. The caller checks the cap."""
        covered = _COVERED.pack(len(payload), self._sequence)
        self._sequence = (self._sequence + 1) & _SEQUENCE_MASK
        return covered + _checksum(covered, payload).to_bytes(4, "big") + payload


class FrameDecoder:
    """Cuts payloads from arriving bytes.

    Call `feed` with the bytes, then `next_payload` until it returns None. Payloads come out one by one, so that the
    cap may be raised between two of them (a hello has a lower one), and so that every payload before the damage is
    returned before `BrokenFrame`.

    Args:
        cap_bytes: the longest payload accepted. It is checked against the header, before a payload is waited for: no
            more than the cap, a header and one `feed` are ever held.
    """

    __slots__ = ("_at", "_bytes", "_failure", "_sequence", "cap_bytes")

    def __init__(self, cap_bytes: int) -> None:
        self.cap_bytes = cap_bytes
        self._bytes: bytes | bytearray = b""
        self._at = 0  # where the next header begins
        self._sequence = 0
        self._failure: str | None = None

    @property
    def frames(self) -> int:
        """Number of whole frames returned (modulo 2**32)."""
        return self._sequence

    @property
    def held_bytes(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._bytes) - self._at

    def feed(self, data: bytes) -> None:
        """Take arrived bytes. After damage they are dropped."""
        if self._failure is not None:
            return
        if self._at == len(self._bytes):
            self._bytes = data  # the ordinary case: whole frames arrive, nothing is copied
        elif isinstance(self._bytes, bytearray):
            del self._bytes[: self._at]
            self._bytes += data
        else:
            self._bytes = bytearray(memoryview(self._bytes)[self._at :])
            self._bytes += data
        self._at = 0

    def next_payload(self) -> bytes | None:
        """Return the next payload, or None until more is fed.

        Raises:
            BrokenFrame: too long, out of sequence, or damaged. Final: every later call raises the same.
        """
        if self._failure is not None:
            raise BrokenFrame(self._failure)
        start = self._at + HEADER_BYTES
        if start > len(self._bytes):
            return None
        size, sequence, checksum = _HEADER.unpack_from(self._bytes, self._at)
        if size > self.cap_bytes:
            self._fail(f"a frame of {size} bytes is announced, the cap is {self.cap_bytes}")
        if sequence != self._sequence:
            self._fail(f"frame {sequence} arrived where frame {self._sequence} was due")
        end = start + size
        if end > len(self._bytes):
            return None
        payload = bytes(self._bytes[start:end])
        if _checksum(self._bytes[self._at : self._at + COVERED_BYTES], payload) != checksum:
            self._fail(f"the checksum of frame {sequence} ({size} bytes) does not match")
        self._at = end
        self._sequence = (sequence + 1) & _SEQUENCE_MASK
        return payload

    def _fail(self, failure: str) -> None:
        self._failure = failure
        self._bytes, self._at = b"", 0
        raise BrokenFrame(failure)
