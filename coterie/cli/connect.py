"""How the commands that talk to a running cluster find it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib

from coterie.actors.client import Client
from coterie.runtime.remote.links import LinkEvent

__all__ = ["add_connect", "addresses_of", "linked"]

PATIENCE_S = 1.0
"""How long the other nodes may take to answer once the first has: links stand within milliseconds, or not at all."""


def add_connect(parser: argparse.ArgumentParser) -> None:
    """Let a parser take `--connect`."""
    parser.add_argument(
        "--connect",
        required=True,
        action="append",
        metavar="HOST:PORT[,…]",
        help="where nodes of the cluster listen; name all of them if you can",
    )


def addresses_of(args: argparse.Namespace) -> list[str]:
    """Return the addresses that `--connect` names."""
    return [address for text in args.connect for address in text.split(",") if address]


async def linked(client: Client, count: int) -> None:
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
