"""Settings checks: says in words why an argument is no policy, no measure or no capacity formula, when it is given.

Each check returns a text that begins with the argument's name and value; it is empty if nothing is wrong. Topologies,
pools and the policies that contain others share these texts.
"""

from __future__ import annotations

from coterie.protocols.balancing.measure import Meter
from coterie.protocols.balancing.policy import Picker

__all__ = ["formula_mistake", "measure_mistake", "policy_mistake", "refuse"]


def policy_mistake(name: str, value: object) -> str:
    """Return why `value` is no policy; empty if it is one: it has a `make` that takes a source of random choices."""
    if isinstance(value, type):
        return _class_mistake(name, value, "RoundRobin()")
    if _is_policy(value):
        return ""
    if isinstance(_made(value), Meter):
        return f"{name}={value!r:.60} is a measure: give a policy that uses it, for example LeastLoaded(PeakEwma())"
    return f"{name}={value!r:.60} is no policy: give the settings of one, for example RoundRobin()"


def measure_mistake(name: str, value: object) -> str:
    """Return why `value` is no measure of load; empty if it is one: its `make` takes nothing, and returns a `Meter`."""
    if isinstance(value, type):
        return _class_mistake(name, value, "PeakEwma()")
    if isinstance(_made(value), Meter):
        return ""
    kind = "a policy" if _is_policy(value) else "no measure"
    return f"{name}={value!r:.60} is {kind}: give the settings of a measure, for example PeakEwma()"


def formula_mistake(name: str, value: object) -> str:
    """Return why `value` is no capacity formula; empty if it is one: it has the method `capacities`."""
    if isinstance(value, type):
        return _class_mistake(name, value, "RemainingCapacity()")
    if callable(getattr(value, "capacities", None)):
        return ""
    return f"{name}={value!r:.60} is no capacity formula: give the settings of one, for example RemainingCapacity()"


def refuse(owner: str, *mistakes: str) -> None:
    """Do nothing if all `mistakes` are empty.

    Raises:
        TypeError: one is not; the error names `owner`, to which the arguments were given, and all mistakes.
    """
    if found := "; ".join(filter(None, mistakes)):
        raise TypeError(f"{owner}: {found}")


def _class_mistake(name: str, value: type, example: str) -> str:
    return f"{name}={value.__name__} is a class: give its settings, for example {example}"


def _is_policy(value: object) -> bool:
    made = _made(value)
    return callable(getattr(value, "make", None)) and (made is None or isinstance(made, Picker))


def _made(value: object) -> object:
    """Return what `value.make()` returns, which makes a meter; None if it needs an argument, as that of a policy."""
    make = getattr(value, "make", None)
    try:
        return make() if callable(make) else None
    except TypeError:
        return None
