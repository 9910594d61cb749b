"""`ProtocolWorld`: runs one simulation of any algorithm: builds the clock, network, nodes and faults from one seed."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId, Received
from coterie.protocols.checking.violation import Violation, ViolationContext
from coterie.protocols.faults.fault_counts import FaultCounts
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.simulation.event_heap import EventHeap, stream
from coterie.protocols.simulation.faults.protocol_injector import ProtocolInjector
from coterie.protocols.simulation.protocol_network import ProtocolNetwork
from coterie.protocols.simulation.protocol_node import AlgorithmHarness, ProtocolNode
from coterie.protocols.simulation.run_trace import FROM, RunTrace

__all__ = ["ProtocolWorld"]

W = TypeVar("W")
M = TypeVar("M")


DRIFT = 0.01
"""The largest relative error of clocks: more than any real one has."""


class ProtocolWorld(Generic[W, M]):
    """Runs an algorithm under a plan: `harness` supplies the algorithm, the world everything else.

    `spares`: further nodes, which the plan does not name; its faults may hit them by their role or with all others.

    Raises:
        PlanError: `plan` has a kind of fault that level PROTOCOL lacks.
    """

    def __init__(
        self,
        seed: str,
        plan: FaultPlan,
        harness: AlgorithmHarness[W, M],
        context: ViolationContext,
        *,
        spares: Sequence[NodeId] = (),
        hashed: bool = False,
        traced: bool = False,
    ) -> None:
        self.heap = EventHeap(context)
        self.trace = RunTrace(self.heap, hashed=hashed, traced=traced)
        self.fault_counts = FaultCounts()
        self._harness = harness
        self.nodes = {
            node_id: ProtocolNode(node_id, harness, self.heap, self.trace, stream(seed, f"node {node_id}"), drift=DRIFT)
            for node_id in (*map(NodeId, plan.nodes), *spares)
        }
        self.network: ProtocolNetwork[M] = ProtocolNetwork(
            self.heap, stream(seed, "network"), self._deliver, self.fault_counts.note
        )
        nodes = list(self.nodes.values())
        self.faults = ProtocolInjector(
            plan,
            self.heap,
            self.trace,
            self.fault_counts,
            nodes,
            self.network,
            rng=stream(seed, "faults"),
            healed=harness.healed,
        )
        self._targeting = self.faults.targeting
        self._arrival_from = {node_id: f"{FROM}{node_id}" for node_id in self.nodes}

    @property
    def now(self) -> float:
        """The current simulated time (s)."""
        return self.heap.now

    def run(self, *, until_s: float, end: Callable[[], None]) -> Violation | None:
        """Start every node, run the event heap until it stops or until `until_s`, then call `end` to check the end.

        Returns:
            The first broken invariant, None if none broke. `algorithm.halted`: the algorithm itself reported a broken
            invariant; `algorithm.raised`: it raised another error, which no input may cause.
        """
        try:
            for node in self.nodes.values():
                node.start()
            self.heap.run(until_s=until_s)
            end()
        except Violation as violation:
            return violation
        except InvariantViolated as error:
            return self._found("algorithm.halted", str(error))
        except Exception as error:  # noqa: BLE001 - every error must be reported with its seed
            self.trace.record(None, "raised", "".join(traceback.format_exception(error)))
            return self._found("algorithm.raised", repr(error))
        return None

    def _found(self, invariant: str, detail: str) -> Violation:
        return Violation(invariant, detail, node=None, step=self.heap.steps, time_s=self.now)

    def send(self, sender: NodeId, to: NodeId, message: M) -> None:
        """Send `message`, and report the role that `sender` shows by it to the fault targeting."""
        if self._targeting.waiting:
            role = self._harness.sender_role(message)
            if role is not None:
                self._targeting.role_shown(role, sender)
        self.network.send(sender, to, message)

    def _deliver(self, to: NodeId, sender: NodeId, message: M) -> None:
        self.trace.record(to, self._arrival_from[sender], message)
        self.nodes[to].receive(Received(sender, message))
