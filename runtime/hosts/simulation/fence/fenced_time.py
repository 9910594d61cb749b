"""Time inside the fence: the life's own clock."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Any, Final

from coterie.runtime.hosts.simulation.fence.patches import Patch, Senses, replaced

__all__ = ["dates", "times"]

_NS: Final = 1_000_000_000
_MONOTONIC: Final = ("monotonic", "perf_counter", "process_time", "thread_time")


def times(senses: Senses) -> list[Patch]:
    """Return the patches of the module `time`."""

    def since_epoch(seconds: float | None = None) -> float:
        return senses.wall() if seconds is None else seconds

    gmtime, localtime, ctime, strftime = time.gmtime, time.localtime, time.ctime, time.strftime
    return [
        replaced(time, "time", senses.wall),
        replaced(time, "time_ns", lambda: round(senses.wall() * _NS)),
        *[replaced(time, name, senses.monotonic) for name in _MONOTONIC],
        *[replaced(time, f"{name}_ns", lambda: round(senses.monotonic() * _NS)) for name in _MONOTONIC],
        replaced(time, "sleep", senses.sleep),
        replaced(time, "gmtime", lambda seconds=None: gmtime(since_epoch(seconds))),
        replaced(time, "localtime", lambda seconds=None: localtime(since_epoch(seconds))),
        replaced(time, "ctime", lambda seconds=None: ctime(since_epoch(seconds))),
        replaced(
            time, "strftime", lambda form, at=None: strftime(form, localtime(senses.wall()) if at is None else at)
        ),
    ]


def dates(senses: Senses) -> list[Patch]:
    """Return the patches of the module `datetime`: its types cannot be changed, so they are replaced."""

    def datetimes(real: Any, is_inside: Callable[[], bool]) -> Any:
        def now(tz: dt.tzinfo | None = None) -> Any:
            return real.fromtimestamp(senses.wall(), tz) if is_inside() else real.now(tz)

        def utcnow() -> Any:
            return now(dt.UTC).replace(tzinfo=None)

        return _stand_in(real, now=now, utcnow=utcnow, today=now)

    def days(real: Any, is_inside: Callable[[], bool]) -> Any:
        return _stand_in(real, today=lambda: real.fromtimestamp(senses.wall()) if is_inside() else real.today())

    return [Patch(dt, "datetime", datetimes), Patch(dt, "date", days)]


def _stand_in(real: Any, **functions: Callable[..., Any]) -> Any:
    """Make a class that is `real` to everybody, and makes instances of `real`, but has other `functions`."""

    class Likeness(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real) if cls is stand_in else type.__instancecheck__(cls, instance)

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, real) if cls is stand_in else type.__subclasscheck__(cls, subclass)

    def new(cls: Any, *args: Any, **options: Any) -> Any:
        return real.__new__(real if cls is stand_in else cls, *args, **options)

    body: dict[str, Any] = {name: staticmethod(function) for name, function in functions.items()}
    stand_in = Likeness(
        real.__name__, (real,), {**body, "__new__": new, "__module__": real.__module__, "fenced_from": real}
    )
    return stand_in
