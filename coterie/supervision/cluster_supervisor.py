"""`ClusterSupervisor`: runs all nodes of a cluster as supervised processes: restarts those that end or hang."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from coterie.actors.network_addresses import parse_address
from coterie.errors import TransportError
from coterie.node_process import start_process
from coterie.runtime.cells.supervision import Supervision
from coterie.runtime.hosts.real_host import RealHost
from coterie.runtime.hosts.tls_config import TlsConfig
from coterie.runtime.system import System, SystemConfig
from coterie.runtime.transport.descriptor_budget import NODE_FILES, check_room
from coterie.runtime.transport.handshake.identity import PeerRole
from coterie.runtime.transport.handshake.shared_key import SharedKey
from coterie.runtime.transport.transport_config import TransportConfig
from coterie.supervision.hang_watch import HangWatch
from coterie.supervision.node_supervisor import RESTARTS, NodeSupervisor
from coterie.supervision.output_pipe import OutputPipe

__all__ = ["HANG_TIMEOUT_S", "ClusterSupervisor"]

HANG_TIMEOUT_S = 10.0
"""The default for how long a node may be silent. Lower: long pauses (a blocked loop, a busy machine) are taken for the
end; higher: a hung node is missing for longer. A node with a slow loop answers late, but it answers."""

HANG_TIMEOUT_MIN_S = 2.0
"""The shortest: in less time a node that has just started may not be linked yet."""

LINKS = TransportConfig(reconnect_cap_s=0.2, reconnect_full_cap_s=0.5)
"""A node that has started again is linked soon, and can show that it works; one that is full refuses us often enough
to show the same (see `fencing.py`)."""

NODE_DESCRIPTORS: Final = 8
"""What this process opens for each node: two pipes, the link and its successor, and what starts a process."""


class ClusterSupervisor:
    """The processes of all nodes of one cluster on this machine.

    Args:
        topology: where the topology is declared, `module:name`.
        cluster: the topology's name.
        addresses: `host:port` of each node, by name.
        data: the data directory of each node, by name.
        say: takes a line about a node.
        restarts: the budget of each node, and the back-off before its restarts.
        hang_timeout_s: how long a node may be silent before its process is killed, s; 0: none is ever killed.
        options: further options of `coterie run` for each node, by name.
        auth, tls: what this process proves itself with to the nodes: as one of them could.
        name: of this process, as a client of the nodes.

    Raises:
        ValueError: `hang_timeout_s` is neither 0 nor at least 2.
    """

    def __init__(
        self,
        topology: str,
        cluster: str,
        addresses: Mapping[str, str],
        data: Mapping[str, str],
        *,
        say: Callable[[str, str], None],
        restarts: Supervision = RESTARTS,
        hang_timeout_s: float = HANG_TIMEOUT_S,
        options: Mapping[str, Sequence[str]] | None = None,
        auth: SharedKey | None = None,
        tls: TlsConfig | None = None,
        name: str | None = None,
    ) -> None:
        if hang_timeout_s != 0 and not HANG_TIMEOUT_MIN_S <= hang_timeout_s < float("inf"):
            raise ValueError(
                f"the hang timeout is {hang_timeout_s:g} s: it must be at least {HANG_TIMEOUT_MIN_S:g} s, or 0 for none"
            )
        self._topology = topology
        self._cluster = cluster
        self._addresses = addresses
        self._data = data
        self._hang_timeout_s = hang_timeout_s
        self._options = options or {}
        self._auth, self._tls = auth, tls
        self._name = name or f"up-{os.getpid()}"
        self._host = RealHost()
        monotonic = self._host.clock.monotonic
        self._supervisors = {
            node: NodeSupervisor(node, partial(self._start, node), say, restarts, monotonic) for node in addresses
        }

    @property
    def given_up(self) -> tuple[str, ...]:
        """The nodes that are not restarted any more: their budgets are spent, or they cannot start."""
        return tuple(node for node, supervisor in self._supervisors.items() if supervisor.has_given_up)

    def hang_up(self) -> None:
        """Let all nodes that are up read their certificates again (SIGHUP)."""
        for supervisor in self._supervisors.values():
            supervisor.hang_up()

    def check_limit(self) -> None:
        """Raise TransportError if the limit of open files, which the nodes inherit, is too low for one of them or us.

        Call it on the running loop: the loop of a node has as many descriptors.
        """
        reading = self._host.resources.descriptors()
        check_room(reading, members=len(self._addresses) - 1, files=NODE_FILES)
        if reading.limit is None or reading.open_count is None:
            return
        needed = reading.open_count + NODE_DESCRIPTORS * len(self._addresses)
        if reading.limit < needed:
            raise TransportError(
                f"the limit of open files is {reading.limit}, and {reading.open_count} are open: to run "
                f"{len(self._addresses)} nodes takes a limit of at least {needed}; raise it (ulimit -n {needed})"
            )

    async def run(self) -> None:
        """Run the nodes until cancelled, then stop them in order; return when all have been given up.

        Raises:
            CoterieError, OSError: a node cannot be started, or a line about it cannot be printed; all are stopped.
        """
        try:
            await self._run()
        except BaseExceptionGroup as group:
            raise _first_error(group) from group

    async def _run(self) -> None:
        config = SystemConfig(transport=LINKS)
        async with System(
            self._name,
            cluster=self._cluster,
            role=PeerRole.CLIENT,
            host=self._host,
            config=config,
            auth=self._auth,
            tls=self._tls,
        ) as system:
            for address in self._addresses.values():
                system.dial(*parse_address(address))
            async with asyncio.TaskGroup() as watching:
                hang_watch = HangWatch(system, self._supervisors, self._addresses, self._hang_timeout_s)
                watch = watching.create_task(hang_watch.run())
                async with asyncio.TaskGroup() as nodes:
                    for supervisor in self._supervisors.values():
                        nodes.create_task(supervisor.run())
                watch.cancel()

    async def _start(self, node: str) -> tuple[Process, OutputPipe]:
        output = await OutputPipe.open()
        try:
            process = await start_process(
                self._topology,
                node,
                self._addresses,
                self._data[node],
                output=output.write_fd,
                options=self._options.get(node, ()),
            )
        except BaseException:
            output.close()
            raise
        finally:
            output.started()
        return process, output


def _first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first of the errors in a group, at whatever depth."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
