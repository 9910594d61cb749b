"""`VirtualResources`: simulates one machine's processor, memory and file descriptors: a test sets how many are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from coterie.runtime.hosts.host import Clock
from coterie.runtime.hosts.resource_reading import DescriptorReading, ResourceReading

__all__ = ["VirtualResources"]

_GIBIBYTE: Final = 2**30


class VirtualResources:
    """A machine with one core. The attributes may be changed at any time; they are true since the last reading.

    `cpu_used`: share of the processor in use, 0 … 1. `loop_used`: share of the time in which the event loop's thread
    runs or is ready to run, 0 … 1. `cpu_granted`: the share of that in which it runs, 0 … 1. `descriptor_limit`: the
    most file descriptors of the process (None: no limit); `descriptors_open()` returns how many are open.
    """

    def __init__(self, clock: Clock) -> None:
        self.cpu_used = 0.0
        self.loop_used = 0.0
        self.cpu_granted = 1.0
        self.memory_available_bytes = 3 * _GIBIBYTE
        self.memory_total_bytes = 4 * _GIBIBYTE
        self.descriptor_limit: int | None = None
        self.descriptors_open: Callable[[], int] = lambda: 0
        self._clock = clock
        self._read_at = clock.monotonic()
        self._busy_s = self._total_s = self._run_s = self._wait_s = 0.0

    def read(self) -> ResourceReading:
        """Return the present reading."""
        now = self._clock.monotonic()
        seconds, self._read_at = now - self._read_at, now
        self._total_s += seconds
        self._busy_s += seconds * self.cpu_used
        self._run_s += seconds * self.loop_used * self.cpu_granted
        self._wait_s += seconds * self.loop_used * (1 - self.cpu_granted)
        return ResourceReading(
            self._busy_s, self._total_s, self._run_s, self._wait_s, self.memory_available_bytes, self.memory_total_bytes
        )

    def descriptors(self) -> DescriptorReading:
        """Return how many descriptors are open, and the limit."""
        return DescriptorReading(self.descriptors_open(), self.descriptor_limit)
