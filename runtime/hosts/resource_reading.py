"""`Resources`: defines the interface by which a machine's processor time, memory and file descriptors are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["DescriptorReading", "ResourceReading", "Resources"]


@dataclass(frozen=True, slots=True)
class ResourceReading:
    """One reading. Times count from some start: only differences of two readings have a meaning. None: not known.

    Attributes:
        cpu_busy_s: processor time of all cores that was used, by anything on the machine.
        cpu_total_s: processor time of all cores, used or not.
        thread_run_s: processor time that the calling thread got.
        thread_wait_s: time in which the calling thread was ready to run and other threads had the processors.
        memory_available_bytes: how much programs can still take, without swapping.
        memory_total_bytes: the size of the memory.
    """

    cpu_busy_s: float | None = None
    cpu_total_s: float | None = None
    thread_run_s: float | None = None
    thread_wait_s: float | None = None
    memory_available_bytes: int | None = None
    memory_total_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class DescriptorReading:
    """The file descriptors of this process: those that are open, and the most that it may have. None: not known."""

    open_count: int | None = None
    limit: int | None = None


class Resources(Protocol):
    """Reads what the machine's processors, memory and file descriptors are used for."""

    def read(self) -> ResourceReading:
        """Return the present reading; called on the event loop's thread, so it must not block."""
        ...

    def descriptors(self) -> DescriptorReading:
        """Return how many file descriptors this process has open, and its limit; takes some µs for each of them."""
        ...
