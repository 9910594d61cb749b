"""`freed`: frees a machine that was tried in steps, since to free a million objects at once holds the loop."""

from __future__ import annotations

import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from typing import Any, Final

__all__ = ["freed"]

_NO_OTHER: Final = 2
"""The count of references to an object that one variable holds, as `sys.getrefcount` returns it."""

ITEMS_PER_STEP: Final = 256
LARGE_ITEMS: Final = 1000
"""A collection within another one is taken apart from so many items on."""

_TAKE_BY_CLASS: Final[dict[type, Callable[[Any], object]]] = {
    list: list.pop,
    deque: deque.pop,
    set: set.pop,
    dict: dict.popitem,
    defaultdict: dict.popitem,
    OrderedDict: OrderedDict.popitem,
}


def freed(held: list[Any]) -> Iterator[None]:
    """Take the machine out of `held`, and yield while it is taken apart; not what anything else holds, too."""
    machine = held.pop()
    if sys.getrefcount(machine) > _NO_OTHER or hasattr(type(machine), "__del__"):
        return
    attributes = getattr(machine, "__dict__", {})
    if sys.getrefcount(attributes) > _NO_OTHER + 1:  # the machine holds them
        return
    pending: list[Any] = []
    while attributes or pending:
        value = pending.pop() if pending else attributes.popitem()[1]
        take = _TAKE_BY_CLASS.get(type(value))
        if take is None or sys.getrefcount(value) > _NO_OTHER:
            continue
        for count in range(len(value)):
            part: Any = take(value)
            inside: Any = part if type(part) is tuple else (part,)
            pending += [one for one in inside if type(one) in _TAKE_BY_CLASS and len(one) >= LARGE_ITEMS]
            if count % ITEMS_PER_STEP == 0:
                yield
        part = inside = None
