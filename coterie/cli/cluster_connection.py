"""How the commands that talk to a running cluster find it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from coterie.actors.client import Client
from coterie.cli.security_options import OPEN, Security, add_security, security_of
from coterie.runtime.remote.link_events import LinkEvent

__all__ = ["Connection", "add_connect", "connection_of"]

CONNECT_TIMEOUT_S = 5.0
"""How long the first node may take to let us in."""

PATIENCE_S = 1.0
"""How long the other nodes may take to answer once the first has: links stand within milliseconds, or not at all."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a cluster is, and what to show it."""

    addresses: tuple[str, ...]
    name: str | None = None
    security: Security = OPEN

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """Be linked with one of the nodes, for as long as the `async with` lasts."""
        security = self.security
        async with Client(
            self.addresses,
            name=self.name,
            connect_timeout_s=CONNECT_TIMEOUT_S,
            auth=security.auth,
            tls=security.tls,
        ) as client:
            yield client

    @asynccontextmanager
    async def client_of_all(self) -> AsyncIterator[Client]:
        """Be linked with all of the nodes that answer."""
        async with self.client() as client:
            await _linked(client, len(self.addresses))
            yield client


def add_connect(parser: argparse.ArgumentParser) -> None:
    """Let a parser take `--connect`, and what the cluster wants to see."""
    parser.add_argument(
        "--connect",
        required=True,
        action="append",
        metavar="HOST:PORT[,…]",
        help="where nodes of the cluster listen; name all of them if you can",
    )
    parser.add_argument(
        "--name", help="this client's name (default: a random one; with TLS its certificate's, and more)"
    )
    add_security(parser)


def connection_of(args: argparse.Namespace) -> Connection:
    """Return what the options of `add_connect` name. OSError, ValueError: what does not read, or does not fit."""
    addresses = tuple(address for text in args.connect for address in text.split(",") if address)
    return Connection(addresses, args.name, security_of(args))


async def _linked(client: Client, count: int) -> None:
    """Wait until `client` is linked with `count` nodes, or no longer: some may be down."""
    changed = asyncio.Event()

    def note(_: LinkEvent) -> None:
        changed.set()

    ignore = client.system.on_link(note)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while len(client.nodes) < count:
                changed.clear()
                await changed.wait()
    ignore()
