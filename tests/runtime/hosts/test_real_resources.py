"""The use of this machine: read from /proc, from psutil, or as far as the standard library knows it."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from coterie.runtime.hosts import real_resources
from coterie.runtime.hosts.real_host import RealHost
from coterie.runtime.hosts.real_resources import RealResources, raise_descriptor_limit
from coterie.runtime.hosts.resource_reading import DescriptorReading, ResourceReading

STAT = "cpu  100 10 50 800 40 1 2 7 3 0\ncpu0 100 10 50 800 40 1 2 7 3 0\nintr 1 2 3\n"
MEMINFO = "MemTotal:    4000 kB\nMemFree:     100 kB\nMemAvailable:   1000 kB\nBuffers: 1 kB\n"


class Times(NamedTuple):
    user: float
    system: float
    idle: float


def proc(folder: Path, **files: str) -> RealResources:
    (folder / "thread-self").mkdir()
    for name, text in files.items():
        (folder / name.replace("__", "/")).write_text(text)
    return RealResources(proc=str(folder), psutil=lambda: pytest.fail("psutil is not needed here"))


def test_linux_tells_processor_time_waits_and_memory(tmp_path: Path) -> None:
    resources = proc(tmp_path, stat=STAT, meminfo=MEMINFO, **{"thread-self__schedstat": "2000000000 500000000 7\n"})
    per_s = os.sysconf("SC_CLK_TCK")

    assert resources.read() == ResourceReading(
        cpu_busy_s=170 / per_s,  # idle and the wait for disks are not busy; guests are part of the first columns
        cpu_total_s=1010 / per_s,
        thread_run_s=2.0,
        thread_wait_s=0.5,
        memory_available_bytes=1000 * 1024,
        memory_total_bytes=4000 * 1024,
    )


def test_a_kernel_without_scheduler_counters_tells_the_threads_own_time_alone(tmp_path: Path) -> None:
    reading = proc(tmp_path, stat=STAT, meminfo="MemTotal: 4 kB\n").read()

    assert reading.thread_run_s is not None
    assert (reading.thread_wait_s, reading.memory_available_bytes, reading.memory_total_bytes) == (None, None, 4096)


def test_files_that_say_nothing_are_unknown_values(tmp_path: Path) -> None:
    reading = proc(tmp_path, stat="", meminfo="", **{"thread-self__schedstat": ""}).read()

    assert (reading.cpu_busy_s, reading.cpu_total_s, reading.memory_total_bytes) == (None, None, None)


def test_elsewhere_psutil_tells_what_it_knows(tmp_path: Path) -> None:
    memory: Any = SimpleNamespace(available=10, total=30)
    psutil = SimpleNamespace(cpu_times=lambda: Times(2.0, 1.0, 7.0), virtual_memory=lambda: memory)
    reading = RealResources(proc=str(tmp_path), psutil=lambda: psutil).read()

    assert (reading.cpu_busy_s, reading.cpu_total_s) == (3.0, 10.0)
    assert (reading.memory_available_bytes, reading.memory_total_bytes) == (10, 30)
    assert reading.thread_wait_s is None


def test_without_both_only_the_thread_and_the_size_of_the_memory_are_known(tmp_path: Path) -> None:
    reading = RealResources(proc=str(tmp_path), psutil=lambda: None).read()

    assert (reading.cpu_busy_s, reading.cpu_total_s, reading.memory_available_bytes) == (None, None, None)
    assert reading.thread_run_s is not None
    assert reading.memory_total_bytes is None or reading.memory_total_bytes > 0


def test_a_computing_thread_shows_on_this_machine() -> None:
    host = RealHost()
    before = host.resources.read()
    sum(range(3_000_000))
    after = host.resources.read()
    host.close()

    assert before.thread_run_s is not None
    assert after.thread_run_s is not None
    assert after.thread_run_s > before.thread_run_s


# --- file descriptors


def test_open_descriptors_are_counted_against_the_soft_limit() -> None:
    before = RealResources().descriptors()
    held = [os.open("/", os.O_RDONLY) for _ in range(5)]
    after = RealResources().descriptors()
    for each in held:
        os.close(each)

    assert before.open_count is not None
    assert after.open_count == before.open_count + 5
    assert after.limit == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_a_process_that_cannot_even_count_has_none_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> list[str]:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(os, "listdir", fail)
    reading = RealResources().descriptors()
    assert reading.open_count == reading.limit is not None


def test_where_descriptors_cannot_be_listed_only_the_limit_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_resources, "_DESCRIPTOR_FOLDERS", ("/does/not/exist",))
    assert RealResources().descriptors() == DescriptorReading(None, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


@pytest.mark.parametrize(
    ("limits", "refused", "expected"),
    [
        ((256, 4096), (), 4096),
        ((4096, 4096), (), None),
        ((256, resource.RLIM_INFINITY), (), 1 << 20),
        ((256, resource.RLIM_INFINITY), (1 << 20,), 10240),
        ((256, 4096), (4096,), None),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), (), None),
    ],
)
def test_the_soft_limit_is_raised_as_far_as_the_system_allows(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], refused: tuple[int, ...], expected: int | None
) -> None:
    done: list[tuple[int, int]] = []

    def set_limit(_: int, wanted: tuple[int, int]) -> None:
        if wanted[0] in refused:
            raise ValueError("current limit exceeds maximum limit")
        done.append(wanted)

    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", set_limit)
    raise_descriptor_limit()
    assert done == ([] if expected is None else [(expected, limits[1])])
