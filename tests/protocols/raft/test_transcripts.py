"""Golden transcripts of directed schedules: see docs/transcripts.md; COTERIE_REWRITE=1 writes what nodes do now."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import pytest

from coterie.protocols.simulation.directed.directed_transcript import rerun_transcript

THIS_FILE = "tests/protocols/raft/test_transcripts.py"
TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


def difference(path: Path, now: str) -> str:
    """Return how `now` differs from the file, as a unified diff; empty if it does not."""
    before = path.read_text(encoding="utf-8").splitlines()
    lines = difflib.unified_diff(before, now.splitlines(), f"{path.name} (the file)", f"{path.name} (now)", lineterm="")
    return "\n".join(lines)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_nodes_do_what_the_transcript_says(path: Path) -> None:
    now = rerun_transcript(path.read_text(encoding="utf-8"))
    if os.environ.get("COTERIE_REWRITE"):
        path.write_text(now, encoding="utf-8")

    found = difference(path, now)

    if found:
        pytest.fail(f"{found}\n\nIf this is meant: COTERIE_REWRITE=1 pytest {THIS_FILE}", pytrace=False)
