"""What needs virtual time says so on any other loop."""

from __future__ import annotations

import pytest

from coterie import Topology
from coterie.testing import Cluster, Systems


async def test_a_world_needs_virtual_time() -> None:
    with pytest.raises(TypeError, match="this needs virtual time"):
        Systems("n1", "n2")
    with pytest.raises(TypeError, match="this needs virtual time"):
        Cluster(Topology("t", nodes=["n1"]))
