"""`LogFolding`: lets one record a second and kind through, with the number of those that it stands for.

What fails in a loop must not fill a disk, nor cost more than the failure itself. Of one kind are records of one event,
about one actor, group, pool, peer or listener, with exceptions whose classes have one name. Actors whose names differ
by the number at the end alone are of one kind: the runtime gives such names, to an actor for each request, for example.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import structlog

from coterie.runtime.observing.error_texts import type_name

__all__ = ["FOLD_S", "KINDS_MAX", "LogFolding"]

FOLD_S: Final = 1.0
"""The least time between two records of one kind."""

KINDS_MAX: Final = 512
"""So many kinds are remembered: those of the latest records."""

_NUMBER: Final = re.compile(r"-[0-9]+(?=/|$)")
_NAMES: Final = ("actor", "group", "pool", "peer", "listener", "path")
_COUNTED: Final = frozenset(("count", "times"))
_NEVER: Final = frozenset(("debug", "info", "critical"))


class LogFolding:
    """A processor of structlog.

    A record below WARNING always passes: a program that asks for those asks for all. So does one that says itself how
    many it stands for (`count`, `times`): the code that makes it leaves others out.

    Args:
        monotonic: the host's clock (s).
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._by_kind: dict[tuple[object, ...], tuple[float, int]] = {}  # when one passed, and how many came since

    def __call__(self, _: object, level: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """Return the record, perhaps with `repeated`: how many of its kind were left out before it. DropEvent: none."""
        if level in _NEVER or not _COUNTED.isdisjoint(event):
            return event
        names = (_NUMBER.sub("", value) if type(value := event.get(name)) is str else "" for name in _NAMES)
        kind = (event.get("event"), type_name(event.get("exc_info")), *names)
        now_s = self._monotonic()
        passed_s, left_out = self._by_kind.pop(kind, (-FOLD_S, 0))
        if now_s - passed_s < FOLD_S:
            self._by_kind[kind] = (passed_s, left_out + 1)
            raise structlog.DropEvent
        self._by_kind[kind] = (now_s, 0)
        if len(self._by_kind) > KINDS_MAX:
            del self._by_kind[next(iter(self._by_kind))]
        if left_out:
            event["repeated"] = left_out
        return event
