"""`coterie status` names every node and member, says what is wrong, and has an exit code for it."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from coterie.actors.groups.group_messages import GroupMember, GroupStatus
from coterie.actors.node_report import NodeReport
from coterie.cli.commands import status_command
from coterie.cli.output.command_output import CommandOutput
from coterie.errors import ActorNotFound, CoterieError, NodeUnreachable

MEMBERS = tuple(GroupMember(f"n{number}", "ab", "voter") for number in (1, 2, 3))
LEADER = GroupStatus("store", "n1", "leader", 2, "n1", 9, 9, 9, "ab", 3, MEMBERS)
GONE = NodeUnreachable("n3", "gone")


def report(node: str) -> NodeReport:
    links = tuple(other for other in ("n1", "n2", "n3", "n4", "client") if other != node)
    return NodeReport(node, "c", ("store",), (), (), links, nodes=("n1", "n2", "n3"))


def follower(node: str, **changes: object) -> GroupStatus:
    return replace(LEADER, node=node, role="follower", **changes)  # type: ignore[arg-type]


def status(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    nodes: Mapping[str, NodeReport | CoterieError],
    group: Mapping[str, GroupStatus | CoterieError],
    *,
    as_json: bool = False,
) -> tuple[int, str]:
    """Run the command on what the nodes are said to have answered."""
    seen = status_command._ClusterStatus(dict(nodes), {"store": status_command._of_members(group, nodes)})
    monkeypatch.setattr(status_command, "run_async", lambda query: query.close() or seen)
    monkeypatch.setattr(status_command, "connection_of", lambda args: None)
    code = status_command.run(Namespace(groups=[], out=CommandOutput("status", "json" if as_json else "table")))
    return code, capsys.readouterr().out


NODES = {"n1": report("n1"), "n2": report("n2"), "n3": report("n3")}
HEALTHY = {"n1": LEADER, "n2": follower("n2"), "n3": follower("n3")}


def test_a_healthy_cluster(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, printed = status(capsys, monkeypatch, NODES, HEALTHY)

    assert (code, printed.splitlines()[-1]) == (0, "healthy")


def test_all_parts_of_a_node_are_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = {**NODES, "n1": replace(report("n1"), synods=("c",), pools=("p",), balancers=("b",), actors=("front",))}

    _, printed = status(capsys, monkeypatch, nodes, HEALTHY)

    assert "node n1 of c: runs store, c, p, b, front; linked with n2," in printed


def test_a_dead_node_is_named_with_its_group_and_the_cluster_is_degraded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes: dict[str, NodeReport | CoterieError] = {**NODES, "n3": GONE}
    group = {"n1": LEADER, "n2": follower("n2")}

    code, printed = status(capsys, monkeypatch, nodes, group)
    _, facts = status(capsys, monkeypatch, nodes, group, as_json=True)

    assert code == 5
    expected = ["degraded", "  node n3 does not answer", "  group store: n3 does not answer"]
    assert printed.splitlines()[-3:] == expected
    assert "node n3: node 'n3' is unreachable (gone)" in printed
    read = json.loads(facts)
    assert (read["verdict"], [error["code"] for error in read["errors"]]) == ("degraded", ["degraded"] * 2)
    assert "unreachable" in read["data"]["nodes"]["n3"]["error"]
    assert "unreachable" in read["data"]["groups"]["store"]["n3"]["error"]


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (follower("n3", quarantine="old code"), None),
        (replace(follower("n3"), role="quarantined"), "n3 is quarantined"),
        (replace(follower("n3"), role="refused"), "n3 is refused"),
        (replace(follower("n3"), role="registering"), "n3 is registering"),
        (replace(follower("n3"), role="lost_promises"), "n3 is lost_promises"),
        (follower("n3", trouble="all differ"), "n3 has found that all differ"),
        (
            follower("n3", disk="nearly_full"),
            (
                "the disk of n3 is nearly full (store.short_of_space in its log):"
                " it leads only if no other voter can; free some"
            ),
        ),
        (
            follower("n3", disk="full", full_for_s=132.4),
            (
                "the disk of n3 is full (store.full in its log):"
                " it stores and acknowledges nothing (for 132 s so far) until there is space, or a snapshot lets go of"
                " its log: free some; if that is impossible: coterie raft replace, with an empty data directory"
            ),
        ),
    ],
)
def test_a_member_that_takes_no_full_part_makes_the_cluster_degraded(
    member: GroupStatus, reason: str | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, printed = status(capsys, monkeypatch, NODES, {**HEALTHY, "n3": member})

    assert code == (0 if reason is None else 5)
    assert printed.splitlines()[-1] == ("healthy" if reason is None else f"  group store: {reason}")


@pytest.mark.parametrize(
    ("role", "told"),
    [
        ("registering", ("takes no part: its store ab is new",)),
        (
            "refused",
            ("takes no part: the other voters have registered another store than ab", "put the data dir"),
        ),
        ("not_a_member", ("takes no part: its store ab is no member of the group", "coterie raft add")),
        ("founders_differ", ("takes no part: the other voters have a group of this name with other founders",)),
        (
            "lost_promises",
            ("takes no part", "promised: the reason;", "put the real data", "raft replace"),
        ),
        ("quarantined", ("is in quarantine", "stores and votes, and applies nothing): the reason")),
    ],
)
def test_each_way_to_take_no_full_part_is_explained_with_its_reason_and_the_next_step(
    role: str, told: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "the reason" if role in ("lost_promises", "quarantined") else None
    member = replace(follower("n3"), role=role, quarantine=reason)

    _, printed = status(capsys, monkeypatch, NODES, {**HEALTHY, "n3": member})

    (line,) = [line for line in printed.splitlines() if line.startswith("  n3 ") and ": " in line]
    assert [text for text in told if text not in line] == []


def test_a_group_whose_leader_is_short_of_space_is_unavailable_and_it_says_that_commands_are_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = {node: replace(status, disk="nearly_full") for node, status in HEALTHY.items()}

    code, printed = status(capsys, monkeypatch, NODES, full)
    _, facts = status(capsys, monkeypatch, NODES, full, as_json=True)

    assert code == 1
    verdict, first, *others = printed.splitlines()[-5:]
    assert verdict == "unavailable"
    assert first.startswith(
        "  group store: commands are refused, reads go on: n1 leads with too little free disk space"
    )
    assert [line[:34] for line in others] == [f"  group store: the disk of n{number} is n" for number in (1, 2, 3)]
    read = json.loads(facts)
    assert (read["verdict"], read["errors"][0]["code"]) == ("unavailable", "unavailable")
    assert read["data"]["groups"]["store"]["n2"]["disk"] == "nearly_full"


def test_a_leader_of_an_older_term_says_nothing_of_the_group(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    group = {**HEALTHY, "n2": replace(LEADER, node="n2", term=1, disk="full")}

    code, printed = status(capsys, monkeypatch, NODES, group)

    assert (code, "commands are refused" in printed) == (5, False)


def test_a_group_without_a_leader_is_unavailable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = replace(LEADER, role="pre_candidate", leader=None)

    code, printed = status(capsys, monkeypatch, {"n1": report("n1"), "n2": GONE, "n3": GONE}, {"n1": alone})

    assert code == 1
    assert "unavailable\n  group store has no leader that can be reached" in printed


def test_a_node_that_is_no_member_of_a_group_is_not_missed_in_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = {**NODES, "n4": report("n4")}

    code, printed = status(capsys, monkeypatch, nodes, {**HEALTHY, "n4": ActorNotFound("no actor at 'store'")})

    assert code == 0
    assert "no actor" not in printed


ANSWER = replace(report("n1"), all_groups=("store",))


def removed_n4(answer: NodeReport, group: Mapping[str, GroupStatus | CoterieError]) -> dict[str, Any]:
    """Return what the nodes say while n4, which is in no group, does not answer."""
    nodes = {**NODES, "n1": answer, "n4": NodeUnreachable("n4", "gone")}
    return {"nodes": nodes, "group": group}


def test_a_silent_node_of_which_nothing_is_expected_does_not_make_the_cluster_degraded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, printed = status(capsys, monkeypatch, **removed_n4(ANSWER, HEALTHY))

    assert (code, printed.splitlines()[-1]) == (0, "healthy")
    assert "node n4: node 'n4' is unreachable (gone)" in printed
    assert "nothing is expected of it: it is a member of no group; take it out of Topology(nodes=…)" in printed


WITH_N4 = (*MEMBERS, GroupMember("n4", "ab", "learner"))


@pytest.mark.parametrize(
    ("answer", "leader"),
    [
        (replace(ANSWER, serving=("n4",)), LEADER),  # it has an actor, a pool or a synod
        (replace(ANSWER, all_groups=("store", "another")), LEADER),  # nobody who answers knows the members of that
        (ANSWER, replace(LEADER, members=WITH_N4)),
        (ANSWER, follower("n1")),  # no leader says who the members are
    ],
)
def test_a_silent_node_of_which_something_may_be_expected_is_missed(
    answer: NodeReport,
    leader: GroupStatus,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, printed = status(capsys, monkeypatch, **removed_n4(answer, {**HEALTHY, "n1": leader}))

    assert code in (1, 5)
    assert "  node n4 does not answer" in printed.splitlines()
    assert "nothing is expected" not in printed


def test_a_node_whose_disk_was_replaced_is_told_and_never_healthy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    group = {**HEALTHY, "n3": replace(follower("n3", store="cd", members=()), role="not_a_member")}

    code, printed = status(capsys, monkeypatch, NODES, group)

    assert code == 5
    told = ["degraded", "  group store: n3 runs with another store than the one that is a member"]
    assert printed.splitlines()[-2:] == told


def test_a_node_that_answers_and_is_locked_out_makes_the_cluster_degraded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a wrong key it answers clients, and has no link with the other nodes."""
    nodes = {
        "n1": replace(report("n1"), links=("n2", "client")),
        "n2": replace(report("n2"), links=("n1", "client")),
        "n3": replace(report("n3"), links=("client",)),
    }
    lost = replace(LEADER, node="n3", role="pre_candidate", leader=None)

    code, printed = status(capsys, monkeypatch, nodes, {**HEALTHY, "n3": lost})

    assert code == 5
    assert printed.endswith(
        "degraded\n"
        "  nodes n1 and n3 are not linked with each other: their logs say why\n"
        "  nodes n2 and n3 are not linked with each other: their logs say why\n"
        "  group store: n3 knows no leader, although there is one\n"
    )


def test_a_node_that_refuses_this_client_is_told_with_the_reason(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = "this client is refused at 127.0.0.1:7403: wrong_key: …"
    seen = status_command._ClusterStatus(dict(NODES), {"store": dict(HEALTHY)}, (refusal,))
    monkeypatch.setattr(status_command, "run_async", lambda query: query.close() or seen)
    monkeypatch.setattr(status_command, "connection_of", lambda args: None)

    assert status_command.run(Namespace(groups=[], out=CommandOutput("status"))) == 5
    assert capsys.readouterr().out.splitlines()[-1] == f"  {refusal}"


def test_a_part_that_has_ended_for_good_makes_the_cluster_degraded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = {**NODES, "n2": replace(report("n2"), ended=("clerk",))}

    code, printed = status(capsys, monkeypatch, nodes, HEALTHY)

    assert code == 5
    assert "node n2: clerk has ended for good (its log says why: actor.gave_up): start the node again" in printed


class Client:
    """A client whose group answers with one list of statuses after the other."""

    def __init__(self, *looks: Mapping[str, GroupStatus | CoterieError]) -> None:
        self.looks = list(looks)

    def group(self, name: str) -> Client:
        assert name == "store"
        return self

    async def status(self, *, timeout_s: float) -> Mapping[str, GroupStatus | CoterieError]:
        del timeout_s
        return self.looks.pop(0)


WAITING = {**HEALTHY, "n1": replace(LEADER, last_index=12)}


@pytest.mark.parametrize(
    ("second", "stalled"),
    [
        (WAITING, ["store"]),
        ({**HEALTHY, "n1": replace(LEADER, last_index=14)}, ["store"]),
        ({**HEALTHY, "n1": replace(LEADER, last_index=14, commit_index=12)}, []),
        ({**HEALTHY, "n1": replace(LEADER, last_index=12, term=3)}, []),
        ({**HEALTHY, "n1": replace(LEADER, last_index=12, role="follower")}, []),
        (HEALTHY, []),
    ],
)
async def test_a_commit_index_that_stands_still_while_entries_wait_is_seen_at_a_second_look(
    second: Mapping[str, GroupStatus | CoterieError], stalled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_command, "COMMIT_PAUSE_S", 0)

    groups, found = await status_command._look_twice(cast("Any", Client(WAITING, second)), ["store"])

    assert (list(found), groups) == (stalled, {"store": second})


async def test_a_group_in_which_nothing_waits_is_looked_at_once() -> None:
    groups, found = await status_command._look_twice(cast("Any", Client(HEALTHY)), ["store"])

    assert (groups, found) == ({"store": HEALTHY}, {})


def test_a_group_that_commits_nothing_although_it_has_a_leader_is_unavailable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = status_command._ClusterStatus(dict(NODES), {"store": dict(WAITING)}, (), {"store": WAITING["n1"]})
    monkeypatch.setattr(status_command, "run_async", lambda query: query.close() or seen)
    monkeypatch.setattr(status_command, "connection_of", lambda args: None)

    codes = [status_command.run(Namespace(groups=[], out=CommandOutput("status", form))) for form in ("table", "json")]

    *_, verdict, reason, envelope = capsys.readouterr().out.splitlines()
    assert (codes, verdict) == ([1, 1], "unavailable")
    told = "group store: n1 leads and has committed nothing for 1 s: its commit index stays at 9, and its log has"
    assert reason == f"  {told} entries up to 12"
    assert [error["code"] for error in json.loads(envelope)["errors"]] == ["unavailable"]
