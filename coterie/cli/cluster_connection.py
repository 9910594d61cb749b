"""`ClusterConnection`: reads the options that say which cluster to use, and connects a client to its nodes."""

from __future__ import annotations

import argparse
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from coterie.actors.client import Client
from coterie.actors.network_addresses import parse_address
from coterie.cli.command_loop import WrongUsage
from coterie.cli.failed_connection import explained, holding_refusals
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.security_options import NO_SECURITY, SecurityOptions, add_client_security, security_of
from coterie.errors import NodeUnreachable

__all__ = ["ClusterConnection", "add_connect", "connection_of"]

CONNECT_TIMEOUT_S = 5.0
"""Time limit for the link with the first node."""

OTHER_NODES_TIMEOUT_S = 1.0
"""Time limit for links with the other nodes after the first: a link is up within milliseconds, or not at all."""


@dataclass(frozen=True, slots=True)
class ClusterConnection:
    """The addresses of a cluster, and the client's name, key and certificates. `out` is told the cluster's id."""

    addresses: tuple[str, ...]
    name: str | None = None
    security: SecurityOptions = NO_SECURITY
    out: CommandOutput | None = None

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """Link with one of the nodes until the `async with` block ends.

        NodeUnreachable: none answers in 5 s, or all refuse this client for good; the text says it of each address.
        """
        security = self.security
        async with Client(
            self.addresses,
            name=self.name,
            connect_timeout_s=0.0,
            auth=security.auth,
            tls=security.tls,
        ) as client:
            with holding_refusals():
                await self._link(client)
            if self.out is not None:
                self.out.cluster = client.cluster
            yield client

    async def _link(self, client: Client) -> None:
        try:
            await client.linked(CONNECT_TIMEOUT_S)
        except NodeUnreachable as error:
            refusals = client.system.remoting.refused_handshakes.latest
            raise await explained(error, self.addresses, refusals) from error

    @asynccontextmanager
    async def client_of_all(self) -> AsyncIterator[Client]:
        """Link with all nodes that answer until the `async with` block ends."""
        async with self.client() as client:
            await client.all_linked(OTHER_NODES_TIMEOUT_S)
            yield client


CONNECT_VARIABLE = "COTERIE_CONNECT"
"""The environment variable that says what `--connect` says, where that is required and not given."""


def add_connect(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add `--connect`, `--name` and the security options to a parser."""
    told = f"; default: the variable {CONNECT_VARIABLE}" if required else ""
    parser.add_argument(
        "--connect",
        required=required and not os.environ.get(CONNECT_VARIABLE),
        default=None if required else [],
        action="append",
        metavar="HOST:PORT[,…]",
        help="addresses of the cluster's nodes; one that answers is enough, the others are learned from it" + told,
    )
    parser.add_argument(
        "--name",
        help="this client's name (default: a random one; with --key-of or TLS the name to which the key or certificate "
        "is issued, and a random suffix)",
    )
    add_client_security(parser)


def connection_of(args: argparse.Namespace) -> ClusterConnection:
    """Return the connection that the options, or the environment, describe.

    WrongUsage: there is no address, or one is malformed; or as `security_of`. It names the option.
    """
    source, given = "--connect", args.connect
    if given is None:
        source, given = CONNECT_VARIABLE, [os.environ.get(CONNECT_VARIABLE, "")]
    addresses = tuple(address for text in given for address in text.split(",") if address)
    try:
        list(map(parse_address, addresses))
    except ValueError as error:
        raise WrongUsage(f"{source}: {error}") from error
    if not addresses:
        raise WrongUsage(f"{source} {','.join(given)!r} has no address: write HOST:PORT, and a comma between two")
    return ClusterConnection(addresses, args.name, security_of(args), args.out)
