"""`Job`: describes one simulation run as data; `run_job` runs it, in this process or in a worker process."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import traceback
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

from coterie.errors import PlanError
from coterie.exploring.fixed_hash_seed import HASH_SEED_VARIABLE
from coterie.exploring.scenario_discovery import find_scenario
from coterie.protocols.checking.violation import Violation
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.simulation.scenarios.protocol_scenarios import EVERYTHING, Endable
from coterie.protocols.simulation.scenarios.run_result import RunOutcome, RunResult

__all__ = ["Job", "run_job", "worker_pool", "worker_settings"]

SAFE_PATH_VARIABLE = "PYTHONSAFEPATH"

GC_THRESHOLD = 200_000
"""Net allocations between garbage collections: a simulated world is one large cycle until its run ends."""


@dataclass(frozen=True, slots=True)
class Job:
    """One run: the name of the scenario (a worker finds it by name), and the arguments of `Scenario.run`.

    `max_s`: the simulated time after which it is ended (s), if the scenario supports that; None: no limit.
    """

    scenario: str
    seed: int
    level: Level | None = None
    profile: str = EVERYTHING
    nodes: int | None = None
    operations: int | None = None
    plan: FaultPlan | None = None
    hashed: bool = False
    traced: bool = False
    max_s: float | None = None


def run_job(job: Job) -> RunResult:
    """Run a job. Any exception of a scenario is a failure of its seed; only failures have a history and a plan.

    Raises:
        PlanError: the plan cannot be carried out, or there is no such profile.
        ScenarioError: there is no such scenario.
    """
    before = _collections()
    try:
        result = _run(job)
    finally:
        if _collections() != before:  # the world survived one, so that the next ones would not find it for long
            gc.collect()
    if result.outcome is RunOutcome.FAILED or job.traced:
        return result
    return replace(result, plan=None, history=None, linearizability=None)


def _collections() -> int:
    """Return how many times the youngest objects have been collected: those that survive it become older."""
    count: int = gc.get_stats()[0]["collections"]
    return count


def _run(job: Job) -> RunResult:
    scenario = find_scenario(job.scenario, job.level)
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
    except Exception as error:  # noqa: BLE001 (a user's scenario may raise anything: it must be reported with its seed)
        lines = tuple("".join(traceback.format_exception(error)).splitlines())
        detail = f"{type(error).__name__}: {error}"
        return replace(_failed(job, Violation("scenario.raised", detail, node=None, step=0, time_s=0.0)), tail=lines)


def _failed(job: Job, violation: Violation) -> RunResult:
    return RunResult(
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
def worker_pool(count: int, *, hash_seed: int = 0) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of `count` new processes whose string hashes follow from `hash_seed`; they end with the block.

    Workers ignore Ctrl-C. Jobs that still run when the block ends are terminated. If a worker is killed, waiting for
    its job raises `BrokenProcessPool`.
    """
    others = multiprocessing.active_children()
    # Inherited by the processes: a tracker, which starts at once, and the workers, which start when jobs are submitted.
    # Safe path: they must not import `multiprocessing` itself from the working directory. It would be the first on the
    # path of a worker until it gets the path of this process.
    variables = {HASH_SEED_VARIABLE: str(hash_seed), SAFE_PATH_VARIABLE: "1"}
    with _environment(variables):
        pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _prepare_worker, (hash_seed,))
    try:
        with _environment(variables), _interrupts_blocked():
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
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Defer SIGINT until the block ends: workers get it too, and ignore it only after their start."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare_worker(hash_seed: int) -> None:
    if os.environ.get(HASH_SEED_VARIABLE) != str(hash_seed):
        raise RuntimeError(f"a worker began with hash seed {os.environ.get(HASH_SEED_VARIABLE)}, not {hash_seed}")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(GC_THRESHOLD)
    logging.disable(logging.CRITICAL)


@contextmanager
def worker_settings(*, is_logging: bool = False) -> Iterator[None]:
    """Apply the settings of a worker to this process within the block: rare garbage collection, and no logging.

    The log of simulated nodes under faults would fill pages, and formatting it costs time. With `is_logging` they log
    as usual.
    """
    usual, before = gc.get_threshold(), logging.root.manager.disable
    gc.set_threshold(GC_THRESHOLD)
    logging.disable(before if is_logging else logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
        gc.set_threshold(*usual)
