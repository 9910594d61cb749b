"""The examples of the page on partitions are what the policies decide."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from coterie.protocols.membership.partition_policy import (
    KeepAll,
    KeepMajority,
    KeepRole,
    PartitionPolicy,
    StaticQuorum,
    stand,
)
from coterie.protocols.membership.view import View
from coterie.protocols.quorums import Majority
from tests.protocols.membership.test_view_decisions import up_view

PAGE = Path(__file__).parent.parent / "docs" / "partitions.md"
ROW = re.compile(r"^\| (\d) \| (n\d[n\d /]*) \| ([a-z/ ]+) \| ([a-z/ ]+) \| ([a-z/ ]+) \| ([a-z/ ]+) \|$", re.MULTILINE)
ROWS = ROW.findall(PAGE.read_text(encoding="utf-8"))


def test_the_page_has_clusters_of_two_to_five_nodes() -> None:
    assert {row[0] for row in ROWS} == {"2", "3", "4", "5"}
    assert len(ROWS) >= 8


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1])
def test_each_example_is_what_the_policies_decide(row: tuple[str, ...]) -> None:
    count, sides = int(row[0]), [side.split() for side in row[1].split("/")]
    members = list(up_view(count).members)
    members[-1] = replace(members[-1], roles=frozenset({"db"}))
    view = View(up_view(count).number, tuple(members))
    group = Majority(tuple(member.name for member in members))
    policies: list[PartitionPolicy] = [KeepMajority(), StaticQuorum(count // 2 + 1), KeepRole("db"), KeepAll()]
    assert sorted(name for side in sides for name in side) == [member.name for member in members]

    for policy, told in zip(policies, row[2:], strict=True):
        stands = []
        for side in sides:
            names = [member.name for member in members if member.name in side]
            reachable = {member.identity for member in members if member.name in side}
            stands.append(stand(policy, view, reachable, has_quorum=group.is_quorum(names)).value)
        assert " / ".join(stands) == told, policy
