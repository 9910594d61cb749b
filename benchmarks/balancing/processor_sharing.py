"""`ProcessorSharing`: simulates a server whose requests share its cores equally, and whose capacity may change."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from benchmarks.balancing.event_queue import EventQueue

__all__ = ["Job", "ProcessorSharing"]


class Job:
    """A request on a server: its cost, and `done`, which is called when it is complete."""

    __slots__ = ("cost_core_s", "done", "is_over")

    def __init__(self, cost_core_s: float, done: Callable[[], object]) -> None:
        self.cost_core_s = cost_core_s
        self.done = done
        self.is_over = False


class ProcessorSharing:
    """A server: each request uses one core at most, and all of them `capacity` cores.

    Every request progresses at the same rate, so one number (`_work`, the work done for a request since the beginning)
    describes the progress of all: a request that arrives at work w with cost c is complete at work w + c.
    """

    def __init__(self, queue: EventQueue, capacity: float) -> None:
        self._queue = queue
        self._capacity = capacity
        self._work = 0.0
        self._updated_at = queue.now
        self._jobs: list[tuple[float, int, Job]] = []
        self._arrivals = 0
        self._wake_number = 0
        self.active = 0
        self.used_core_s = 0.0

    def set_capacity(self, capacity: float) -> None:
        """Change the number of cores that the requests can use."""
        self._progress()
        self._capacity = capacity
        self._arm()

    def start(self, job: Job) -> None:
        """Begin a request."""
        self._progress()
        self._arrivals += 1
        heapq.heappush(self._jobs, (self._work + job.cost_core_s, self._arrivals, job))
        self.active += 1
        self._arm()

    def cancel(self, job: Job) -> None:
        """Drop a request that is not complete; `done` is not called."""
        if not job.is_over:
            self._progress()
            job.is_over = True
            self.active -= 1
            self._arm()

    def use(self) -> float:
        """Return the core-seconds that its requests have used until now."""
        self._progress()
        return self.used_core_s

    def _rate(self) -> float:
        return min(1.0, self._capacity / self.active) if self.active else 0.0

    def _progress(self) -> None:
        """Bring the work up to date."""
        elapsed_s = self._queue.now - self._updated_at
        if elapsed_s > 0:
            done = elapsed_s * self._rate()
            self._work += done
            self.used_core_s += done * self.active
            self._updated_at = self._queue.now

    def _arm(self) -> None:
        """Wake up when the next request is complete at the present rate; earlier wake-ups are void."""
        jobs = self._jobs
        while jobs and jobs[0][2].is_over:
            heapq.heappop(jobs)
        self._wake_number += 1
        if jobs:
            number = self._wake_number
            delay_s = max(0.0, jobs[0][0] - self._work) / self._rate()
            self._queue.after(delay_s, lambda: self._wake(number))

    def _wake(self, number: int) -> None:
        if number != self._wake_number:
            return
        self._progress()
        finish_work, _, job = heapq.heappop(self._jobs)
        self._work = max(self._work, finish_work)  # the rounding error of the timer
        job.is_over = True
        self.active -= 1
        self._arm()
        job.done()
