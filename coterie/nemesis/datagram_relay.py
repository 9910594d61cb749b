"""`DatagramRelay`: relays the datagrams that one node sends to another; loses, delays, doubles or damages some.

It works in one direction: a node sends its datagrams to the address at which it dials the other one, and nobody answers
to the source of a datagram. The link's conditions apply as in the simulator (`virtual_datagrams.py`).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Final

from coterie.runtime.hosts.real_datagrams import RealDatagramSocket, open_datagram_socket
from coterie.runtime.hosts.simulation.link_conditions import ConditionedLink

__all__ = ["HELD_DATAGRAMS_MAX", "DatagramRelay"]

HELD_DATAGRAMS_MAX: Final = 4096
"""Datagrams that are delayed at a time; further ones are lost."""


class DatagramRelay:
    """Relays datagrams over `link`. `listens_at` returns the address (`host:port`) of the receiving node."""

    def __init__(self, link: ConditionedLink, listens_at: Callable[[], str]) -> None:
        self._link = link
        self._listens_at = listens_at
        self._socket: RealDatagramSocket | None = None
        self._held: dict[int, asyncio.TimerHandle] = {}
        self._next_number = itertools.count().__next__

    async def open(self, host: str, port: int) -> None:
        """Receive at (host, port). OSError if the port is taken."""
        self._socket = await open_datagram_socket(self._received, host, port)

    def close(self) -> None:
        """Relay nothing more. Idempotent."""
        for timer in self._held.values():
            timer.cancel()
        self._held.clear()
        if self._socket is not None:
            self._socket.close()

    def _received(self, data: bytes, source: tuple[str, int]) -> None:
        del source
        if self._link.drops_datagrams():
            return
        loop = asyncio.get_running_loop()
        for delay_s, arriving in self._link.deliveries(data):
            if len(self._held) < HELD_DATAGRAMS_MAX:
                number = self._next_number()
                self._held[number] = loop.call_later(delay_s, self._send, number, arriving)

    def _send(self, number: int, data: bytes) -> None:
        del self._held[number]
        if self._socket is not None and not self._link.drops_datagrams():
            self._link.datagram_arrived(data)
            host, _, port = self._listens_at().rpartition(":")
            self._socket.send(data, (host, int(port)))
