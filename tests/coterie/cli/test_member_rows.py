"""Rows of `coterie members`: the opinions of all nodes that answer, merged."""

from __future__ import annotations

from coterie.actors.detection.detector_messages import MemberLine, MembersReport
from coterie.cli.member_rows import MemberRow, member_rows, member_table
from coterie.errors import CoterieError, NodeUnreachable


def line(peer: str, state: str = "alive", suspicion: float = 0.0, **more: object) -> MemberLine:
    facts: dict[str, object] = {"reason": "", "incarnation": 0, "round_trip_s": None, "suspected_by": ()} | more
    return MemberLine(peer, state, suspicion, **facts)  # type: ignore[arg-type]


def report(node: str, *lines: MemberLine) -> MembersReport:
    return MembersReport(node, "SwimConfig", lines)


def rows_of(*reports: MembersReport, **errors: CoterieError) -> dict[str, MemberRow]:
    answers: dict[str, MembersReport | CoterieError] = {report.node: report for report in reports}
    return {row.member: row for row in member_rows({**answers, **errors})}


def test_the_state_is_that_which_most_nodes_report() -> None:
    rows = rows_of(
        report("n1", line("n4", "failed", 2.0), line("n2")),
        report("n2", line("n4", "suspected", 1.2), line("n1")),
        report("n3", line("n4", "failed", 2.0), line("n2")),
    )

    assert rows["n4"].state == "failed"
    assert rows["n4"].opinions == {"failed": 2, "suspected": 1}
    assert rows["n2"].state == "alive"


def test_of_two_equally_frequent_states_the_worse_is_shown() -> None:
    rows = rows_of(report("n1", line("n3", "alive")), report("n2", line("n3", "suspected", 1.0)))

    assert rows["n3"].state == "suspected"


def test_numbers_are_the_highest_and_the_median_of_those_that_are_measured() -> None:
    rows = rows_of(
        report("n1", line("n4", suspicion=0.2, incarnation=3, round_trip_s=0.001)),
        report("n2", line("n4", suspicion=0.7, incarnation=2, round_trip_s=0.009)),
        report("n3", line("n4", round_trip_s=0.002)),
        report("n5", line("n4")),
    )

    assert (rows["n4"].suspicion, rows["n4"].incarnation, rows["n4"].round_trip_s) == (0.7, 3, 0.002)


def test_the_accusers_are_those_that_suspect_and_those_they_name() -> None:
    rows = rows_of(report("n1", line("n3", "suspected", 1.0, suspected_by=("n2", "n5"))), report("n4", line("n3")))

    assert rows["n3"].suspected_by == ("n1", "n2", "n5")


def test_a_node_that_was_asked_and_does_not_answer_is_shown_as_such() -> None:
    rows = rows_of(report("n1", line("n2", "failed", 2.0)), n2=NodeUnreachable("n2", "gone"))

    assert (rows["n1"].answers, rows["n1"].state) == (True, "alive")  # it answers
    assert (rows["n2"].answers, rows["n2"].state) == (False, "failed")
    assert "gone" in (rows["n2"].error or "")


def test_a_node_whose_address_was_not_given_was_not_asked() -> None:
    rows = {row.member: row.answers for row in member_rows({"n1": report("n1", line("n2"), line("n3", "failed"))})}

    assert rows == {"n1": True, "n2": None, "n3": None}


def test_of_addresses_without_answer_those_that_are_seen_alive_were_not_asked() -> None:
    reports = {"n1": report("n1", line("n2"), line("n3", "failed"))}

    one = {row.member: row.answers for row in member_rows(reports, never_linked=1)}
    both = {row.member: row.answers for row in member_rows(reports, never_linked=2)}

    assert one == {"n1": True, "n2": None, "n3": False}
    assert both == {"n1": True, "n2": False, "n3": False}


def test_the_table_has_a_line_for_each_member() -> None:
    rows = member_rows(
        {
            "n1": report("n1", line("n2", "suspected", 1.25, reason="no answer", incarnation=4, round_trip_s=0.0012)),
            "n3": report("n3", line("n2"), line("n1")),
        },
        never_linked=1,
    )

    lines = member_table(rows)

    assert lines[0].split() == [
        *("member", "answers", "state", "suspicion", "incarnation", "round", "trip", "suspected", "by", "reason"),
    ]
    assert lines[1].split() == ["n1", "yes", "alive", "0.00", "0", "-", "-"]
    assert lines[2].split() == [
        *("n2", "no", "suspected", "1.25", "4", "1.2", "ms", "n1"),
        *("no", "answer;", "1", "say", "suspected,", "1", "say", "alive"),
    ]
