"""`SynodClient`: proposes and reads the one value of a synod (single-decree Paxos), which never changes once chosen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from coterie.actors.paxos.synod_actor import ProposeValue, ReadValue
from coterie.errors import AskTimeout, CommandRefused, CommandTimeout, CommandUnsettled, CoterieError, Outcome
from coterie.runtime.cells.ask_deadlines import check_timeout
from coterie.runtime.messages.message import Ask
from coterie.runtime.refs import Address, Ref
from coterie.runtime.system import System

__all__ = ["SynodClient"]

R = TypeVar("R")

TIMEOUT_S: Final = 10.0
ATTEMPT_S: Final = 2.0
"""How long the first node is waited for; doubled with each further attempt, because the links may be slow."""

PAUSE_S: Final = 0.05


class SynodClient:
    """One synod. Every call may be repeated: the answer can only be the one chosen value."""

    def __init__(self, system: System, name: str, nodes: Callable[[], Sequence[str]]) -> None:
        self._system = system
        self._name = name
        self._nodes = nodes
        self._next_node = 0

    async def propose(self, value: bytes, *, timeout_s: float = TIMEOUT_S) -> bytes:
        """Have a value chosen and return it: `value`, unless another was chosen before.

        Raises:
            CommandTimeout: no answer in time; UNKNOWN if `value` may have been chosen or may still be.
            CommandError: this client (or node) was closed; its `outcome` shows the same.
        """
        return await self._ask(ProposeValue(value), timeout_s, outcome_if_asked=Outcome.UNKNOWN)

    async def value(self, *, timeout_s: float = TIMEOUT_S) -> bytes | None:
        """Return the chosen value; None only if no acceptor of a quorum has accepted anything.

        Raises:
            CommandTimeout: no answer in time. CommandRefused: this client (or node) is closed.
        """
        return await self._ask(ReadValue(), timeout_s, outcome_if_asked=Outcome.DEFINITE)

    async def _ask(self, request: Ask[R], timeout_s: float, *, outcome_if_asked: Outcome) -> R:
        check_timeout(timeout_s)
        monotonic = self._system.host.clock.monotonic
        deadline = monotonic() + timeout_s
        outcome, last_error, attempt_s = Outcome.DEFINITE, "", ATTEMPT_S
        while (left_s := deadline - monotonic()) > 0:
            if self._system.registry.not_running:
                text = f"synod {self._name!r} cannot be asked: {self._system.registry.not_running}"
                if outcome is Outcome.DEFINITE:
                    raise CommandRefused(text)
                raise CommandUnsettled(f"{text}; the value may have been chosen", outcome)
            node = self._pick_node()
            if node is not None:
                try:
                    return await self._ref(node).ask(request, timeout_s=min(left_s, attempt_s))
                except CoterieError as error:
                    last_error = f"{node!r}: {error}"
                    attempt_s *= 2 if isinstance(error, AskTimeout) else 1
                    if error.outcome is Outcome.UNKNOWN:
                        outcome = outcome_if_asked
            await asyncio.sleep(min(left_s, PAUSE_S))
        last = last_error or self._system.remoting.unlinked_reason
        raise CommandTimeout(f"synod {self._name!r} did not answer in {timeout_s:g} s (last: {last})", outcome)

    def _pick_node(self) -> str | None:
        nodes = self._nodes()
        self._next_node += 1
        return nodes[self._next_node % len(nodes)] if nodes else None

    def _ref(self, node: str) -> Ref[Any]:
        return self._system.at(Address(node, self._name))
