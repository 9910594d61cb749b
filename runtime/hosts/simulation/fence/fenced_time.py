"""Fenced time: makes `time` and `datetime` return the clock time of the simulated process that runs now."""

from __future__ import annotations

import datetime as dt
import os
import sched
import time
import timeit
from collections.abc import Callable
from typing import Any, Final

from coterie.runtime.hosts.simulation.fence.patches import FencedEnvironment, FencePatch, function_patch

__all__ = ["datetime_patches", "time_patches"]

_NS: Final = 1_000_000_000
_WALL_CLOCKS: Final = frozenset(getattr(time, name) for name in ("CLOCK_REALTIME", "CLOCK_TAI") if hasattr(time, name))
_MONOTONIC: Final = ("monotonic", "perf_counter", "process_time", "thread_time")


def time_patches(environment: FencedEnvironment) -> list[FencePatch]:
    """Return the patches of the module `time`."""

    def since_epoch(seconds: float | None = None) -> float:
        return environment.wall() if seconds is None else seconds

    gmtime, localtime, ctime, strftime = time.gmtime, time.localtime, time.ctime, time.strftime
    asctime = time.asctime
    return [
        *_clock_patches(environment),
        function_patch(time, "asctime", lambda at=None: asctime(localtime(environment.wall()) if at is None else at)),
        function_patch(time, "time", environment.wall),
        function_patch(time, "time_ns", lambda: round(environment.wall() * _NS)),
        *[function_patch(time, name, environment.monotonic) for name in _MONOTONIC],
        *[function_patch(time, f"{name}_ns", lambda: round(environment.monotonic() * _NS)) for name in _MONOTONIC],
        function_patch(time, "sleep", environment.sleep),
        function_patch(time, "gmtime", lambda seconds=None: gmtime(since_epoch(seconds))),
        function_patch(time, "localtime", lambda seconds=None: localtime(since_epoch(seconds))),
        function_patch(time, "ctime", lambda seconds=None: ctime(since_epoch(seconds))),
        function_patch(
            time, "strftime", lambda form, at=None: strftime(form, localtime(environment.wall()) if at is None else at)
        ),
    ]


def _clock_patches(environment: FencedEnvironment) -> list[FencePatch]:
    """Return the patches of the clocks of the operating system, and of what has kept one as a default."""

    def read(clock: int) -> float:
        return environment.wall() if clock in _WALL_CLOCKS else environment.monotonic()

    def spent() -> os.times_result:
        return os.times_result((environment.monotonic(), 0.0, 0.0, 0.0, environment.monotonic()))

    def scheduling(original: Any, is_inside: Callable[[], bool]) -> Any:
        def init(self: sched.scheduler, timefunc: Any = None, delayfunc: Any = None) -> None:
            usual = (time.monotonic, time.sleep) if is_inside() else original.__defaults__
            original(self, timefunc or usual[0], delayfunc or usual[1])

        init.fenced_from = original  # type: ignore[attr-defined]  # as in `function_patch`
        return init

    return [
        function_patch(time, "clock_gettime", read),
        function_patch(time, "clock_gettime_ns", lambda clock: round(read(clock) * _NS)),
        function_patch(os, "times", spent),
        FencePatch(sched.scheduler, "__init__", scheduling),
        function_patch(timeit, "default_timer", environment.monotonic),
    ]


def datetime_patches(environment: FencedEnvironment) -> list[FencePatch]:
    """Return the patches of the module `datetime`: its types are immutable, so they are replaced by subclasses."""

    def datetimes(real: Any, is_inside: Callable[[], bool]) -> Any:
        def now(tz: dt.tzinfo | None = None) -> Any:
            return real.fromtimestamp(environment.wall(), tz) if is_inside() else real.now(tz)

        def utcnow() -> Any:
            return now(dt.UTC).replace(tzinfo=None)

        return _substitute_class(real, now=now, utcnow=utcnow, today=now)

    def days(real: Any, is_inside: Callable[[], bool]) -> Any:
        return _substitute_class(
            real, today=lambda: real.fromtimestamp(environment.wall()) if is_inside() else real.today()
        )

    return [FencePatch(dt, "datetime", datetimes), FencePatch(dt, "date", days)]


def _substitute_class(real: Any, **functions: Callable[..., Any]) -> Any:
    """Make a class that `isinstance` treats as `real` and that creates `real` instances, but with other `functions`."""

    class SubstituteMeta(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real) if cls is substitute else type.__instancecheck__(cls, instance)

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, real) if cls is substitute else type.__subclasscheck__(cls, subclass)

    def new(cls: Any, *args: Any, **options: Any) -> Any:
        return real.__new__(real if cls is substitute else cls, *args, **options)

    body: dict[str, Any] = {name: staticmethod(function) for name, function in functions.items()}
    substitute = SubstituteMeta(
        real.__name__, (real,), {**body, "__new__": new, "__module__": real.__module__, "fenced_from": real}
    )
    return substitute
