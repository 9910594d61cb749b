"""Load messages: gives load reports their wire names, and defines the request for one, a probe."""

from __future__ import annotations

from typing import Final

from coterie.protocols.balancing.load_report import LoadReport, NodeResources
from coterie.runtime.messages.message import Ask, message, message_type, register_message
from coterie.runtime.messages.message_codecs import MessageType
from coterie.runtime.messages.speakers import Speaker

__all__ = ["LOAD_TYPE", "ProbeLoad", "UnknownWorker"]

register_message(NodeResources, name="pool.NodeResources")
register_message(LoadReport, name="pool.Load")

LOAD_TYPE: Final[MessageType] = message_type(LoadReport)
"""Encodes and decodes load reports: a LOAD row carries the fields of one."""


class UnknownWorker(LookupError):
    """A probe of a path at which the pool has no worker (any more)."""


@message(name="pool.ProbeLoad", raises=(UnknownWorker,), speaker=Speaker.CLIENT)
class ProbeLoad(Ask[LoadReport]):
    """Ask a pool's `PoolActor` for the load of its worker at `path`, without sending that worker a request."""

    path: str
