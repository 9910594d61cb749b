"""What hostile frames cost to decode, measured in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from benchmarks.fuzzing.decoding_cost import CLIENT_BYTES, DecodingCost, hostile_frames
from coterie.runtime.messages.unpacking import COUNTED_BYTES
from coterie.runtime.transport import TransportConfig

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of a process")

JUST_COUNTED: Final = COUNTED_BYTES + 464
"""The size of a frame whose parts are just counted."""

TIMES: Final = 33
"""What a byte of most frames takes: 30, and a megabyte and a half that the process itself may take meanwhile."""

TIMES_OF: Final = {
    "short wide texts": 34,  # one character beyond Latin-1 takes 80 bytes in Python 3.11, 64 later, three on the wire
    "negative numbers": 51,  # from -32 to -6: each is an int of its own, and one byte on the wire
    "allowed maps, negative numbers": 56,
}

FREE_BYTES: Final = 2 * 1024 * 1024
"""What the parts that every value may have take above that."""

SHORT_BYTES_MAX: Final = 9 * 1024 * 1024

PROGRAM: Final = """
import dataclasses, json, sys
from benchmarks.fuzzing.decoding_cost import main
costs = main(["--sizes", sys.argv[1]], lambda line: None)
print(json.dumps([dataclasses.asdict(cost) for cost in costs]))
"""
"""In a process with nothing else: the memory that a test run has freed would be taken again, and not be seen."""


def measured(size_bytes: int) -> list[DecodingCost]:
    command = [sys.executable, "-c", PROGRAM, str(size_bytes)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return [DecodingCost(**fields) for fields in json.loads(said.stdout)]


@pytest.fixture(scope="module")
def costs() -> list[DecodingCost]:
    return measured(CLIENT_BYTES)


def test_no_frame_of_a_client_takes_more_than_its_times_of_its_size(costs: list[DecodingCost]) -> None:
    above = {
        cost.name: round(cost.bytes_per_byte, 1)
        for cost in costs
        if cost.bytes_per_byte > TIMES_OF.get(cost.name, TIMES)
    }

    assert above == {}
    assert max(cost.bytes_per_byte for cost in costs) > 45, "something was measured"


def test_a_frame_whose_parts_are_just_counted_takes_two_megabytes_more() -> None:
    costs = measured(JUST_COUNTED)
    above = {
        cost.name: cost.peak_bytes
        for cost in costs
        if cost.peak_bytes > TIMES_OF.get(cost.name, TIMES) * cost.size_bytes + FREE_BYTES
    }

    assert above == {}
    assert max(cost.bytes_per_byte for cost in costs) > 60, "something was measured"


def test_a_frame_whose_parts_are_not_counted_takes_nine_megabytes() -> None:
    peaks = {cost.name: cost.peak_bytes for cost in measured(COUNTED_BYTES)}

    assert {name: peak_bytes for name, peak_bytes in peaks.items() if peak_bytes > SHORT_BYTES_MAX} == {}
    assert max(peaks.values()) > SHORT_BYTES_MAX // 2, "something was measured"


def test_bombs_are_refused_and_what_is_allowed_is_decoded(costs: list[DecodingCost]) -> None:
    assert TransportConfig().client_cap_bytes == CLIENT_BYTES
    assert {cost.name for cost in costs if cost.is_refused} == {
        "empty maps", "nested arrays", "maps in maps", "maps of negative numbers", "pairs", "extension types",
        "false lengths", "short false lengths",
    }  # fmt: skip
    assert len(costs) == len(list(hostile_frames(CLIENT_BYTES)))
