"""`ViewMachine`: what each command changes and answers, its snapshots, and three nodes that run it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from coterie import Node, SnapshotPolicy, Topology
from coterie.actors.groups.evolution.machine_schema import machine_schema
from coterie.actors.groups.group_messages import GroupStatus, ReportStatus
from coterie.actors.groups.state_machine import machine_mistake, snapshot_mistake
from coterie.actors.membership.membership_records import Registry
from coterie.actors.membership.view_machine import (
    ChangeView,
    Claim,
    Follow,
    Followed,
    Register,
    Release,
    Unregister,
    ViewChanges,
    ViewMachine,
)
from coterie.actors.simulation.checkers.state_structure import first_difference, structure_of
from coterie.protocols.membership.members import MemberId, ViewNumber
from coterie.protocols.membership.services import Registered, ServiceEntry
from coterie.protocols.membership.singletons import Epoch, Granted, HeldBy, Holder
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import BecomeUp, Down, Expel, Join, Leave, Left, Remove, ViewChange
from coterie.protocols.membership.view_decisions import Done, Refused
from coterie.runtime.refs import Address
from coterie.testing import no_leaks
from tests.actors.groups.compaction.kept_totals import started, until
from tests.protocols.membership.test_view_decisions import life, node

Command = ChangeView | Claim | Release | Register | Unregister

ALL = Follow(-1, -1)
VOTERS = ("n1", "n2", "n3")


def joined(*numbers: int) -> ChangeView:
    members = [node(number) for number in numbers]
    return ChangeView((*map(Join, members), *(BecomeUp(member.identity) for member in members)))


def machine_of(*commands: Command) -> ViewMachine:
    machine = ViewMachine()
    for command in (joined(1, 2, 3), *commands):
        machine.apply(command)
    return machine


def registry(machine: ViewMachine) -> Registry:
    found = machine.read(ALL).registry
    assert found is not None
    return found


def view(machine: ViewMachine) -> View:
    found = machine.read(ALL).view
    assert found is not None
    return found


# --- commands


def test_a_new_machine_has_an_empty_view_and_registry() -> None:
    assert ViewMachine().read(ALL) == Followed(View(), Registry(0, {}, ()), ViewNumber(0), 0)


def test_several_changes_make_one_view_and_each_has_its_outcome() -> None:
    machine = machine_of()

    answer = machine.apply(ChangeView((Leave(life(1)), BecomeUp(life(2)), Left(life(3)))))

    assert isinstance(answer, ViewChanges)
    assert answer.view_number == view(machine).number == 2
    assert [getattr(outcome, "is_change", None) for outcome in answer.outcomes] == [True, False, None]


def test_changes_that_change_nothing_make_no_view() -> None:
    machine = machine_of()
    before = view(machine)

    answer = machine.apply(ChangeView((BecomeUp(life(1)), Remove(life(2)))))

    assert isinstance(answer, ViewChanges)
    assert answer.view_number == 1
    assert view(machine) is before


@pytest.mark.parametrize(
    ("voters", "is_refused"),
    [(VOTERS, True), (("n3", "n1", "n2", "n1"), True), ((), False), (("n1", "n8", "n9"), False)],
)
def test_no_change_takes_a_majority_of_the_voters_out(voters: tuple[str, ...], is_refused: bool) -> None:
    machine = machine_of()

    answer = machine.apply(ChangeView((Expel((life(2), life(3)), view(machine).number),), voters))

    assert isinstance(answer, ViewChanges)
    assert isinstance(answer.outcomes[0], Refused) == is_refused


def test_a_claim_is_decided_against_the_present_view() -> None:
    machine = machine_of(Claim("cron", life(1)))

    assert machine.apply(Claim("cron", life(2))) == HeldBy(life(1), Epoch(1))
    machine.apply(ChangeView((Down(life(1)),)))
    assert machine.apply(Claim("cron", life(2))) == HeldBy(life(1), Epoch(1))
    assert isinstance(machine.apply(Claim("cron", life(1))), Refused)
    machine.apply(ChangeView((Remove(life(1)),)))
    assert machine.apply(Claim("cron", life(2))) == Granted(Epoch(2))
    assert registry(machine).holders == {"cron": Holder(life(2), Epoch(2))}


def test_a_release_is_of_one_epoch() -> None:
    machine = machine_of(Claim("cron", life(1)), Claim("cron", life(1)))

    assert machine.apply(Release("cron", life(1), Epoch(1))) is False
    assert machine.apply(Release("cron", life(1), Epoch(2))) is True
    assert machine.apply(Claim("cron", life(2))) == Granted(Epoch(3))


def test_services_are_registered_and_taken_out() -> None:
    machine = machine_of(Register("cart", life(2), "carts"), Register("cart", life(1), "carts"))

    assert machine.apply(Register("cart", life(1), "carts")) == Registered(is_change=False)
    assert isinstance(machine.apply(Register("cart", life(3), "carts", unique=True)), Refused)
    assert machine.apply(Unregister("cart", life(2), "carts")) is True
    assert machine.apply(Unregister("cart", life(2), "carts")) is False
    assert registry(machine).services == (ServiceEntry("cart", life(1), "carts"),)


@pytest.mark.parametrize(
    "changes",
    [
        (Down(life(1)),),
        (Leave(life(1)), Left(life(1))),
        (Join(node(1, incarnation=2)), BecomeUp(life(1, 2))),
    ],
)
def test_entries_of_a_member_go_with_the_change_that_decides_it_out(changes: tuple[ViewChange, ...]) -> None:
    machine = machine_of(Register("cart", life(1), "carts", unique=True), Claim("cron", life(1)))
    before = registry(machine)

    machine.apply(ChangeView(changes))

    after = registry(machine)
    assert after.services == ()
    assert after.revision == before.revision + 1
    assert after.holders == before.holders  # a record says what was granted; the view says whether it still counts
    assert machine.apply(Register("cart", life(2), "carts", unique=True)) == Registered()


# --- what followers read


def test_a_follower_gets_what_is_newer_than_it_knows() -> None:
    machine = machine_of(Claim("cron", life(1)))
    newest = machine.read(ALL)
    assert (newest.number, newest.revision) == (1, 1)

    assert machine.read(Follow(1, 1)) == Followed(None, None, newest.number, newest.revision)
    assert machine.read(Follow(0, 1)) == Followed(newest.view, None, newest.number, newest.revision)
    assert machine.read(Follow(1, 0)) == Followed(None, newest.registry, newest.number, newest.revision)
    assert machine.read(Follow(9, 9)) == Followed(None, None, newest.number, newest.revision)


@pytest.mark.parametrize(
    "command",
    [
        Claim("cron", life(2)),
        Claim("cron", life(9)),
        Claim("", life(1)),
        Release("cron", life(2), Epoch(1)),
        Release("mail", life(1), Epoch(1)),
        Register("cart", life(1), "carts"),
        Register("cart", life(2), "carts", unique=True),
        Unregister("cart", life(2), "carts"),
        ChangeView((Leave(life(2)),)),
        ChangeView((Remove(life(2)),)),
    ],
)
def test_the_revision_stays_while_the_registry_does(command: Command) -> None:
    machine = machine_of(Claim("cron", life(1)), Register("cart", life(1), "carts"))
    before = registry(machine)

    machine.apply(command)

    assert registry(machine) == before


def test_what_was_read_does_not_change_afterwards() -> None:
    machine = machine_of(Claim("cron", life(1)), Register("cart", life(1), "carts"))
    read = machine.read(ALL)
    copied = structure_of(read)

    for command in (Claim("cron", life(1)), Claim("mail", life(2)), Unregister("cart", life(1), "carts"), joined(4)):
        machine.apply(command)

    assert first_difference(structure_of(read), copied) is None


# --- snapshots and schemas


def random_commands(seed: int, count: int) -> list[Command]:
    rng = random.Random(seed)

    def identity() -> MemberId:
        return life(rng.randrange(1, 6), rng.choice([1, 1, 2, 2**64 - 1]))

    def changes() -> ChangeView:
        one, number, incarnation = identity(), rng.randrange(1, 6), rng.choice([1, 2, 2**64 - 1])
        kinds: list[ViewChange] = [
            Join(node(number, incarnation), replaces=rng.choice([None, one.incarnation])),
            *(BecomeUp(one), BecomeUp(one), Leave(one), Left(one), Down(one), Remove(one)),
        ]
        return ChangeView(tuple(rng.choices(kinds, k=rng.randint(1, 3))), VOTERS)

    makes: list[Callable[[], Command]] = [
        changes,
        lambda: Claim(rng.choice(["cron", "mail", ""]), identity()),
        lambda: Release(rng.choice(["cron", "mail"]), identity(), Epoch(rng.randrange(1, 9))),
        lambda: Register(rng.choice(["cart", "pay"]), identity(), rng.choice("ab"), unique=rng.random() < 0.2),
        lambda: Unregister(rng.choice(["cart", "pay"]), identity(), rng.choice("ab")),
    ]
    return [joined(1, 2, 3, 4, 5), *(rng.choice(makes)() for _ in range(count))]


@pytest.mark.parametrize("seed", range(10))
def test_a_restored_machine_answers_as_one_that_never_stopped(seed: int) -> None:
    commands = random_commands(seed, 300)
    machine, restored = ViewMachine(), ViewMachine()
    for at, command in enumerate(commands):
        if at % 60 == 0:
            restored = ViewMachine()
            for piece in list(machine.snapshot()):
                restored.restore(piece)
            assert first_difference(structure_of(restored), structure_of(machine)) is None
            assert restored.read(ALL) == machine.read(ALL)
        assert restored.apply(command) == machine.apply(command)
    assert len(registry(machine).holders) == 2
    assert view(machine).removed


def test_a_large_state_is_restored_as_it_was_at_the_call() -> None:
    machine = ViewMachine()
    machine.apply(joined(*range(1, 101)))
    for number in range(1, 101):
        for path in range(20):
            machine.apply(Register(f"s{path}", life(number), f"p{path}"))
    pieces, expected = machine.snapshot(), machine.read(ALL)
    machine.apply(Register("later", life(1), "p0"))
    machine.apply(Claim("cron", life(1)))

    restored = ViewMachine()
    for piece in pieces:
        restored.restore(piece)

    assert restored.read(ALL) == expected
    assert len(registry(restored).services) == 2_000


def test_the_class_is_a_machine_that_can_be_saved_and_described() -> None:
    assert machine_mistake(ViewMachine()) is None
    assert snapshot_mistake(ViewMachine()) is None
    schema = machine_schema(ViewMachine)
    assert set(schema.commands) == {
        f"membership.{name}" for name in ("ChangeView", "Claim", "Release", "Register", "Unregister", "Follow")
    }


# --- clusters


def topology() -> Topology:
    made = Topology("view", nodes=list(VOTERS))
    policy = SnapshotPolicy(after_entries=10, share=0.0, trailing_entries=3)
    made.raft("membership", machine=ViewMachine, snapshots=policy)
    return made


async def test_three_nodes_in_one_process_hold_one_view() -> None:
    async with no_leaks(), topology().together() as nodes:
        groups = {name: running.group("membership", ViewMachine) for name, running in nodes.items()}
        changed = await groups["n1"].execute(joined(1, 2, 3))
        first = await groups["n2"].execute(Claim("cron", life(2)))
        second = await groups["n3"].execute(Claim("cron", life(3)))
        registered = await groups["n1"].execute(Register("cart", life(1), "carts"))
        expelled = await groups["n3"].execute(ChangeView((Expel((life(2), life(1)), changed.view_number),), VOTERS))
        seen = [await group.execute(ALL) for group in groups.values()]
        nothing = await groups["n2"].execute(Follow(seen[0].number, seen[0].revision))

    assert all(isinstance(outcome, Done) for outcome in changed.outcomes)
    assert (first, second, registered) == (Granted(Epoch(1)), HeldBy(life(2), Epoch(1)), Registered())
    assert isinstance(expelled.outcomes[0], Refused)
    assert seen[0] == seen[1] == seen[2]
    assert [member.identity for member in seen[0].view or ()] == [life(1), life(2), life(3)]
    assert nothing == Followed(None, None, seen[0].number, seen[0].revision)


@pytest.mark.virtual
async def test_epochs_grow_although_leaders_are_killed_and_nodes_begin_from_snapshots(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology())
    group = (await cluster.client()).group("membership", ViewMachine)
    await group.execute(joined(1, 2, 3))
    granted: list[int] = []

    for _ in range(3):
        for number in (1, 2, 3):
            for _ in range(3):
                answer = await group.execute(Claim("cron", life(number)), timeout_s=60)
                assert isinstance(answer, Granted)
                granted.append(answer.epoch)
                await group.execute(Register("cart", life(number), f"p{answer.epoch}"), timeout_s=60)
            assert await group.execute(Release("cron", life(number), Epoch(granted[-1])), timeout_s=60)
        leader = await cluster.leader_of("membership")
        await cluster.kill(leader)
        assert (await group.execute(Follow(0, -1), timeout_s=60)).revision > 0
        await cluster.start(leader)

    assert granted == list(range(1, len(granted) + 1))
    newest = await group.execute(ALL, timeout_s=60)
    assert newest.registry is not None
    assert len(newest.registry.services) == len(granted)

    async def are_alike() -> bool:
        return all(replica(cluster, name).read(ALL) == newest for name in cluster)

    await until(are_alike)
    for name in cluster:
        status = await cluster[name].system.at(Address(name, "membership")).ask(ReportStatus())
        assert isinstance(status, GroupStatus)
        assert status.base_index > 0


@pytest.mark.virtual
async def test_two_that_claim_at_once_on_two_nodes_are_never_both_granted(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology())
    groups = {name: cluster[name].group("membership", ViewMachine) for name in cluster}
    await groups["n1"].execute(joined(1, 2, 3), timeout_s=60)

    for turn in range(1, 6):
        claims = [groups[f"n{number}"].execute(Claim("cron", life(number)), timeout_s=60) for number in (1, 2, 3)]
        answers = await asyncio.gather(*claims)
        (winner,) = [number for number, answer in enumerate(answers, 1) if isinstance(answer, Granted)]
        assert answers[winner - 1] == Granted(Epoch(turn))
        assert all(answer == HeldBy(life(winner), Epoch(turn)) for answer in answers if isinstance(answer, HeldBy))
        await groups["n1"].execute(Release("cron", life(winner), Epoch(turn)), timeout_s=60)


def replica(cluster: Mapping[str, Node], name: str) -> ViewMachine:
    cell: Any = cluster[name].system.registry.cell_at("membership")
    machine: ViewMachine = cell.actor._machine.machine
    return machine
