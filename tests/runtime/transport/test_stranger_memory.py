"""What a connection takes before its handshake has passed, measured in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from coterie.runtime.transport import Peer, PeerRole
from coterie.runtime.transport.framing.frames import FrameEncoder
from coterie.runtime.transport.handshake.handshake_messages import Hello

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the memory of a process"),
]

STRANGERS = 400
PAGE_BYTES = 4096
LIMIT_BYTES = 16 * 1024

NODE = f"""
import asyncio, logging
from coterie import System
from coterie.runtime.system import SystemConfig
from coterie.runtime.transport import SharedKey, TransportConfig

async def main():
    logging.disable(logging.CRITICAL)
    config = SystemConfig(transport=TransportConfig(handshakes_max={2 * STRANGERS}, handshake_timeout_s=60.0))
    async with System("n1", cluster="test", auth=SharedKey(bytes(range(32))), config=config) as system:
        print((await system.listen("127.0.0.1", 0))[1], flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""

HELLO = Hello(2, 3, "test", Peer("stranger", 5, PeerRole.CLIENT), 0, 7, "n1", bytes(32)).encode()
BEGUN = (4096).to_bytes(4, "big") + bytes(4)
"""The header of the longest frame, without its checksum."""


@pytest.fixture
def node() -> Iterator[tuple[int, int]]:
    """A node in a process of its own: its process id and its port."""
    process = subprocess.Popen([sys.executable, "-c", NODE], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.pid, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def settled_bytes(pid: int) -> int:
    """Return the memory of a process once it no longer grows."""
    before, now = 0, resident_bytes(pid)
    while now > before:
        time.sleep(0.5)
        before, now = now, resident_bytes(pid)
    return now


@pytest.mark.parametrize("said", ["nothing", "almost a frame", "a hello, and almost a frame"])
def test_a_stranger_takes_at_most_16_kib(node: tuple[int, int], said: str) -> None:
    pid, port = node
    data = {"nothing": b"", "almost a frame": BEGUN + bytes(4090)}.get(said)
    if data is None:
        data = FrameEncoder().encode(HELLO) + (4096).to_bytes(4, "big") + (1).to_bytes(4, "big") + bytes(4090)
    begun = settled_bytes(pid)
    with ExitStack() as opened:
        for _ in range(STRANGERS):
            stranger = opened.enter_context(socket.create_connection(("127.0.0.1", port)))
            stranger.sendall(data)
        taken = settled_bytes(pid) - begun

    assert 0 < taken < STRANGERS * LIMIT_BYTES
