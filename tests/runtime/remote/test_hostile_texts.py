"""Strangers without a key, who choose texts and names: the log stays short, and each record stays one line."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Iterator
from typing import Any, cast

import msgpack
import pytest

from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork
from coterie.runtime.system import System
from coterie.runtime.transport.framing.frames import FrameEncoder
from coterie.runtime.transport.handshake.handshake_messages import Hello
from coterie.runtime.transport.handshake.identity import Peer, PeerRole
from coterie.runtime.transport.handshake.protocol_versions import VERSION_MAX, VERSION_MIN
from coterie.runtime.transport.handshake.shared_key import SharedKey

pytestmark = pytest.mark.virtual

FORGED = "\n2026-11-29 10:00:00,000 CRITICAL coterie.n1 store.damaged segment=1 \x1b[31mcall +1-900\x1b[0m"
PAUSE_S = 0.05


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream, handler = io.StringIO(), logging.StreamHandler()
    handler.setStream(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    handler.setLevel(logging.WARNING)
    logging.getLogger("coterie").addHandler(handler)
    yield stream
    logging.getLogger("coterie").removeHandler(handler)


def hello(name: str = "x", cluster: str = "c") -> bytes:
    return Hello(VERSION_MIN, VERSION_MAX, cluster, Peer(name, 1, PeerRole.NODE), 0, 1, "", b"n" * 32).encode()


def refusal(text: str) -> bytes:
    return cast(bytes, msgpack.packb(("coterie.refuse", "x", text)))


class Stranger(asyncio.Protocol):
    """A peer that is played byte by byte."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport


async def say(network: VirtualNetwork, address: tuple[str, int], *payloads: bytes) -> None:
    """Connect as a stranger, and send these payloads whatever the answers are."""
    encoder, stranger = FrameEncoder(), Stranger()
    await network.for_node("stranger").connect(lambda: stranger, *address)
    for payload in payloads:
        stranger.transport.write(encoder.encode(payload))
    await asyncio.sleep(PAUSE_S)
    stranger.transport.close()


async def listening(network: VirtualNetwork, log: io.StringIO, *strangers: tuple[bytes, ...]) -> str:
    """Let the strangers come to a node with a key, one after the other; return its log."""
    host = VirtualHost("n1", network=network, seed=1)
    async with System("n1", cluster="c", host=host, auth=SharedKey(b"k" * 32)) as system:
        address = await system.listen("n1")
        for payloads in strangers:
            await say(network, address, *payloads)
    return log.getvalue()


async def test_three_hundred_texts_of_one_stranger_are_one_line(log: io.StringIO) -> None:
    texts = [FORGED if at == 0 else f"{at}" * 170 for at in range(300)]

    written = await listening(VirtualNetwork(), log, *((hello(), refusal(text)) for text in texts))

    assert written.count("\n") == 1
    assert written.startswith("WARNING coterie.runtime transport.handshake_refused node=n1 address=127.0.0.1:")
    assert r"\n2026-11-29 10:00:00,000 CRITICAL" in written


@pytest.mark.parametrize("named", [{"name": f"x{FORGED}"}, {"cluster": f"c{FORGED}"}])
async def test_a_name_that_is_not_printable_is_refused_by_its_escaped_text(
    named: dict[str, Any], log: io.StringIO
) -> None:
    written = await listening(VirtualNetwork(), log, (hello(**named),))

    assert written.count("\n") == 1
    assert r"\n2026-11-29 10:00:00,000 CRITICAL" in written
    assert "names must be printable" in written
