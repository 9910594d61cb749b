"""`MemberAddresses`: links a node with the members of its view; finds the first of them by the addresses of seeds.

    --join HOST:PORT ─ which node answers there? ─ link ─ ReportDirectory ─ links with all that it knows ─ Join

Once the node is in the view, the view says where the others are, and the seeds are of no more use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, NamedTuple

from coterie.actors.groups.members.learned_addresses import LearnedAddresses
from coterie.actors.network_addresses import format_address, parse_address
from coterie.actors.node_report import NODE_REPORT_PATH, NodeDirectory, ReportDirectory
from coterie.errors import CoterieError, HandshakeRefused, NodeUnreachable, TopologyError
from coterie.protocols.algorithm import NodeId
from coterie.protocols.membership.view import View
from coterie.runtime.refs import Address
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.definite_refusals import advice_on
from coterie.runtime.transport.handshake.handshake_messages import RefusalReason

__all__ = ["MemberAddresses", "check_seeds"]

SEED_S: Final = 30.0
"""For so long a node that joins waits for a first seed that answers."""

AGAIN_S: Final = 0.5
SAY_AGAIN_S: Final = 5.0
LINK_S: Final = 3.0
ASK_S: Final = 3.0

_BY_VIEW: Final = "#membership"
_BY_SEED: Final = "#seed"


async def check_seeds(system: System, seeds: Sequence[str], *, topology: str) -> None:
    """Wait until a node of the cluster answers at one of the seeds (`host:port`); nothing is linked yet.

    Raises:
        TopologyError: all seeds are this node itself, or one is no node of this cluster; the text names it.
        NodeUnreachable: none has answered within `SEED_S` seconds.
    """
    clock = system.host.clock
    if not seeds:
        return
    began, said = clock.monotonic(), clock.monotonic()
    while True:
        tried = [await _try(system, seed, topology) for seed in seeds]
        if any(problem is None for problem in tried):
            return
        problems = [problem for problem in tried if problem is not None]
        why = "; ".join(problem.text for problem in problems)
        if all(problem.is_self for problem in problems):
            raise TopologyError(topology, (f"{why}: join= names nodes that are in the cluster already",))
        now = clock.monotonic()
        if now - began > SEED_S:
            raise NodeUnreachable.at(seeds, why, advice="compare --join (join=) with where the nodes listen")
        if now - said > SAY_AGAIN_S:
            said = now
            system.log.warning("membership.seeds_silent", seeds=", ".join(seeds), reason=why)
        await asyncio.sleep(AGAIN_S)


class _Problem(NamedTuple):
    """Why no other node of the cluster answers at a seed, although one may later; `is_self`: this node does."""

    text: str
    is_self: bool = False


async def _try(system: System, seed: str, topology: str) -> _Problem | None:
    """Return why no node of the cluster answers at a seed, if that may pass; None: one does."""
    problem: _Problem | None = None
    for host, port in await _resolved(system, seed):
        try:
            await system.remoting.network().try_address(host, port)
        except HandshakeRefused as error:
            if error.reason == RefusalReason.DIALLED_SELF.value:
                problem = _Problem(f"{seed} is this node itself", is_self=True)
                continue
            if advice_on(error.reason) is not None or error.reason == RefusalReason.OTHER_STORE.value:
                raise TopologyError(topology, (f"it cannot join at {seed}: {error}",)) from error
            problem = _Problem(f"{seed}: {error}")
        except (OSError, UnicodeError) as error:
            problem = problem or _Problem(f"{seed}: {error}")
        else:
            return None
    return problem or _Problem(f"{seed} has no address")


async def _resolved(system: System, seed: str) -> list[tuple[str, int]]:
    host, port = parse_address(seed)
    try:
        return await system.host.network.resolve(host, port)
    except (OSError, UnicodeError):
        return [(host, port)]  # the attempt to connect says why


class MemberAddresses:
    """Where the members are, as one node knows it.

    Args:
        system: the node's system.
        seeds: the addresses (`host:port`) that it was given to join; () if it knows its peers.
    """

    def __init__(self, system: System, seeds: Sequence[str]) -> None:
        self._system = system
        self._seeds = tuple(seeds)
        self._learned = system.extension(LearnedAddresses)
        self._held: dict[str, str] = {}
        self._by_seed: dict[str, None] = {}
        self._has_view = False

    def start(self, run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        """Look for the cluster, if there are seeds; `run` runs a coroutine for as long as its actor lives."""
        if self._seeds and not self._has_view:
            run(self._look())

    def learn(self, view: View) -> None:
        """Keep links to the members of a view, and to no others."""
        places = {member.name: member.address for member in view.present if member.name != self._system.node}
        for node in [node for node in self._held if node not in places]:
            self._learned.release(node, _BY_VIEW)
            del self._held[node]
        for node, address in places.items():
            if self._held.get(node) != address:
                self._held[node] = address
                self._learned.hold(node, address, _BY_VIEW)
        if view.member(NodeId(self._system.node)) is not None:
            self._has_view = True
            for node in self._by_seed:
                self._learned.release(node, _BY_SEED)
            self._by_seed.clear()

    async def _look(self) -> None:
        while not self._has_view:
            for seed in self._seeds:
                for host, port in await _resolved(self._system, seed):
                    await self._ask(host, port)
            await asyncio.sleep(AGAIN_S)

    async def _ask(self, host: str, port: int) -> None:
        """Link with the node that answers at an address, and with all that it knows."""
        try:
            peer = await self._system.remoting.network().try_address(host, port)
            self._hold(peer.node, format_address((host, port)))
            await self._system.linked(peer.node, LINK_S)
            asked: asyncio.Future[NodeDirectory]
            asked = self._system.at(Address(peer.node, NODE_REPORT_PATH)).ask(ReportDirectory(), timeout_s=ASK_S)
            for node, address in (await asked).address_by_node.items():
                self._hold(node, address)
        except (OSError, UnicodeError, CoterieError) as error:
            self._system.log.debug("membership.seed_silent", seed=format_address((host, port)), error=str(error))

    def _hold(self, node: str, address: str) -> None:
        if node == self._system.node or node in self._held or self._has_view:
            return
        self._by_seed[node] = None
        self._learned.hold(node, address, _BY_SEED)
