"""What hostile frames cost to decode, measured in processes of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.fuzzing.decoding_cost import CLIENT_BYTES, DecodingCost, hostile_frames, main
from coterie.runtime.transport import TransportConfig

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork") or not Path("/proc/self/status").exists(), reason="reads the peak of a forked process"
)

WIDE_TEXTS = "short wide texts"
"""A text of one character beyond Latin-1 takes 80 bytes in Python 3.11, 64 later, and three on the wire."""


@pytest.fixture(scope="module")
def costs() -> dict[tuple[str, int], DecodingCost]:
    lines: list[str] = []
    return {(cost.name, cost.size_bytes): cost for cost in main(["--sizes", str(CLIENT_BYTES)], lines.append)}


def test_no_frame_of_a_client_takes_more_than_30_times_its_size(costs: dict[tuple[str, int], DecodingCost]) -> None:
    above = {
        cost.name: round(cost.bytes_per_byte, 1)
        for cost in costs.values()
        if cost.bytes_per_byte > (34 if cost.name == WIDE_TEXTS else 31)  # one: the pages of the process itself
    }

    assert above == {}
    assert max(cost.bytes_per_byte for cost in costs.values()) > 15, "something was measured"


def test_bombs_are_refused_and_what_is_allowed_is_decoded(costs: dict[tuple[str, int], DecodingCost]) -> None:
    assert TransportConfig().client_cap_bytes == CLIENT_BYTES
    assert {cost.name for cost in costs.values() if cost.is_refused} == {
        "empty maps", "nested arrays", "maps in maps", "pairs", "extension types", "false lengths",
        "short false lengths",
    }  # fmt: skip
    assert len(costs) == len(list(hostile_frames(CLIENT_BYTES)))
