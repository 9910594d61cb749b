"""What failed once does not fail again."""

from __future__ import annotations

from pathlib import Path

import pytest

from coterie.exploring.run_jobs import run_job
from coterie.exploring.saved_case import read_case

CORPUS = Path(__file__).parents[2] / "corpus"
CASES = sorted(CORPUS.glob("*.json"))


def test_there_is_a_corpus() -> None:
    assert CASES


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_run_that_failed_once_does_not_fail_again(path: Path) -> None:
    case = read_case(path)

    result = run_job(case.job)

    told = f"replay: coterie sim {case.job.scenario} --replay tests/corpus/{path.name}"
    assert result.violation is None, "\n".join([*result.tail, str(result.violation), told])
    assert case.note, "a case says what was wrong"
