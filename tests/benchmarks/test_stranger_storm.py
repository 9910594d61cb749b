"""A node comes back, and writes go on, while strangers hold all the places that they may have."""

from __future__ import annotations

import pytest

from benchmarks.raft import stranger_storm


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.asyncio(loop_factories=["uvloop"])  # on which benchmarks run
async def test_a_killed_node_rejoins_in_a_storm_of_strangers_and_no_write_fails() -> None:
    (result,) = await stranger_storm.run(strangers=3000, seconds=15.0)

    assert result.runs[0] < 10.0  # 5 on a machine that does nothing else
    assert result.detail["failed_writes"] == 0
    assert float(result.detail["connections"]) >= 3000
