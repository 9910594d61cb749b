"""Service finder: asks the linked nodes of a cluster for the instances of a service; for clients."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from coterie.actors.membership.receptionist.service_messages import (
    RECEPTIONIST_PATH,
    FindService,
    ServiceInstance,
    ServiceListing,
)
from coterie.errors import ActorNotFound, CoterieError, NodeUnreachable
from coterie.runtime.refs import Address
from coterie.runtime.system import System

__all__ = ["NO_SERVICES", "listed_instances"]

NO_SERVICES: Final = "the cluster has no view, and so no services: its topology needs nodes=Members(…)"


async def listed_instances(
    system: System, nodes: Sequence[str], service: str, timeout_s: float
) -> tuple[ServiceInstance, ...]:
    """Return the instances of a service, as a node knows them whose lease is valid; else as another one does.

    Raises:
        ActorNotFound: the nodes that answer have no receptionist.
        CoterieError: none answers within `timeout_s` seconds: the error of one.
        NodeUnreachable: `nodes` is empty.
    """
    if not nodes:
        raise NodeUnreachable.at((), "no node is linked")
    asks = [
        system.at(Address(node, RECEPTIONIST_PATH)).ask(FindService(service), timeout_s=timeout_s) for node in nodes
    ]
    outdated: ServiceListing | None = None
    failure: CoterieError | None = None
    for answered in asyncio.as_completed(asks):
        try:
            listing: ServiceListing = await answered
        except ActorNotFound:
            failure = ActorNotFound(NO_SERVICES)
        except CoterieError as error:
            failure = failure or error
        else:
            if listing.is_current:
                return listing.instances
            outdated = outdated or listing
    if outdated is None:
        raise failure or NodeUnreachable.at((), "no node is linked")
    return outdated.instances
