"""What hostile frames cost to decode, measured in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.fuzzing.decoding_cost import CLIENT_BYTES, DecodingCost, hostile_frames
from coterie.runtime.transport import TransportConfig

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of a process")

WIDE_TEXTS = "short wide texts"
"""A text of one character beyond Latin-1 takes 80 bytes in Python 3.11, 64 later, and three on the wire."""

PROGRAM = f"""
import dataclasses, json
from benchmarks.fuzzing.decoding_cost import main
costs = main(["--sizes", "{CLIENT_BYTES}"], lambda line: None)
print(json.dumps([dataclasses.asdict(cost) for cost in costs]))
"""
"""In a process with nothing else: the memory that a test run has freed would be taken again, and not be seen."""


@pytest.fixture(scope="module")
def costs() -> list[DecodingCost]:
    said = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True, timeout=60)
    return [DecodingCost(**fields) for fields in json.loads(said.stdout)]


def test_no_frame_of_a_client_takes_more_than_30_times_its_size(costs: list[DecodingCost]) -> None:
    above = {
        cost.name: round(cost.bytes_per_byte, 1)
        for cost in costs
        if cost.bytes_per_byte > (34 if cost.name == WIDE_TEXTS else 31)  # one: the pages of the process itself
    }

    assert above == {}
    assert max(cost.bytes_per_byte for cost in costs) > 20, "something was measured"


def test_bombs_are_refused_and_what_is_allowed_is_decoded(costs: list[DecodingCost]) -> None:
    assert TransportConfig().client_cap_bytes == CLIENT_BYTES
    assert {cost.name for cost in costs if cost.is_refused} == {
        "empty maps", "nested arrays", "maps in maps", "pairs", "extension types", "false lengths",
        "short false lengths",
    }  # fmt: skip
    assert len(costs) == len(list(hostile_frames(CLIENT_BYTES)))
