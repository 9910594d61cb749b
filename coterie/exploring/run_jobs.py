"""One run as data, carried out in this process or in workers."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

from coterie.errors import PlanError
from coterie.exploring.scenario_discovery import find
from coterie.protocols.checking.violation import Violation
from coterie.protocols.faults.fault_plan import Plan
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.simulation.scenarios.protocol_scenarios import EVERYTHING, Endable
from coterie.protocols.simulation.scenarios.run_outcome import Outcome, Verdict

__all__ = ["Job", "carry_out", "many_runs", "workers"]

RARE_COLLECTIONS = 200_000
"""Net allocations between collections: a simulated world is one big cycle until its seed is done."""

HASH_SEED = "PYTHONHASHSEED"


@dataclass(frozen=True, slots=True)
class Job:
    """One run: the scenario by name (so that a worker can find it), and the arguments of `Scenario.run`.

    `max_s`: when it ends (simulated s), if the scenario lets itself be ended early; None: when it is over.
    """

    scenario: str
    seed: int
    level: Level | None = None
    profile: str = EVERYTHING
    nodes: int | None = None
    operations: int | None = None
    plan: Plan | None = None
    hashed: bool = False
    traced: bool = False
    max_s: float | None = None


def carry_out(job: Job) -> Verdict:
    """Run a job. Whatever a scenario raises is a failure of its seed; history and plan come with failures only.

    Raises:
        PlanError: the plan cannot be carried out at all, or there is no such profile.
        ScenarioError: there is no such scenario.
    """
    verdict = _run(job)
    if verdict.outcome is Outcome.FAILED or job.traced:
        return verdict
    return replace(verdict, plan=None, history=None, linearizability=None)


def _run(job: Job) -> Verdict:
    scenario = find(job.scenario, job.level)
    if job.max_s is not None and isinstance(scenario, Endable):
        scenario = scenario.ending_at(job.max_s)
    try:
        return scenario.run(
            job.seed,
            plan=job.plan,
            profile=job.profile,
            nodes=job.nodes,
            operations=job.operations,
            hashed=job.hashed,
            traced=job.traced,
        )
    except PlanError:
        raise
    except Violation as violation:
        return _failed(job, violation)
    except Exception as error:  # noqa: BLE001 - a scenario of anybody's: whatever it is, its seed must be told
        lines = tuple("".join(traceback.format_exception(error)).splitlines())
        detail = f"{type(error).__name__}: {error}"
        return replace(_failed(job, Violation("scenario.raised", detail, node=None, step=0, time_s=0.0)), tail=lines)


def _failed(job: Job, violation: Violation) -> Verdict:
    return Verdict(
        seed=job.seed,
        violation=violation,
        void=None,
        operations=0,
        events=violation.step,
        simulated_s=violation.time_s,
        planned=(),
        fired={},
        digest=None,
        tail=(),
        profile=job.profile,
        plan=job.plan,
    )


@contextmanager
def workers(count: int, *, hash_seed: int = 0) -> Iterator[ProcessPoolExecutor]:
    """Give `count` fresh processes in which string hashes follow from `hash_seed`; they end with the block.

    Ctrl-C is for the parent alone; what is under way when the block ends is cut off. A worker that dies raises
    `BrokenProcessPool` from what waits for it.
    """
    others = multiprocessing.active_children()
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _prepare_worker, (hash_seed,))
    try:
        # Inherited by the processes, which start as jobs arrive.
        with _environment(HASH_SEED, str(hash_seed)), _deaf():
            for started in [pool.submit(os.getpid) for _ in range(count)]:
                started.result()
        yield pool
    finally:
        mine = [process for process in multiprocessing.active_children() if process not in others]
        pool.shutdown(wait=False, cancel_futures=True)
        for process in mine:
            process.terminate()
            process.join()


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextmanager
def _deaf() -> Iterator[None]:
    """Let Ctrl-C wait while the block runs: it is sent to workers too, which know how to ignore it a little later."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare_worker(hash_seed: int) -> None:
    if os.environ.get(HASH_SEED) != str(hash_seed):
        raise RuntimeError(f"a worker began with hash seed {os.environ.get(HASH_SEED)}, not {hash_seed}")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(RARE_COLLECTIONS)
    logging.disable(logging.CRITICAL)


@contextmanager
def many_runs(*, is_heard: bool = False) -> Iterator[None]:
    """Be what workers are while the block runs jobs here: collect garbage rarely, and let nobody log.

    What simulated nodes have to say about their faults would fill pages; to put it into words costs time. With
    `is_heard` they log as ever.
    """
    usual, before = gc.get_threshold(), logging.root.manager.disable
    gc.set_threshold(RARE_COLLECTIONS)
    logging.disable(before if is_heard else logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
        gc.set_threshold(*usual)
