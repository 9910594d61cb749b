"""The test kit: probes, virtual time, clusters in memory, checks that nothing leaks. It needs no test framework.

| you want to | use |
| --- | --- |
| see what an actor sends | `Probe`, from `TestKit.probe` |
| test in a world where time jumps | `run_virtual`, `VirtualLoop`, `advance`, `settle` |
| run several systems in one process and part them | `Systems` |
| run a whole topology, kill its nodes and start them again | `Cluster` |
| know that nothing was left behind | `no_leaks` |
| know that the host program is as it was | `untouched_host` |

What a test expected and did not get is an `AssertionError`; a kit that is used wrongly says so by another error.
"""

from __future__ import annotations

from coterie.runtime.virtual.host import VirtualHost
from coterie.runtime.virtual.loop import VirtualLoop, run_virtual
from coterie.testing.cluster import Cluster
from coterie.testing.host_state import untouched_host
from coterie.testing.kit import TestKit
from coterie.testing.leaks import no_leaks
from coterie.testing.probe import Probe
from coterie.testing.systems import Systems
from coterie.testing.virtual_time import advance, settle
from coterie.testing.world import World

__all__ = [
    "Cluster",
    "Probe",
    "Systems",
    "TestKit",
    "VirtualHost",
    "VirtualLoop",
    "World",
    "advance",
    "no_leaks",
    "run_virtual",
    "settle",
    "untouched_host",
]
