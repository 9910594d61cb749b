"""Transcripts of directed schedules: what stays, what is written, and which inputs are refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from coterie.errors import InvariantViolated
from coterie.protocols.raft.elections import Elections
from coterie.protocols.raft.leadership import Leadership
from coterie.protocols.simulation.directed.directed_transcript import TranscriptError, rerun_transcript
from tests.protocols.raft.test_transcripts import TRANSCRIPTS, difference

PAGE = Path(__file__).parents[4] / "docs" / "transcripts.md"
EXAMPLE = re.compile(r"^```text\n(# .*?)^```$", re.MULTILINE | re.DOTALL)

LED = "group 3\nquietly elect n1\n"


def outputs(text: str) -> list[str]:
    return [line.strip() for line in rerun_transcript(text).splitlines() if line.startswith("    ")]


def test_comments_blank_lines_and_inputs_stay_and_old_outputs_go() -> None:
    text = "# The claim.\n\ngroup 3\ntick n1\n    something else\n    n9 does nothing\n# The end.\n"

    lines = rerun_transcript(text).splitlines()

    assert [line for line in lines if not line.startswith("    ")] == [
        "# The claim.",
        "",
        "group 3",
        "tick n1",
        "# The end.",
    ]
    assert lines[4] == "    n1 observes raft.pre_vote_started term=0"


def test_the_same_inputs_give_the_same_outputs() -> None:
    once = rerun_transcript(f"{LED}propose n1 x y\nsettle\nread n2\nsettle\n")

    assert rerun_transcript(once) == once


def test_a_step_without_effects_says_so() -> None:
    assert outputs(f"{LED}sync n1\n") == ["-"]


def test_a_message_is_shown_when_it_leaves_not_when_its_write_begins() -> None:
    shown = outputs(f"{LED}quietly propose n1 x\ndeliver n1 -> n2\nsync n2\n")

    assert shown[:2] == ["n2 gets AppendEntries from n1", "n2 writes entries=[2@1 x]"]
    assert shown[-1].startswith("n2 -> n1 AppendEntriesReply")


def test_a_lost_unsynced_write_is_gone_and_one_that_survived_is_there() -> None:
    crash = f"{LED}quietly propose n1 x\nquietly deliver n1 -> n2\nquietly crash n2"

    assert outputs(f"{crash}\nstate\n")[1] == "n2 is down: log [1] after 0"
    assert outputs(f"{crash} 1\nstate\n")[1] == "n2 is down: log [1 1] after 0"


def test_what_is_lost_is_named_by_its_class() -> None:
    assert outputs(f"{LED}quietly propose n1 x\ndrop n1 -> n2 PreVote\ndrop -> n2 AppendEntries\n") == [
        "-",
        "AppendEntries is lost",
    ]


def test_a_broken_invariant_is_an_output(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise InvariantViolated("terms only grow")

    monkeypatch.setattr(Elections, "handle_pre_vote", refuse)

    assert outputs("group 3\nquietly tick n1\ndeliver n1 -> n2\n") == [
        "n2 gets PreVote from n1",
        "raises InvariantViolated: terms only grow",
    ]


def test_the_example_of_the_page_is_what_nodes_do() -> None:
    (example,) = EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))

    assert rerun_transcript(example) == example


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tick n1\n", "line 1, 'tick n1': there is no group yet"),
        ("group 3\n\nwobble n1\n", "line 3, 'wobble n1': there is no step 'wobble', only: change, crash"),
        ("group 3\ntick n7\n", "line 2, 'tick n7'"),
        ("group 3\ncrash\n", "line 2, 'crash'"),
        ("group 3 votes=1\n", "line 1, 'group 3 votes=1'"),
        ("group 3\ndeliver n1 n2\n", "'n1 n2' is no pair of nodes"),
        ("group 3\ndeliver Vote\n", "there is no message 'Vote'"),
        ("group 3\nquietly change n1 swap n2\n", "there is no change 'swap'"),
    ],
)
def test_a_wrong_input_is_refused_with_its_line(text: str, words: str) -> None:
    with pytest.raises(TranscriptError) as refused:
        rerun_transcript(text)

    assert words in str(refused.value)


def test_a_leader_that_commits_entries_of_older_terms_by_counting_changes_the_transcript_of_figure_8(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (figure_8,) = [path for path in TRANSCRIPTS if path.stem == "older_term"]
    monkeypatch.setattr(Leadership, "may_commit", lambda *_: True)

    found = difference(figure_8, rerun_transcript(figure_8.read_text(encoding="utf-8")))

    assert "+    n1 leader in term 4, leader n1: log [1 2 4] after 0, last 3, commit 2, applied 0" in found.splitlines()
