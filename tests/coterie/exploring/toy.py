"""Fast scenarios that fail, pass, raise or vary as configured; workers import them from here."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import signal
import threading
from dataclasses import dataclass, replace

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.linearizability import History, KeyValue, check
from coterie.protocols.checking.violation import Violation
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Crash, Level
from coterie.protocols.simulation.run_trace import TraceLine
from coterie.protocols.simulation.scenarios.protocol_scenarios import EVERYTHING
from coterie.protocols.simulation.scenarios.run_result import RunResult

WHERE = "tests.coterie.exploring.toy"
OPERATIONS = 20
NAMES = ("n1", "n2", "n3", "n4", "n5")


def a_plan(seed: int, nodes: int = 5) -> FaultPlan:
    rng = random.Random(f"toy/{seed}")
    names = NAMES[:nodes]
    crashes = [Crash(round(rng.uniform(0, 9), 3), rng.choice(names), down_s=0.1) for _ in range(12)]
    return FaultPlan(names, tuple(crashes), 10.0, profile=EVERYTHING)


@dataclass(frozen=True)
class Toy:
    """Fails when `deadly` crashes of one node came before an operation; `fragile_from`: seeds below never fail."""

    name: str = "toy"
    level: Level = Level.PROTOCOL
    deadly: int = 99
    fragile_from: int = 0
    void: str | None = None
    does_raise: bool = False
    is_wavering: bool = False
    interrupted_at: int | None = None
    signals_at: int | None = None

    def plan(self, seed: int, *, profile: str = EVERYTHING, nodes: int | None = None) -> FaultPlan:
        return a_plan(seed, nodes or 5)

    def run(
        self,
        seed: int,
        *,
        plan: FaultPlan | None = None,
        profile: str = EVERYTHING,
        nodes: int | None = None,
        operations: int | None = None,
        hashed: bool = False,
        traced: bool = False,
    ) -> RunResult:
        if seed == self.interrupted_at:
            raise KeyboardInterrupt
        if self.signals_at is not None and seed >= self.signals_at:
            os.kill(os.getppid(), signal.SIGINT)  # as Ctrl-C does, to the command whose worker this is
            threading.Event().wait()
        if self.does_raise:
            raise RuntimeError(f"seed {seed} hits a bug of the scenario itself")
        plan = plan or self.plan(seed, profile=profile, nodes=nodes)
        run = _ToyRun(self, seed, plan, OPERATIONS if operations is None else operations)
        violation = run.tell()
        if violation is None and self.void is not None:
            return replace(run.result(None, hashed=hashed, traced=traced), void=self.void)
        return run.result(violation, hashed=hashed, traced=traced)


class _ToyRun:
    def __init__(self, toy: Toy, seed: int, plan: FaultPlan, operations: int) -> None:
        self.toy, self.seed, self.plan = toy, seed, plan
        self.lines: list[TraceLine] = []
        self.history = History()
        self.operations = operations
        self.done = 0

    def tell(self) -> Violation | None:
        crashed: dict[str, int] = {}
        for fault in self.plan.faults:
            assert isinstance(fault, Crash)
            crashed[fault.target] = crashed.get(fault.target, 0) + 1
            self.lines.append(TraceLine(fault.at_s, fault.target, "node.crashed", str(crashed[fault.target])))
            logging.getLogger("coterie.toy").warning("toy.crashed node=%s", fault.target)
            self.operate(fault.at_s)
            is_deadly = crashed[fault.target] >= self.toy.deadly and self.done >= 3
            if is_deadly and self.seed >= self.toy.fragile_from:
                detail = f"{fault.target} crashed {crashed[fault.target]} times"
                return Violation(
                    "toy.too_many", detail, node=NodeId(fault.target), step=len(self.lines), time_s=fault.at_s
                )
        return None

    def operate(self, at_s: float) -> None:
        for number in range(self.done, min(self.operations, self.done + 4)):
            put = self.history.invoked("c1", ("put", number), key="k", at_s=at_s)
            self.lines.append(TraceLine(at_s, self.plan.nodes[0], f"from {self.plan.nodes[-1]}", f"Put(k, {number})"))
            self.history.returned(put, at_s=at_s)
            self.done += 1
        if self.toy.is_wavering:
            names = {f"actor {number}" for number in range(9)}
            self.lines += [TraceLine(at_s, None, "woke", name) for name in names]

    def result(self, violation: Violation | None, *, hashed: bool, traced: bool) -> RunResult:
        digest = hashlib.sha256("\n".join(map(str, self.lines)).encode()).hexdigest()
        return RunResult(
            seed=self.seed,
            violation=violation,
            void=None,
            operations=self.done,
            events=len(self.lines),
            simulated_s=self.plan.ends_at_s if violation is None else violation.time_s,
            planned=tuple(self.plan.kinds()),
            fired={"crash": len(self.plan.faults)},
            digest=digest if hashed else None,
            tail=() if violation is None else tuple(map(str, self.lines[-5:])),
            profile=EVERYTHING,
            nodes=self.plan.nodes,
            plan=self.plan,
            history=self.history,
            linearizability=check(self.history, KeyValue()),
            trace=tuple(self.lines) if traced else (),
        )


good = Toy()
fragile = Toy(deadly=3)
seldom = Toy(deadly=3, fragile_from=4)
raising = Toy(does_raise=True)
void = Toy(void="only 3 commands were answered")
wavering = Toy(is_wavering=True)
interrupted = Toy(interrupted_at=3)
fragile_and_interrupted = Toy(deadly=3, interrupted_at=3)
signalling = Toy(signals_at=4)
high = Toy(level=Level.SYSTEM)
neither = object()
