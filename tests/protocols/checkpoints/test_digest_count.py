"""`DigestCount`: a quorum that agrees, and replicas that are apart."""

from __future__ import annotations

import itertools

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checkpoints.digest_count import DigestCount, DigestsAgree, DigestsDiffer
from coterie.protocols.checkpoints.digest_history import Digest
from coterie.protocols.quorums import Grid, Majority, Quorum, Weighted
from coterie.protocols.replicated_log import LogIndex

AT = LogIndex(7)


def nodes(names: str) -> tuple[NodeId, ...]:
    return tuple(NodeId(name) for name in names)


def results(quorum: Quorum, *reports: str) -> list[DigestsAgree | DigestsDiffer | None]:
    """Return the result of each report "ax": member a has the digest x."""
    count = DigestCount(quorum, AT)
    return [count.report(NodeId(each[0]), Digest(each[1:].encode())) for each in reports]


def test_a_quorum_that_agrees_is_reported_once_with_the_members_that_are_apart() -> None:
    found = results(Majority(nodes("abc")), "ax", "by", "cx")

    assert found == [None, None, DigestsAgree(AT, Digest(b"x"), (NodeId("b"),))]
    assert results(Majority(nodes("abc")), "ax", "bx", "cx")[1:] == [DigestsAgree(AT, Digest(b"x"), ()), None]


def test_three_different_digests_of_three_are_no_quorum() -> None:
    found = results(Majority(nodes("abc")), "ax", "by", "cz")

    assert found[:2] == [None, None]
    assert isinstance(found[2], DigestsDiffer)
    assert found[2].digest_by_member == {"a": b"x", "b": b"y", "c": b"z"}


def test_a_division_is_reported_as_soon_as_the_missing_members_cannot_mend_it() -> None:
    assert isinstance(results(Majority(nodes("abcd")), "ax", "bx", "cy", "dy")[3], DigestsDiffer)
    assert isinstance(results(Majority(nodes("ab")), "ax", "by")[1], DigestsDiffer)
    assert results(Majority(nodes("abcde")), "ax", "by", "cz") == [None, None, None]
    assert isinstance(results(Majority(nodes("abcde")), "av", "bw", "cx", "dy")[3], DigestsDiffer)


def test_a_member_counts_once_and_a_stranger_never() -> None:
    assert results(Majority(nodes("abc")), "ax", "ax", "zx", "ay") == [None] * 4


@pytest.mark.parametrize(
    "quorum",
    [
        Majority(nodes("abc")),
        Weighted({NodeId("a"): 2, NodeId("b"): 1, NodeId("c"): 1, NodeId("d"): 1}),
        Grid([nodes("ab"), nodes("cd")]),
    ],
    ids=repr,
)
def test_every_report_of_every_member_ends_in_the_right_result(quorum: Quorum) -> None:
    for digests in itertools.product("xyz", repeat=len(quorum.members)):
        reports = [member + digest for member, digest in zip(quorum.members, digests, strict=True)]
        decided = [result for result in results(quorum, *reports) if result is not None]
        agreeing = [
            digest
            for digest in "xyz"
            if quorum.is_quorum(
                [member for member, other in zip(quorum.members, digests, strict=True) if other == digest]
            )
        ]
        assert len(decided) == 1
        if agreeing:
            assert isinstance(decided[0], DigestsAgree)
            assert [decided[0].digest.decode()] == agreeing
        else:
            assert isinstance(decided[0], DigestsDiffer)
