"""Virtual resources: counters that grow with virtual time, by the shares that a test sets."""

from __future__ import annotations

import pytest

from coterie.runtime.hosts.resource_reading import DescriptorReading
from coterie.runtime.hosts.virtual.virtual_clock import VirtualClock
from coterie.runtime.hosts.virtual.virtual_resources import VirtualResources


def test_the_counters_grow_by_the_shares_since_the_last_reading() -> None:
    clock = VirtualClock(start_s=5.0)
    resources = VirtualResources(clock)
    resources.cpu_used, resources.loop_used, resources.cpu_granted = 0.5, 0.25, 0.8
    clock.advance_to(15.0)
    first = resources.read()
    clock.advance_to(25.0)
    resources.cpu_used = 1.0
    second = resources.read()

    assert (first.cpu_busy_s, first.cpu_total_s) == (5.0, 10.0)
    assert first.thread_run_s == pytest.approx(2.0)
    assert first.thread_wait_s == pytest.approx(0.5)
    assert (second.cpu_busy_s, second.cpu_total_s) == (15.0, 20.0)
    assert second.memory_total_bytes is not None
    assert second.memory_available_bytes is not None
    assert second.memory_available_bytes < second.memory_total_bytes


def test_a_process_has_as_many_descriptors_as_the_test_says() -> None:
    resources = VirtualResources(VirtualClock())
    assert resources.descriptors() == DescriptorReading(0, None)
    resources.descriptor_limit, resources.descriptors_open = 256, lambda: 200
    assert resources.descriptors() == DescriptorReading(200, 256)
