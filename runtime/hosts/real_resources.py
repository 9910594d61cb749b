"""`RealResources`: reads this machine's processor time, memory and descriptors: from /proc, psutil, or the library.

Linux: `/proc/stat`, `/proc/meminfo` and the thread's `schedstat`, which alone says how long the thread waited for a
processor. These files are in memory: a reading takes less than 0.1 ms, and psutil would read the same ones. Elsewhere
psutil is used if it is installed; without it only the thread's own processor time and the size of the memory are known.

The machine is meant, not a container: limits of a control group are not considered.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from coterie.runtime.hosts.disk_with_spares import is_out_of_descriptors
from coterie.runtime.hosts.resource_reading import DescriptorReading, ResourceReading

__all__ = ["RealResources", "raise_descriptor_limit"]

_BYTES_MAX: Final = 4096
_IDLE_FIELDS: Final = (3, 4)
"""The columns of `/proc/stat` in which the processor did nothing: idle, and waiting for a disk."""
_DESCRIPTOR_FOLDERS: Final = ("/proc/self/fd", "/dev/fd")
_DESCRIPTORS_MAX: Final = 1 << 20
"""The limit that is set where the hard limit is "unlimited": some systems take no more, and some programs list all."""
_OPEN_MAX: Final = 10240
"""The most that macOS takes, whatever its hard limit says (`OPEN_MAX` in setrlimit(2))."""
_CPU_FIELDS: Final = 8
"""The columns that add up to all processor time: the time of guests is contained in the first ones."""


class RealResources:
    """This machine's resources.

    Args:
        proc: the directory of Linux's process information.
        psutil: returns the module psutil, or None if it is not installed.
    """

    def __init__(self, *, proc: str = "/proc", psutil: Callable[[], Any] | None = None) -> None:
        self._proc = Path(proc)
        self._import_psutil = psutil or _psutil
        self._psutil: Any = None
        self._is_linux: bool | None = None

    def read(self) -> ResourceReading:
        """Return the present reading. What cannot be read is None."""
        if self._is_linux is None:
            self._is_linux = (self._proc / "stat").exists()
            self._psutil = None if self._is_linux else self._import_psutil()
        busy_s, total_s = self._cpu()
        run_s, wait_s = self._thread()
        available, total = self._memory()
        return ResourceReading(busy_s, total_s, run_s, wait_s, available, total)

    def descriptors(self) -> DescriptorReading:
        """Return how many file descriptors this process has open, and its limit."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit = None if soft == resource.RLIM_INFINITY else soft
        for folder in _DESCRIPTOR_FOLDERS:
            try:
                return DescriptorReading(len(os.listdir(folder)) - 1, limit)  # one is that of the listing
            except OSError as error:
                if is_out_of_descriptors(error):
                    return DescriptorReading(limit, limit)
        return DescriptorReading(None, limit)

    def _cpu(self) -> tuple[float | None, float | None]:
        if self._is_linux:
            words = self._words("stat")[1 : _CPU_FIELDS + 1]
            if len(words) < max(_IDLE_FIELDS) + 1:
                return None, None
            ticks = [int(word) for word in words]
            per_s = os.sysconf("SC_CLK_TCK")
            return (sum(ticks) - sum(ticks[at] for at in _IDLE_FIELDS)) / per_s, sum(ticks) / per_s
        if self._psutil is not None:
            times = self._psutil.cpu_times()
            return sum(times) - times.idle, sum(times)
        return None, None

    def _thread(self) -> tuple[float | None, float | None]:
        words = self._words("thread-self/schedstat") if self._is_linux else []
        if len(words) < 2:
            return time.thread_time(), None
        return int(words[0]) / 1e9, int(words[1]) / 1e9

    def _memory(self) -> tuple[int | None, int | None]:
        if self._is_linux:
            words = self._words("meminfo")
            return _kilobytes(words, b"MemAvailable:"), _kilobytes(words, b"MemTotal:")
        if self._psutil is not None:
            memory = self._psutil.virtual_memory()
            return int(memory.available), int(memory.total)
        return None, _physical_bytes()

    def _words(self, name: str) -> list[bytes]:
        try:
            with (self._proc / name).open("rb", buffering=0) as file:
                return file.read(_BYTES_MAX).split()
        except OSError:
            return []


def raise_descriptor_limit() -> DescriptorReading:
    """Raise this process's limit of open files (the soft limit) to the highest allowed; return the present state.

    For programs that own their process: as a library, coterie changes no limits.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else hard
    for wanted in (most, _OPEN_MAX):
        if soft != resource.RLIM_INFINITY and soft < wanted <= most:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
                break
    return RealResources().descriptors()


def _kilobytes(words: list[bytes], name: bytes) -> int | None:
    return 1024 * int(words[words.index(name) + 1]) if name in words else None


def _physical_bytes() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not Unix, or not known there
        return None


def _psutil() -> Any:
    try:
        return importlib.import_module("psutil")
    except ImportError:
        return None
