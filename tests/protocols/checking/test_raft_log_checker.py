"""The checker's own commit rule: what a majority of the disks held in its term, and nothing else."""

from __future__ import annotations

import random

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.raft_disk import founded
from coterie.protocols.checking.raft_log_checker import RaftLogChecker
from coterie.protocols.checking.violation import Violation, ViolationContext
from coterie.protocols.quorums import Weighted
from coterie.protocols.raft.membership.membership import Member, MemberRole, Membership, StoreId
from coterie.protocols.raft.raft_messages import HardState, LogWrite
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, Term

MEMBERS = tuple(NodeId(name) for name in "abcde")
A, B, C, D, E = MEMBERS


def entries(first: int, *terms: int) -> tuple[Entry, ...]:
    return tuple(
        Entry(LogIndex(index), Term(term), EntryKind.COMMAND, b"%d" % index) for index, term in enumerate(terms, first)
    )


def write(term: int, *new: Entry, cut: int | None = None, vote: NodeId | None = None) -> LogWrite:
    return LogWrite(HardState(Term(term), vote), None if cut is None else LogIndex(cut), new)


def test_three_of_five_disks_commit_up_to_what_the_third_of_them_holds() -> None:
    checker = RaftLogChecker(MEMBERS, ViolationContext())
    checker.write(A, write(1, *entries(1, 1, 1, 1, 1)))
    checker.write(B, write(1, *entries(1, 1, 1, 1)))
    assert len(checker.committed) == 0

    checker.write(C, write(1, *entries(1, 1, 1)))

    assert len(checker.committed) == 2
    checker.write(C, write(1, *entries(3, 1, 1)))
    assert len(checker.committed) == 3


def test_disks_that_hold_an_entry_in_different_terms_do_not_add_up() -> None:
    """Raft Figure 8 (c): three disks hold entry 2 of term 2, but the third took it in term 4."""
    checker = RaftLogChecker(MEMBERS, ViolationContext())
    checker.write(A, write(2, *entries(1, 1, 2)))
    checker.write(B, write(2, *entries(1, 1, 2)))
    checker.write(C, write(4, *entries(1, 1, 2)))
    assert len(checker.committed) == 0

    checker.write(A, write(4, *entries(3, 4)))
    checker.write(B, write(4, *entries(3, 4)))
    checker.write(C, write(4, *entries(3, 4)))

    assert [entry.term for entry in checker.committed] == [1, 2, 4]


def test_overwriting_what_figure_8_leaves_uncommitted_is_no_violation() -> None:
    """Raft Figure 8 (d)."""
    checker = RaftLogChecker(MEMBERS, ViolationContext())
    for node in (A, B):
        checker.write(node, write(2, *entries(1, 1, 2)))
    checker.write(C, write(4, *entries(1, 1, 2)))
    checker.write(E, write(3, *entries(1, 1, 3)))
    checker.write(E, write(5))

    checker.lead(E, Term(5))
    for node in (A, B, C):
        checker.write(node, write(5, *entries(2, 3), cut=2))

    assert checker.disks[A].term_at(2) == 3


def test_votes_are_remembered_for_every_term_and_node() -> None:
    checker = RaftLogChecker(MEMBERS, ViolationContext())
    checker.write(A, write(1, vote=B))
    checker.write(A, write(2))

    assert checker.vote(A, Term(1)) == B
    assert checker.vote(A, Term(2)) is None
    assert checker.vote(B, Term(1)) is None


def test_acknowledgement_of_an_entry_of_an_earlier_term_does_not_count() -> None:
    checker = RaftLogChecker(MEMBERS, ViolationContext())
    for node in (A, B, C):
        checker.write(node, write(3, *entries(1, 1)))
        checker.acknowledge(node, Term(3), LogIndex(1))

    assert len(checker.committed) == 0


def test_checker_finds_a_committed_entry_lost_at_any_place() -> None:
    rng = random.Random(5)
    for _ in range(50):
        checker = RaftLogChecker(MEMBERS, ViolationContext())
        length = rng.randint(1, 9)
        for node in (A, B, C):
            checker.write(node, write(1, *entries(1, *[1] * length)))
        cut = rng.randint(1, length)

        with pytest.raises(Violation, match=rf"the committed entry {cut} was truncated, from {cut} on"):
            checker.write(rng.choice((A, B, C)), write(2, *entries(cut, 2), cut=cut))


def test_audit_finds_a_committed_entry_that_a_majority_no_longer_holds() -> None:
    checker = RaftLogChecker(MEMBERS, ViolationContext())
    for node in (A, B, C):
        checker.write(node, write(1, *entries(1, 1, 1)))
    checker.audit(())

    del checker.disks[C].entries[1]  # behind the checker's back

    with pytest.raises(Violation, match=r"^raft\.commit_on_quorum.*entry 2 is on the disks of \['a', 'b'\] only"):
        checker.audit(())
    checker.audit((C,))
    checker.audit((D,))
    checker.disks[B].entries.clear()
    with pytest.raises(Violation, match=r"entry 1 is on the disks of \['a'\] only, without \['c'\]"):
        checker.audit((C,))


def following(*, without: tuple[NodeId, ...] = ()) -> RaftLogChecker:
    """Return a checker of a group whose founders are A, B and C; entry 2 adds D, and removes those `without`."""
    checker = RaftLogChecker((A, B, C), ViolationContext(), follows_members=True)
    for disk in checker.disks.values():
        disk.found(founded((A, B, C)))
    checker.add(D)
    members = tuple(Member(node, StoreId(node)) for node in (A, B, C, D) if node not in without)
    joint = Entry(LogIndex(2), Term(1), EntryKind.MEMBERSHIP, Membership(members).encode())
    log = (*entries(1, 1), joint, *entries(3, 1))
    for node in (A, B, C, D):
        disk, register = checker.disks[node], founded((A, B, C))
        facts = register.facts.with_entry(joint)
        disk.write(LogWrite(HardState(Term(1), None, facts), None, log))
    checker.committed.extend(log)
    return checker


def test_a_disk_that_is_added_counts_from_then_on() -> None:
    checker = RaftLogChecker((A, B), ViolationContext(), quorum=Weighted({A: 1, B: 1, C: 1}))
    checker.write(A, write(1, *entries(1, 1)))

    checker.add(C)
    checker.write(C, write(1, *entries(1, 1)))

    assert checker.committed_index == 1


def test_an_audit_counts_by_the_last_members_that_are_committed() -> None:
    checker = following()
    checker.audit(())

    del checker.disks[C].entries[2]
    checker.audit(())
    del checker.disks[D].entries[2]

    with pytest.raises(Violation, match=r"^raft\.commit_on_quorum.*entry 3 is on the disks of \['a', 'b'\] only"):
        checker.audit(())


def test_an_audit_does_not_count_removed_members() -> None:
    checker = following(without=(A,))
    checker.audit(())

    del checker.disks[C].entries[2], checker.disks[D].entries[2]

    with pytest.raises(Violation, match=r"entry 3 is on the disks of \['a', 'b'\] only"):
        checker.audit(())


def test_joint_members_need_both_majorities_in_an_audit() -> None:
    checker = following()
    roles = (MemberRole.OUTGOING, MemberRole.VOTER, MemberRole.VOTER, MemberRole.INCOMING)
    members = tuple(Member(node, StoreId(node), role) for node, role in zip((A, B, C, D), roles, strict=True))
    joint = Entry(LogIndex(4), Term(1), EntryKind.MEMBERSHIP, Membership(members).encode())
    checker.committed.append(joint)
    for node in (A, B):
        checker.disks[node].entries.append(joint)

    with pytest.raises(Violation, match=r"entry 4 is on the disks of \['a', 'b'\] only"):
        checker.audit(())
    checker.disks[D].entries.append(joint)
    checker.audit(())
