"""Failed connection: finds out why no node is linked, and logs a refusal only where the error does not tell it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from coterie.actors.network_addresses import format_address, parse_address
from coterie.errors import NodeUnreachable
from coterie.runtime.observing.printable_text import printable
from coterie.runtime.remote.refused_handshakes import TEXT_CHARS_MAX
from coterie.runtime.transport.handshake.definite_refusals import advice_on
from coterie.runtime.transport.handshake.handshake_messages import RefusalReason

__all__ = ["explained", "holding_refusals"]

PROBE_TIMEOUT_S: Final = 1.0
"""How long an address has to take a connection."""

_REFUSED: Final = "transport.handshake_refused"
_LOGGER: Final = "coterie.runtime"


async def explained(error: NodeUnreachable, addresses: Sequence[str], refusals: Sequence[str]) -> NodeUnreachable:
    """Return an error that says of each address why no node is linked there; `error` itself if all refuse for good.

    Addresses from which no refusal is known are tried once more, at the same time, for 1 s at most.

    Args:
        error: why the client has no link.
        addresses: those that it was given, `host:port`.
        refusals: the latest failed handshakes, each `host:port: code: text`.
    """
    given = [format_address(parse_address(address)) for address in dict.fromkeys(addresses)]
    reason_by_address = {
        one: text.removeprefix(f"{one}: ") for text in refusals for one in given if text.startswith(one)
    }
    if all(advice_on(_code(reason_by_address.get(one, ""))) is not None for one in given):
        return error
    whys = await asyncio.gather(*(_why(one, reason_by_address) for one in given))
    why = "; ".join(f"{one}: {reason}" for one, reason in zip(given, whys, strict=True))
    return NodeUnreachable.at(given, why, advice="compare the addresses (--connect), and see the logs of the nodes")


def _code(reason: str) -> str:
    return reason.partition(":")[0]


async def _why(address: str, reason_by_address: Mapping[str, str]) -> str:
    reason = reason_by_address.get(address, "")
    if reason and _code(reason) != RefusalReason.INCOMPLETE.value:
        return f"this client is refused: {reason}"
    host, port = parse_address(address)
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port)
    except socket.gaierror as error:
        return f"the name {host!r} cannot be resolved ({error.strerror})"
    except TimeoutError:
        return f"no connection within {PROBE_TIMEOUT_S:g} s"
    except OSError as error:
        return f"nothing listens there ({os.strerror(error.errno) if error.errno else error})"
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return f"what listens there does not answer as a coterie node{f' ({reason})' if reason else ''}"


@contextlib.contextmanager
def holding_refusals() -> Iterator[None]:
    """Hold the warnings of refused handshakes back in the block; then log those that the error does not tell."""
    held = _HeldRefusals()
    logger = logging.getLogger(_LOGGER)
    logger.addFilter(held)
    told = ""
    try:
        yield
    except NodeUnreachable as error:
        told = str(error)
        raise
    finally:
        logger.removeFilter(held)
        for record, reason in held.records:
            if printable(reason, TEXT_CHARS_MAX) not in told:
                logger.handle(record)


class _HeldRefusals(logging.Filter):
    """Takes the warnings of refused handshakes. `records`: each with the reason of the refusal."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[tuple[logging.LogRecord, str]] = []

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record passes now."""
        facts = getattr(record, "facts", {})
        if not record.getMessage().startswith(_REFUSED):
            return True
        self.records.append((record, str(facts.get("reason", ""))))
        return False
