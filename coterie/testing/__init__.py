"""Test kit: provides probe actors, virtual time, clusters in memory and leak checks, for any test framework.

| you want to | use |
| --- | --- |
| see the messages that an actor sends | `Probe`, from `TestKit.probe` |
| test in virtual time | `run_virtual`, `VirtualLoop`, `advance`, `settle` |
| run several systems in one process and partition them | `Systems` |
| run a whole topology, kill its nodes and start them again | `Cluster` |
| inject faults into a whole topology, and check what its clients saw | `Simulation`, `scenario` |
| check that no resource was left behind | `no_leaks` |
| check that the host program was not changed | `untouched_host` |

`actor_test_kit.py`: `TestKit`, runs one system; fails the test if an actor fails or a resource is left behind
`expectations.py`: matches a message with an expectation, and describes both in error texts
`host_state.py`: `untouched_host`, checks that process-wide state is unchanged
`leak_check.py`: `no_leaks`, checks that no task, timer, thread, socket, file or process is left
`linked_systems.py`: `Systems`, runs several linked systems on a virtual network
`plugin.py`: the pytest plugin, provides the fixture `sim`, and the marker that runs a test under many seeds
`probe.py`: `Probe`, spawns an actor that records messages, so that a test can check them
`process_resources.py`: lists the tasks, timers, threads, open files, sockets and child processes of this process
`virtual_cluster.py`: `Cluster`, runs a whole topology on virtual machines
`virtual_time.py`: `advance` and `settle`, which let virtual time pass
`virtual_world.py`: `World`, runs named nodes on a virtual network; kills, restarts and partitions the nodes

Names here are loaded at their first use, so that unused ones cost a test run nothing.

A failed expectation is an `AssertionError`; wrong use of the kit raises another error.
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
    from coterie.testing.virtual_time import advance, settle
    from coterie.testing.virtual_world import World

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
    "World": "coterie.testing.virtual_world",
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
