"""Which groups there are: an unknown name fails at once, with what there is, and with its kind if it is another one."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from coterie.actors.node_report import NodeReport
from coterie.cli.command_loop import NameNotFound, NameUncertain
from coterie.cli.node_queries import NoAnswer, check_groups, exit_code_of, kinds_of, refusals_of, silent_nodes
from coterie.cli.output.json_envelope import Code, Problem

N1 = NodeReport("n1", "shop", ("store",), ("config",), ("workers",), (), ("clerk",), ("front", "clerk"))
N2 = replace(N1, node="n2", groups=("orders",))


def test_a_group_that_any_node_runs_is_there_also_if_others_are_silent() -> None:
    check_groups({"n1": N1, "n2": N2, "n3": NoAnswer()}, ["store", "orders"])


def test_a_group_that_no_node_runs_is_not_found_and_the_others_are_named() -> None:
    with pytest.raises(NameNotFound, match="there is no group 'stock': the nodes run orders, store"):
        check_groups({"n1": N1, "n2": N2}, ["stock"])


@pytest.mark.parametrize(
    ("name", "kind"),
    [("workers", "a pool"), ("config", "a synod"), ("front", "a balancer"), ("clerk", "a balancer and an actor")],
)
@pytest.mark.parametrize("others", [{}, {"n2": NoAnswer()}])
def test_a_name_of_another_kind_is_said_to_be_one(name: str, kind: str, others: dict[str, NoAnswer]) -> None:
    with pytest.raises(NameNotFound, match=f"'{name}' is {kind}, and no group: the groups are store"):
        check_groups({"n1": N1, **others}, [name])


def test_a_group_that_a_silent_node_may_run_is_not_said_to_be_missing() -> None:
    told = "no node that answers runs a group 'stock': they run store; n2 may, and does not answer"
    with pytest.raises(NameUncertain, match=told):
        check_groups({"n1": N1, "n2": NoAnswer()}, ["stock"])


def test_a_name_of_nothing_has_no_kind() -> None:
    assert kinds_of({"n1": N1, "n2": NoAnswer()}, "stock") == ""


@pytest.mark.parametrize(
    ("reports", "exit_code", "code"),
    [({"n1": N1, "n2": NoAnswer()}, 5, Code.DEGRADED), ({"n2": NoAnswer()}, 4, Code.UNREACHABLE)],
)
def test_a_node_that_does_not_answer_is_an_error(reports: dict[str, object], exit_code: int, code: Code) -> None:
    assert exit_code_of(reports) == exit_code
    assert silent_nodes(reports) == [Problem(code, f"node n2: {NoAnswer()}")]


def refused_client(nodes: list[str], *refusals: str) -> Any:
    """A client that is linked with these nodes, and knows no others."""
    remoting = SimpleNamespace(refused_handshakes=SimpleNamespace(latest=refusals))
    return SimpleNamespace(nodes=nodes, known_nodes=nodes, system=SimpleNamespace(remoting=remoting))


def test_a_refusal_for_good_at_a_given_address_is_told_although_all_nodes_are_linked() -> None:
    client = refused_client(["n1", "n2"], "h:2: wrong_cluster: it is 'b'", "h:3: wrong_key: no", "h:1: incomplete: x")

    told = refusals_of(client, ["h:1", "h:2"])

    assert told == ("this client is refused at h:2: wrong_cluster: it is 'b'",)


def test_while_a_node_is_missing_every_refusal_is_told() -> None:
    client = refused_client(["n1"], "h:3: wrong_key: no", "h:1: incomplete: x")

    assert len(refusals_of(client, ["h:1", "h:2"])) == 2
