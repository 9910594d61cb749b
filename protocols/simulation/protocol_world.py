"""A world: time, network, nodes and faults, everything from one seed, and nothing of any one algorithm."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Generic, TypeVar

from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId, Received
from coterie.protocols.checking.violation import Bench, Violation
from coterie.protocols.faults.fault_counts import Firings
from coterie.protocols.faults.fault_plan import Plan
from coterie.protocols.simulation.event_heap import Timeline, stream
from coterie.protocols.simulation.faults.protocol_injector import Injector
from coterie.protocols.simulation.protocol_network import Network
from coterie.protocols.simulation.protocol_node import Node, Resident
from coterie.protocols.simulation.run_trace import FROM, Trace

__all__ = ["World"]

W = TypeVar("W")
M = TypeVar("M")


DRIFT = 0.01
"""How far clocks run from the true time: more than any real one."""


class World(Generic[W, M]):
    """Hosts a scenario: `resident` knows the algorithm, the world knows the circumstances.

    Raises:
        PlanError: `plan` has a kind of fault that the level of protocols lacks.
    """

    def __init__(
        self,
        seed: str,
        plan: Plan,
        resident: Resident[W, M],
        bench: Bench,
        *,
        hashed: bool = False,
        traced: bool = False,
    ) -> None:
        self.timeline = Timeline(bench)
        self.trace = Trace(self.timeline, hashed=hashed, traced=traced)
        self.firings = Firings()
        self._resident = resident
        self.nodes = {
            node_id: Node(node_id, resident, self.timeline, self.trace, stream(seed, f"node {node_id}"), drift=DRIFT)
            for node_id in map(NodeId, plan.nodes)
        }
        self.network: Network[M] = Network(self.timeline, stream(seed, "network"), self._deliver, self.firings.note)
        nodes = list(self.nodes.values())
        self.faults = Injector(
            plan,
            self.timeline,
            self.trace,
            self.firings,
            nodes,
            self.network,
            rng=stream(seed, "faults"),
            healed=resident.healed,
        )
        self._aiming = self.faults.aiming
        self._arrival_from = {node_id: f"{FROM}{node_id}" for node_id in self.nodes}

    @property
    def now(self) -> float:
        """The present moment (s)."""
        return self.timeline.now

    def run(self, *, until_s: float, end: Callable[[], None]) -> Violation | None:
        """Start every node, let things happen until the timeline stops or `until_s`, then call `end` to judge the end.

        Returns:
            The first broken invariant. `algorithm.halted` is an algorithm's own finding; `algorithm.raised` any other
            error: no input may make an algorithm raise.
        """
        try:
            for node in self.nodes.values():
                node.start()
            self.timeline.run(until_s=until_s)
            end()
        except Violation as violation:
            return violation
        except InvariantViolated as error:
            return self._found("algorithm.halted", str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, its seed must be told
            self.trace.record(None, "raised", "".join(traceback.format_exception(error)))
            return self._found("algorithm.raised", repr(error))
        return None

    def _found(self, invariant: str, detail: str) -> Violation:
        return Violation(invariant, detail, node=None, step=self.timeline.steps, time_s=self.now)

    def send(self, sender: NodeId, to: NodeId, message: M) -> None:
        """Carry `message`, and notice in which role `sender` shows itself by it."""
        if self._aiming.armed:
            role = self._resident.role_shown(message)
            if role is not None:
                self._aiming.showed(role, sender)
        self.network.send(sender, to, message)

    def _deliver(self, to: NodeId, sender: NodeId, message: M) -> None:
        self.trace.record(to, self._arrival_from[sender], message)
        self.nodes[to].receive(Received(sender, message))
