"""Every example runs, and prints what its reader is led to expect."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"

OUTPUT_BY_EXAMPLE = {
    "coming_and_going.py": (
        "order 1 of n4 in epoch 1\nn4 and n5 provide thumbnails\na cat, drawn by n5\norder 1 of n5 in epoch 2\n"
    ),
    "counter.py": "3\n6\n",
    "fastapi_app.py": "POST: 1\nPOST: 2\nGET: 2\n",
    "load_balancing.py": """\
in turn, the slow node gets its half: True
through the balancers, it gets less than a quarter: True
picked in the client, it gets less than a quarter: True
""",
    "plain_asyncio.py": """\
ada has ticket 1
grace has ticket 2
the thread has ticket 3
the system has stopped, the program goes on
""",
    "replicated_counter.py": "[1, 2, 3]\nthe leader is gone; the total is 3\nand counting goes on: 13\n",
    "self_healing.py": """\
three nodes are up
n2 hung: the other two declared it failed, and it was killed
n2 is up again
""",
    "simulation.py": "calm: every seed passes\nflaky-network: a seed shows a deposit that was booked twice\n",
    "testing_actors.py": "both hold\n",
    "wordcount_cluster.py": "{'amount': 1, 'total': 3}\n{'one.py': 1, 'two.py': 1}\n",
}

NEEDS = {"fastapi_app.py": ("fastapi", "uvicorn")}


SLOW = ("self_healing.py", "wordcount_cluster.py")
"""Examples with several processes."""


@pytest.mark.parametrize(
    "example",
    [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in sorted(OUTPUT_BY_EXAMPLE)],
)
def test_example_prints_what_it_promises(example: str) -> None:
    for package in NEEDS.get(example, ()):
        pytest.importorskip(package, reason=f"{package} comes with the extra `test`")
    command = [sys.executable, "-W", "error", str(EXAMPLES / example)]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)

    assert ended.stderr == ""
    assert ended.stdout == OUTPUT_BY_EXAMPLE[example]


def test_every_example_is_run() -> None:
    walked = {"growing_service.py"}  # in test_growing_service.py
    assert {path.name for path in EXAMPLES.glob("*.py")} == OUTPUT_BY_EXAMPLE.keys() | walked


def test_the_examples_that_are_tests_pass_under_pytest() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLES / "testing_actors.py")]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)

    assert "2 passed" in ended.stdout
