"""How `top`, `actors` and `waits` look at the nodes of a running cluster."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import TypeVar

from coterie.actors.client import Client
from coterie.actors.inspection import ActorsReport, ReportActors
from coterie.actors.node_report import DIRECTORY
from coterie.errors import CoterieError
from coterie.runtime.messages.message import Ask
from coterie.runtime.refs import Address

__all__ = ["Look", "ask_directory", "facts_of", "look_at"]

R = TypeVar("R")

ASK_TIMEOUT_S = 5.0

Look = Mapping[str, ActorsReport | CoterieError]
"""What each node told, or why it did not."""


async def look_at(client: Client, asked: ReportActors) -> Look:
    """Ask all nodes that are linked, at once."""
    answers = await asyncio.gather(*(ask_directory(client, node, asked, ASK_TIMEOUT_S) for node in client.nodes))
    return dict(zip(client.nodes, answers, strict=True))


async def ask_directory(client: Client, node: str, asked: Ask[R], timeout_s: float) -> R | CoterieError:
    """Ask what a node knows of itself. An error is an answer: one node that is silent does not end the look at all."""
    try:
        report: R = await client.system.at(Address(node, DIRECTORY)).ask(asked, timeout=timeout_s)
    except CoterieError as error:
        return error
    return report


def facts_of(look: Look) -> dict[str, object]:
    """Return a look as JSON can hold it."""
    return {
        node: {"error": str(report)} if isinstance(report, CoterieError) else dataclasses.asdict(report)
        for node, report in look.items()
    }
