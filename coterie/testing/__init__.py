"""The test kit: probes, virtual time, clusters in memory, checks that nothing leaks. It needs no test framework.

| you want to | use |
| --- | --- |
| see what an actor sends | `Probe`, from `TestKit.probe` |
| test in a world where time jumps | `run_virtual`, `VirtualLoop`, `advance`, `settle` |
| run several systems in one process and part them | `Systems` |
| run a whole topology, kill its nodes and start them again | `Cluster` |
| attack a whole topology, and judge what its clients saw | `Simulation`, `scenario` |
| know that nothing was left behind | `no_leaks` |
| know that the host program is as it was | `untouched_host` |

`coterie.testing.plugin` is the pytest plugin: the fixture `sim`. Names here are loaded when they are first used, so
that it costs a test run nothing that does not ask for it.

What a test expected and did not get is an `AssertionError`; a kit that is used wrongly says so by another error.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coterie.actors.simulation.scenarios.system_scenario import SystemScenario, scenario
    from coterie.actors.simulation.simulated_client import SimulatedClient
    from coterie.actors.simulation.simulation import Simulation
    from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
    from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop, run_virtual
    from coterie.testing.actor_test_kit import TestKit
    from coterie.testing.host_state import untouched_host
    from coterie.testing.leak_check import no_leaks
    from coterie.testing.linked_systems import Systems
    from coterie.testing.probe import Probe
    from coterie.testing.virtual_cluster import Cluster
    from coterie.testing.virtual_machines import World
    from coterie.testing.virtual_time import advance, settle

__all__ = [
    "Cluster",
    "Probe",
    "SimulatedClient",
    "Simulation",
    "SystemScenario",
    "Systems",
    "TestKit",
    "VirtualHost",
    "VirtualLoop",
    "World",
    "advance",
    "no_leaks",
    "run_virtual",
    "scenario",
    "settle",
    "untouched_host",
]

_HOMES = {
    "Cluster": "coterie.testing.virtual_cluster",
    "Probe": "coterie.testing.probe",
    "SimulatedClient": "coterie.actors.simulation.simulated_client",
    "Simulation": "coterie.actors.simulation.simulation",
    "SystemScenario": "coterie.actors.simulation.scenarios.system_scenario",
    "Systems": "coterie.testing.linked_systems",
    "TestKit": "coterie.testing.actor_test_kit",
    "VirtualHost": "coterie.runtime.hosts.virtual.virtual_host",
    "VirtualLoop": "coterie.runtime.hosts.virtual.virtual_loop",
    "World": "coterie.testing.virtual_machines",
    "advance": "coterie.testing.virtual_time",
    "no_leaks": "coterie.testing.leak_check",
    "run_virtual": "coterie.runtime.hosts.virtual.virtual_loop",
    "scenario": "coterie.actors.simulation.scenarios.system_scenario",
    "settle": "coterie.testing.virtual_time",
    "untouched_host": "coterie.testing.host_state",
}


def __getattr__(name: str) -> object:
    """Load a public name at its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
