"""Decoding cost: measures the memory and the time that hostile frames take to decode, for each byte of them.

    python -m benchmarks.fuzzing.decoding_cost [--sizes 65536 524288 1048576]

Each frame is decoded in a process of its own, and its peak is read from the kernel: `VmHWM` of /proc/self/status, so it
runs on Linux only. "refused": the frame is not decoded to its end, as it has too many parts or false lengths. The time
is processor time, the best of three.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from coterie.runtime.messages.unpacking import COUNTED_BYTES, parts_max, unpack_value

__all__ = ["CLIENT_BYTES", "DecodingCost", "hostile_frames", "main", "measure"]

CLIENT_BYTES: Final = 512 * 1024
"""What a client may send at once, by default."""

_SIZES: Final = (1024, COUNTED_BYTES, CLIENT_BYTES, 4 * 1024 * 1024)
_TIMES: Final = 3
_SHORT_TEXT: Final = b"\xa2ab"
_NEGATIVE: Final = b"\xe0"  # -32: from there to -6 one byte on the wire makes an int that Python does not share
_DEPTH: Final = 500


@dataclass(frozen=True, slots=True)
class DecodingCost:
    """What one frame took: its size, the rise of the peak of the process (bytes), the time, whether it was refused."""

    name: str
    size_bytes: int
    peak_bytes: int
    time_ms: float
    is_refused: bool

    @property
    def bytes_per_byte(self) -> float:
        """The memory for each byte of the frame."""
        return self.peak_bytes / self.size_bytes


def hostile_frames(size_bytes: int) -> Iterator[tuple[str, bytes]]:
    """Return payloads of about that size, with their names: as many parts as possible, and as many as are allowed."""
    for name, unit in (
        ("empty maps", b"\x80"),
        ("nested arrays", b"\x91" * _DEPTH + b"\xc0"),
        ("maps in maps", b"\x81\xc0\x80"),
        ("maps of negative numbers", b"\x81\xe0" * (_DEPTH // 2) + b"\xc0"),
        ("pairs", b"\x92\x01\x02"),
        ("short texts", _SHORT_TEXT),
        ("short wide texts", b"\xa2\xc4\x80"),
        ("numbers", b"\xcd\x01\x01"),
        ("negative numbers", _NEGATIVE),
        ("extension types", b"\xd4\x01a"),
    ):
        yield name, _array(unit, (size_bytes - 5) // len(unit))
    for name, unit, parts, filler in (
        ("allowed arrays, texts", b"\x91" + _SHORT_TEXT, 1, _SHORT_TEXT),
        ("allowed nested arrays, texts", b"\x91" * _DEPTH + b"\xc0", _DEPTH, _SHORT_TEXT),
        ("allowed maps, texts", b"\x81" + 2 * _SHORT_TEXT, 6, _SHORT_TEXT),
        ("allowed maps, negative numbers", b"\x81" + 2 * _NEGATIVE, 6, _NEGATIVE),
    ):
        count = min((parts_max(size_bytes) - 8) // parts, (size_bytes - 11) // len(unit))
        yield name, _beside(_array(unit, count), filler, size_bytes)
    entries = _map(min(parts_max(size_bytes) // 2 - 8, size_bytes // 7))
    yield "an allowed map, texts", _beside(entries, _SHORT_TEXT, size_bytes)
    for name, header, most in (("false lengths", b"\xdd%s", 2**32 - 1), ("short false lengths", b"\xdc%s", 2**16 - 1)):
        claim = struct.pack(">I" if most > 2**16 else ">H", min(size_bytes - 9, most))
        heads = (header % claim) * min(1000, (size_bytes - 9) // (1 + len(claim)))
        yield name, heads + b"\xc0" * (size_bytes - len(heads))


def measure(name: str, payload: bytes) -> DecodingCost:
    """Decode `payload` in a forked process, and return what it took there."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            os.write(writing, json.dumps(asdict(_decode(name, payload))).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        said = answer.read()
    os.waitpid(pid, 0)
    return DecodingCost(**json.loads(said))


def main(arguments: Sequence[str] | None = None, report: Callable[[str], object] = print) -> list[DecodingCost]:
    """Measure and report every frame of every size; return the costs."""
    parser = argparse.ArgumentParser(prog="decoding_cost", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=_SIZES, help="bytes of a frame")
    costs = []
    for size_bytes in parser.parse_args(arguments).sizes:
        for name, payload in hostile_frames(size_bytes):
            cost = measure(name, payload)
            costs.append(cost)
            report(
                f"{size_bytes:>9} bytes  {name:<28} {cost.bytes_per_byte:7.1f} bytes per byte {cost.time_ms:8.1f} ms"
                f"{'  refused' if cost.is_refused else ''}"
            )
    return costs


def _array(unit: bytes, count: int) -> bytes:
    return b"\xdd" + struct.pack(">I", count) + unit * count


def _beside(packed: bytes, filler: bytes, size_bytes: int) -> bytes:
    count = max(0, (size_bytes - len(packed) - 6) // len(filler))
    return b"\x92" + packed + _array(filler, count)


def _map(count: int) -> bytes:
    entries = b"".join(b"\xa3" + struct.pack(">I", number)[1:].translate(_AS_TEXT) for number in range(count))
    return (
        b"\xdf"
        + struct.pack(">I", count)
        + b"".join(entries[at : at + 4] + _SHORT_TEXT for at in range(0, len(entries), 4))
    )


_AS_TEXT: Final = bytes(number & 0x7F for number in range(256))
"""Keys are ASCII; those that become equal are one entry, which costs less: a few per cent."""


def _decode(name: str, payload: bytes) -> DecodingCost:
    before, is_refused, time_s = _peak_bytes(), False, float("inf")
    for _ in range(_TIMES):
        begun = time.thread_time()
        try:
            unpack_value(payload)
        except Exception:  # noqa: BLE001 (what a hostile payload makes msgpack raise is not a closed list)
            is_refused = True
        time_s = min(time_s, time.thread_time() - begun)
    return DecodingCost(name, len(payload), _peak_bytes() - before, time_s * 1000, is_refused)


def _peak_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this kernel does not tell the peak of a process (VmHWM)")


if __name__ == "__main__":
    main(sys.argv[1:])
