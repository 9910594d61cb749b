"""Which record supersedes which: a lower incarnation never wins, and two members always agree in the end."""

from __future__ import annotations

from itertools import permutations, product

from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.failure_detector import MemberState
from coterie.protocols.detection.swim.member_table import MemberTable, supersedes
from coterie.protocols.detection.swim.swim import initial_records
from coterie.protocols.detection.swim.swim_messages import MemberRecord

B = NodeId("b")
RECORDS = [MemberRecord(B, incarnation, state) for incarnation, state in product(range(3), MemberState)]


def test_a_lower_incarnation_never_wins() -> None:
    for new, old in product(RECORDS, RECORDS):
        assert not (supersedes(new, old) and new.incarnation < old.incarnation)


def test_under_one_incarnation_suspicion_beats_life_and_failure_beats_suspicion() -> None:
    alive, suspected, failed = (
        MemberRecord(B, 1, state) for state in (MemberState.ALIVE, MemberState.SUSPECTED, MemberState.FAILED)
    )
    assert supersedes(suspected, alive)
    assert supersedes(failed, suspected)
    assert supersedes(failed, alive)
    assert not supersedes(alive, suspected)
    assert not supersedes(suspected, failed)


def test_no_record_supersedes_itself_and_no_two_supersede_each_other() -> None:
    for one, other in product(RECORDS, RECORDS):
        assert not (supersedes(one, other) and supersedes(other, one))


def test_the_order_of_arrival_does_not_matter_for_who_is_active() -> None:
    for records in permutations(RECORDS[:8:2]):
        table = MemberTable(initial_records([NodeId("a"), B]))
        for record in records:
            if supersedes(record, table[B]):
                table.put(record)
        assert table[B].incarnation == max(record.incarnation for record in records)


def test_active_members_are_counted() -> None:
    table = MemberTable(initial_records([NodeId("a"), B]))
    assert table.active == 2
    for state, active in (
        (MemberState.SUSPECTED, 2),
        (MemberState.FAILED, 1),
        (MemberState.ALIVE, 2),
        (MemberState.LEFT, 1),
    ):
        table.put(MemberRecord(B, 1, state))
        assert (table.active, table.is_active(B)) == (active, active == 2)
    table.put(MemberRecord(NodeId("new"), 0, MemberState.ALIVE))
    assert (table.active, len(table)) == (2, 3)
