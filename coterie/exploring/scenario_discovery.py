"""Scenario discovery: finds a built-in scenario by name, and a user's scenario by `package.module:attribute`."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from coterie.errors import CoterieError
from coterie.module_loading import ModuleFailed, import_module
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.faults.nearest_name import hint
from coterie.protocols.simulation.scenarios.protocol_scenarios import SCENARIOS, Scenario

__all__ = ["SYSTEM_SCENARIOS", "ScenarioError", "find_scenario", "scenario_names"]

SYSTEM_SCENARIOS: Mapping[str, str] = {
    "raft-kv": "coterie.actors.simulation.scenarios.raft_kv:RAFT_KV",
    "raft": "coterie.actors.simulation.scenarios.raft_kv:RAFT_KV",
    "actors": "coterie.actors.simulation.scenarios.actors_scenario:ACTORS",
    "membership": "coterie.actors.simulation.scenarios.members.membership_scenario:MEMBERSHIP",
    "store": "coterie.actors.simulation.scenarios.store_scenario:STORE",
    "pools": "coterie.actors.simulation.scenarios.pool_scenario:POOLS",
    "upgrade": "coterie.actors.simulation.scenarios.upgrades.upgrade_scenario:UPGRADE",
}
"""Scenarios of the system level, by name; they are imported on demand."""


class ScenarioError(CoterieError, ValueError):
    """There is no such scenario: the error names the requested one and the nearest that exists."""


def scenario_names() -> Sequence[str]:
    """Return the names of coterie's own scenarios, those of the protocol level first."""
    return tuple(dict.fromkeys((*SCENARIOS, *SYSTEM_SCENARIOS)))


def find_scenario(name: str, level: Level | None = None) -> Scenario:
    """Return the scenario `name` at `level` (None: the first level that has one).

    `package.module:attribute` is imported; modules in the working directory are found too.

    Raises:
        ScenarioError: there is none; the error names the nearest that exists, or the failure of the import.
    """
    if ":" in name:
        return _at_level(_import_scenario(name), name, level)
    if name not in scenario_names():
        raise ScenarioError(
            f"there is no scenario {name!r}{hint(name, scenario_names())} (or write package.module:attribute)"
        )
    if name in SCENARIOS and (name not in SYSTEM_SCENARIOS or level is not Level.SYSTEM):
        return _at_level(SCENARIOS[name], name, level)
    return _at_level(_import_scenario(SYSTEM_SCENARIOS[name]), name, level)


def _at_level(scenario: Scenario, name: str, level: Level | None) -> Scenario:
    if level not in (None, scenario.level):
        raise ScenarioError(
            f"scenario {name!r} does not run at level {level.value!r}, but at level {scenario.level.value!r}"
        )
    return scenario


def _import_scenario(where: str) -> Scenario:
    module_name, _, attribute = where.partition(":")
    if not (module_name and attribute):
        raise ScenarioError(f"{where!r} does not name a scenario: write package.module:attribute")
    module = _import_module(module_name, where)
    found: object = getattr(module, attribute, None)
    if found is None:
        raise ScenarioError(f"module {module_name!r} has no {attribute!r}{hint(attribute, _scenarios_in(module))}")
    if not _is_scenario(found):
        raise ScenarioError(f"{where!r} is not a scenario: {_reason(found)}")
    return found  # type: ignore[return-value]  # checked by `_is_scenario`


def _import_module(name: str, where: str) -> ModuleType:
    try:
        return import_module(name, where)
    except ModuleFailed as error:
        near = _nearest_module(name) if error.is_missing else ""
        raise ScenarioError(f"{error}{near}") from error.__cause__


def _nearest_module(name: str) -> str:
    """Return a hint at the module beside `name`, in the working directory, with the most similar name, or ""."""
    package, _, last = name.rpartition(".")
    there = [path.stem for path in Path(*package.split(".")).glob("*.py")]
    near = difflib.get_close_matches(last, there, n=1)
    return f": did you mean {f'{package}.{near[0]}'.lstrip('.')!r}?" if near else ""


def _reason(found: object) -> str:
    if inspect.iscoroutinefunction(found):
        return "it is a plain function; decorate it with @scenario(nodes=…) of coterie.testing"
    return f"it has no {', '.join(_missing_attributes(found))} (its type: {type(found).__name__})"


def _scenarios_in(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if not isinstance(value, type) and _is_scenario(value)]


def _is_scenario(value: object) -> bool:
    return not isinstance(value, type) and not _missing_attributes(value)


def _missing_attributes(value: object) -> list[str]:
    return [name for name in ("name", "level", "plan", "run") if not hasattr(value, name)]
