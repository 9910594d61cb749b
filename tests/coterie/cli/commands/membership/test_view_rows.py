"""What the reports of the nodes say together about the view: rows, troubles, lines and JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from coterie.actors.membership.membership_records import Registry
from coterie.actors.membership.membership_requests import ViewReport
from coterie.cli.command_loop import NameNotFound
from coterie.cli.commands.membership.view_reports import ClusterView, view_of
from coterie.cli.commands.membership.view_rows import view_facts, view_head, view_rows, view_table, view_troubles
from coterie.cli.output.json_envelope import envelope
from coterie.errors import ConnectionLost, CoterieError
from coterie.protocols.membership.members import sorted_labels
from coterie.protocols.membership.singletons import Epoch, Holder
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import BecomeUp, Down, Join, Leave
from tests.protocols.membership.test_view_decisions import after, life, node, up_view

VIEW = up_view(3)


def report(number: int, view: View = VIEW, *, lease_s: float = 2.0, **changes: object) -> ViewReport:
    made = ViewReport(f"n{number}", 1, view, Registry(4, {}, ()), "n1", "act" if lease_s else "serve", lease_s)
    return replace(made, **changes)  # type: ignore[arg-type]


def view(*answers: ViewReport, **silent: CoterieError) -> ClusterView:
    found = view_of({**{answer.node: answer for answer in answers}, **silent})
    assert found is not None
    return found


def all_of(view: View = VIEW) -> tuple[ViewReport, ...]:
    return tuple(report(number, view) for number in (1, 2, 3))


def test_a_view_in_which_all_is_well_has_no_troubles() -> None:
    found = view(*all_of())

    assert list(view_troubles(found)) == []
    assert view_head(found) == f"view {VIEW.number}: 3 up; group membership is led by n1"
    assert [(row.member, row.state, row.stand, row.unheard_by) for row in view_rows(found)] == [
        (f"n{number}", "up", "act", ()) for number in (1, 2, 3)
    ]


def test_no_report_is_no_view() -> None:
    assert view_of({}) is None
    assert view_of({"n1": ConnectionLost("gone")}) is None


def test_a_node_that_may_act_counts_for_more_than_one_that_may_not() -> None:
    newer = after(VIEW, Leave(life(3)))
    found = view(report(1, newer, lease_s=0.0), report(2), report(3))

    assert found.report.view is VIEW
    assert found.is_confirmed
    assert "member n1 does not act: its stand is serve" in list(view_troubles(found))


def test_of_those_that_may_act_the_newest_view_counts() -> None:
    newer = after(VIEW, Leave(life(3)))

    assert view(report(1), report(2, newer), report(3)).report.view is newer


def test_if_none_may_act_the_view_is_said_to_be_outdated() -> None:
    found = view(*(report(number, lease_s=0.0) for number in (1, 2, 3)))

    assert next(iter(view_troubles(found))).startswith("no node that answers may act: view 6 is the newest")


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        (all_of(after(VIEW, Down(life(3))))[:2], "member n3 is down since view 7: it is removed once"),
        ((report(1, unheard=(life(3),)), report(2, unheard=(life(3),)), report(3)), "member n3 is not heard by n1, n2"),
        (all_of()[:2], "member n3 does not answer"),
        ((*all_of()[:2], report(3, stand="stop", lease_s=0.0)), "member n3 does not act: its stand is stop"),
        ((*all_of()[:2], report(3, incarnation=9)), "node n3 is not in view 6"),
        ((*all_of(), report(4, refusal="two nodes are called 'n4'")), "node n4 is not in view 6: two nodes are called"),
    ],
)
def test_each_trouble_is_told(answers: tuple[ViewReport, ...], told: str) -> None:
    assert any(text.startswith(told) for text in view_troubles(view(*answers)))


def test_a_member_that_joins_is_no_trouble_and_one_whose_silence_is_told_elsewhere_neither() -> None:
    joining = after(VIEW, Join(node(4)))
    answers = (*all_of(joining), report(4, joining, lease_s=0.0))

    assert list(view_troubles(view(*answers))) == []
    assert list(view_troubles(view(*all_of()[:2]), silent=["n3"])) == []
    assert list(view_troubles(view(*all_of()[:1]), is_alone=True)) == []


def test_the_table_shows_all_that_is_known_of_a_member() -> None:
    member = replace(node(4, 12345678901), roles=frozenset({"worker", "api"}), labels=sorted_labels({"zone": "b"}))
    seen = after(VIEW, Join(member), BecomeUp(member.identity))
    registry = Registry(7, {"cron": Holder(member.identity, Epoch(3)), "mail": Holder(life(1, 9), Epoch(1))}, ())
    found = view(*(replace(each, registry=registry) for each in all_of(seen)))

    *_, line = view_table(found)

    words = ["n4", "up", "8", "12345678…", "?", "host4:7400", "api,", "worker,", "zone=b", "-", "cron", "(epoch", "3)"]
    assert line.split() == words
    assert view_rows(found)[0].holds == {}  # of a former life


def test_json_has_the_same_and_can_be_printed() -> None:
    printed = json.loads(json.dumps(envelope("members", release="1", cluster="c", data=view_facts(view(*all_of())))))

    facts = printed["data"]
    assert (facts["number"], facts["leader"], facts["confirmed"]) == (6, "n1", True)
    assert facts["members"]["n2"]["incarnation"] == "1"
    assert view_facts(None) is None


def test_a_name_that_no_member_has_is_answered_with_those_that_there_are() -> None:
    found = view(*all_of())

    assert found.member("n2").identity == life(2)
    with pytest.raises(NameNotFound, match="there is no member 'n9' in view 6: the members are n1, n2, n3"):
        found.member("n9")


def test_a_singleton_that_no_member_holds_is_a_trouble() -> None:
    held = {"cron": Holder(life(2), Epoch(3)), "given-back": Holder(None, Epoch(2)), "old": Holder(life(9), Epoch(1))}
    registry = Registry(5, held, ())
    declared = ("cron", "given-back", "old", "never")
    answers = [replace(each, registry=registry, singletons=declared) for each in all_of()]

    assert [trouble.split(":")[0] for trouble in view_troubles(view(*answers))] == [
        f"singleton {name} is held by nobody" for name in ("given-back", "old", "never")
    ]
