"""Frames: adds length, sequence number and checksum to each payload, and checks them on arrival. Does no I/O.

    ┌────────────────────┬──────────────┬─────────────────────────────┬─────────┐
    │ payload length u32 │ sequence u32 │ CRC32 u32, or code 16 bytes │ payload │      big-endian
    └────────────────────┴──────────────┴─────────────────────────────┴─────────┘

The sequence counts the frames of one direction of one connection from 0 (modulo 2**32), so that a frame lost,
duplicated or reordered by a broken middlebox is detected. The CRC covers length, sequence and payload: TCP's own sum
has 16 bits only, and damage does get past it (Stone & Partridge, SIGCOMM 2000, "When the CRC and TCP checksum
disagree").

Once a handshake with a shared key has passed, a code takes the place of the CRC (`seal`): keyed BLAKE2b (RFC 7693)
over the same bytes and how often the sequence has begun anew, by a key of this direction of this connection. So no
frame can be made, changed, repeated, left out or reordered without the key. Frames are not encrypted.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
import zlib
from collections.abc import Callable
from typing import Final

from coterie.errors import BrokenFrame

__all__ = ["CODE_BYTES", "HEADER_BYTES", "FrameDecoder", "FrameEncoder"]

_COVERED = struct.Struct(">II")  # length, sequence
_SEQUENCE_MASK = 2**32 - 1
_ROUNDS_BYTES: Final = 4

_TLS_RECORD: Final = b"\x16\x03"
"""As a header it would announce a frame of more than 350 MiB."""

COVERED_BYTES: Final = _COVERED.size
CODE_BYTES: Final = 16
HEADER_BYTES: Final = COVERED_BYTES + 4
"""Size of a header with a CRC; one with a code has `COVERED_BYTES + CODE_BYTES`."""

_Check = Callable[[bytes | bytearray, bytes], bytes]
"""Returns the CRC or the code of a frame: of its covered header and its payload."""


def _checksum(covered: bytes | bytearray, payload: bytes) -> bytes:
    return zlib.crc32(payload, zlib.crc32(covered)).to_bytes(4, "big")


def _code_maker(key: bytes) -> _Check:
    keyed = hashlib.blake2b(key=key, digest_size=CODE_BYTES)  # its copies cost less than new ones

    def code(covered: bytes | bytearray, payload: bytes) -> bytes:
        state = keyed.copy()
        state.update(covered)
        state.update(payload)
        return state.digest()

    return code


def _next_round(rounds: bytes) -> bytes:
    """Return how often the sequence has begun anew, once more; "" without codes."""
    return (int.from_bytes(rounds, "big") + 1).to_bytes(_ROUNDS_BYTES, "big") if rounds else rounds


class FrameEncoder:
    """Makes the frames of one direction of one connection."""

    __slots__ = ("_check", "_rounds", "_sequence")

    def __init__(self) -> None:
        self._sequence = 0
        self._rounds = b""
        self._check: _Check = _checksum

    def seal(self, key: bytes) -> None:
        """Give all frames from now on a code, by a key that is used for this direction of this connection only."""
        self._check = _code_maker(key)
        self._rounds = bytes(_ROUNDS_BYTES)

    def encode(self, payload: bytes) -> bytes:
        """Return the next frame around `payload`. The caller checks the cap."""
        covered = _COVERED.pack(len(payload), self._sequence)
        check = self._check(covered + self._rounds, payload)
        self._sequence = (self._sequence + 1) & _SEQUENCE_MASK
        if not self._sequence:
            self._rounds = _next_round(self._rounds)
        return covered + check + payload


class FrameDecoder:
    """Cuts payloads from arriving bytes.

    Call `feed` with the bytes, then `next_payload` until it returns None. Payloads come out one by one, so that the
    cap may be raised between two of them (a hello has a lower one), and so that every payload before the damage is
    returned before `BrokenFrame`.

    Args:
        cap_bytes: the longest payload accepted. It is checked against the header, before a payload is waited for: no
            more than the cap, a header and one `feed` are ever held.

    `setting` names what changes the cap, for errors; "": nothing does.
    """

    __slots__ = (
        "_at",
        "_bytes",
        "_check",
        "_failure",
        "_header_bytes",
        "_rounds",
        "_sequence",
        "begins_tls",
        "cap_bytes",
        "setting",
    )

    def __init__(self, cap_bytes: int) -> None:
        self.cap_bytes = cap_bytes
        self.setting = ""
        self._bytes: bytes | bytearray = b""
        self._at = 0  # where the next header begins
        self._sequence = 0
        self._check: _Check = _checksum
        self._header_bytes = HEADER_BYTES
        self._rounds = b""
        self._failure: str | None = None
        self.begins_tls = False  # the first bytes were those of TLS (RFC 8446 §5.1), and no header

    def unseal(self, key: bytes) -> None:
        """Expect a code in each frame after the payload returned last (see `FrameEncoder.seal`)."""
        self._check = _code_maker(key)
        self._header_bytes = COVERED_BYTES + CODE_BYTES
        self._rounds = bytes(_ROUNDS_BYTES)

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
        start = self._at + self._header_bytes
        if start > len(self._bytes):
            return None
        size, sequence = _COVERED.unpack_from(self._bytes, self._at)
        if size > self.cap_bytes:
            self.begins_tls = self._sequence == 0 and self._bytes.startswith(_TLS_RECORD, self._at)
            self._fail(f"a frame of {size} bytes is announced, the cap is {self.cap_bytes}{self._setting_text()}")
        if sequence != self._sequence:
            self._fail(f"frame {sequence} arrived where frame {self._sequence} was due")
        end = start + size
        if end > len(self._bytes):
            return None
        payload = bytes(self._bytes[start:end])
        covered_end = self._at + COVERED_BYTES
        check = self._check(self._bytes[self._at : covered_end] + self._rounds, payload)
        if not hmac.compare_digest(check, self._bytes[covered_end:start]):
            self._fail(f"the checksum of frame {sequence} ({size} bytes) does not match")
        self._at = end
        self._sequence = (sequence + 1) & _SEQUENCE_MASK
        if not self._sequence:
            self._rounds = _next_round(self._rounds)
        return payload

    def _setting_text(self) -> str:
        return f"; see {self.setting} of both ends" if self.setting else ""

    def _fail(self, failure: str) -> None:
        self._failure = failure
        self._bytes, self._at = b"", 0
        raise BrokenFrame(failure)
