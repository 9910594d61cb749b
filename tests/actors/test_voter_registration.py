"""A voter takes no part before enough of the others remember its store: whatever is lost, late, doubled or wiped."""

from __future__ import annotations

import random
from typing import Any

import pytest

from coterie.actors.voter_registration import REFUSED
from coterie.actors.wire_names import FoundersDiffer, RegisterStore, StoreRegistered, SynodPeerMessage
from coterie.errors import InvariantViolated
from coterie.protocols import registration_rule
from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Grid, Quorum, Weighted
from coterie.protocols.registration_rule import confirmations_needed
from tests.actors.registering_voters import RegisteringVoters

pytestmark = pytest.mark.virtual


def registered(store: str) -> bytes:
    """Return the metadata of a node that has registered `store` for n1."""
    return (
        b'{"format": 1, "incarnation": "", "heard": {}, "generations": {}, "registered": {"n1": "%s"}}' % store.encode()
    )


def messages_of(group: RegisteringVoters, kind: type) -> list[tuple[str, Any]]:
    return [(to, message) for to, message in group.messages if isinstance(message, kind)]


# How many (`tests/protocols/test_registration_rule.py` has the rule).


async def test_a_single_voter_takes_part_at_once_and_asks_nobody() -> None:
    group = RegisteringVoters(1)

    await group.start()

    assert group.active == ["n1"]
    assert not group.disks["n1"].pending


async def test_three_voters_wait_for_each_other_and_then_all_take_part() -> None:
    group = RegisteringVoters(3)
    await group.start("n1", "n2")
    group.settle()
    assert group.active == []
    assert group.up["n1"].registration.inactive_reason == "registering"

    await group.start("n3")
    group.remind()
    group.settle()

    assert group.active == ["n1", "n2", "n3"]
    assert all(voter.registration.inactive_reason is None for voter in group.up.values())
    assert all(voter.events == ["registration.completed"] for voter in group.up.values())


async def test_four_of_five_voters_suffice_and_three_do_not() -> None:
    group = RegisteringVoters(5)
    await group.start("n1", "n2", "n3")
    group.settle()
    assert group.active == []

    await group.start("n4")
    group.remind()
    group.settle()

    assert group.active == ["n1", "n2", "n3", "n4"]


# Durable first.


async def test_a_peer_confirms_only_what_it_remembers_durably() -> None:
    group = RegisteringVoters(3)
    await group.start("n2")
    group.messages.clear()

    group.send("n2", group.request("n1", "n1/1"))
    group.deliver()
    assert group.messages == []

    group.disks["n2"].sync_one()
    assert group.messages == [("n1", StoreRegistered("n2", "n1/1"))]


async def test_a_voter_takes_part_only_once_its_mark_is_durable() -> None:
    group = RegisteringVoters(3)
    await group.start("n1")

    for peer in ("n2", "n3"):
        group.send("n1", StoreRegistered(peer, "n1/1"))
    group.messages = messages_of(group, StoreRegistered)
    group.deliver()
    assert not group.disks["n1"].pending
    group.deliver()
    assert group.active == []

    group.disks["n1"].sync_one()
    assert group.active == ["n1"]


async def test_a_crash_before_the_mark_is_durable_means_to_register_again() -> None:
    group = RegisteringVoters(3)
    await group.start("n1")
    for peer in ("n2", "n3"):
        group.up["n1"].registration.handle_reply(StoreRegistered(peer, "n1/1"))

    await group.start("n1")

    assert group.active == []
    assert len(messages_of(group, RegisterStore)) == 4


async def test_a_crash_after_the_mark_is_durable_and_before_anybody_knows_is_no_loss() -> None:
    group = RegisteringVoters(3)
    await group.start("n1")
    for peer in ("n2", "n3"):
        group.up["n1"].registration.handle_reply(StoreRegistered(peer, "n1/1"))
    group.disks["n1"].sync_one(is_reported=False)
    group.messages.clear()

    await group.start("n1")

    assert group.active == ["n1"]
    assert group.messages == []


async def test_what_becomes_durable_after_the_end_of_a_life_is_for_the_next_one() -> None:
    group = RegisteringVoters(3)
    await group.start("n1")
    voter = group.up["n1"]
    for peer in ("n2", "n3"):
        voter.registration.handle_reply(StoreRegistered(peer, "n1/1"))
    voter.registration.handle_request(group.request("n2", "n2/1"))
    group.messages.clear()

    voter.registration.close()
    voter.disk.sync_one()
    voter.disk.sync_one()

    assert not voter.takes_part
    assert group.messages == []


# Which confirmations count.


async def test_confirmations_of_an_earlier_store_count_for_nothing() -> None:
    group = RegisteringVoters(3)
    await group.start("n1")
    group.wipe("n1")
    await group.start("n1")

    for peer in ("n2", "n3"):
        group.up["n1"].registration.handle_reply(StoreRegistered(peer, "n1/1"))

    assert not group.disks["n1"].pending
    assert group.up["n1"].registration.inactive_reason == "refused"


async def test_a_peer_that_confirms_twice_counts_once_and_a_stranger_never() -> None:
    group = RegisteringVoters(5)
    await group.start("n1")

    for sender in ("n2", "n2", "n2", "n1", "stranger", "n3", "n3"):
        group.up["n1"].registration.handle_reply(StoreRegistered(sender, "n1/1"))

    assert not group.disks["n1"].pending


async def test_a_stranger_is_not_registered_and_nobody_registers_in_our_own_name() -> None:
    group = RegisteringVoters(3)
    await group.start("n1")
    group.messages.clear()

    group.send("n1", group.request("stranger", "s"))
    group.send("n1", group.request("n1", "n1/1"))
    group.deliver()
    group.deliver()

    assert not group.disks["n1"].pending
    assert group.messages == []


async def test_a_message_in_our_own_name_does_not_mark_us() -> None:
    group = RegisteringVoters(3)
    await group.start("n1")
    peer_message = SynodPeerMessage("n1", "n1/1", "text")  # type: ignore[arg-type]
    peers = [name for name in group.names if name != "n1"]

    group.up["n1"].peer_stores.admit(peer_message, peers, None)  # type: ignore[arg-type]

    assert not group.disks["n1"].pending


async def test_a_mark_of_another_store_is_a_violation() -> None:
    group = RegisteringVoters(3)
    group.disks["n1"].durable["g#stores"] = registered("n1/0")
    await group.start("n1")
    group.up["n1"].registration.handle_reply(StoreRegistered("n2", "n1/1"))

    with pytest.raises(InvariantViolated, match="is not the one that was registered as 'n1'"):
        group.up["n1"].registration.handle_reply(StoreRegistered("n3", "n1/1"))


# Wiped voters.


async def test_a_wiped_voter_stays_out_for_ever_and_everybody_says_so() -> None:
    group = RegisteringVoters(3)
    await group.start()
    group.settle()
    group.wipe("n2")

    for _ in range(3):
        await group.start("n2")
        for _ in range(10):
            group.settle()
            group.remind()
        assert group.up["n2"].registration.inactive_reason == "refused"
        assert group.up["n2"].events == ["registration.refused"] * 2
        facts = {"peer": "n1", "store": "n2/2", "remembered": "n2/1", "advice": REFUSED}
        assert group.up["n2"].logged[0][1] == facts
    assert group.up["n1"].logged[-1] == ("store.refused", {"peer": "n2", "store": "n2/2", "remembered": "n2/1"})
    assert group.active == ["n1", "n3"]


async def test_two_wiped_of_five_do_not_confirm_each_other_back() -> None:
    group = RegisteringVoters(5)
    await group.start()
    group.settle()

    for name in ("n2", "n3"):
        group.wipe(name)
    await group.start("n2", "n3")
    for _ in range(10):
        group.settle()
        group.remind()

    assert group.active == ["n1", "n4", "n5"]


async def test_another_store_is_refused_while_the_first_is_being_written() -> None:
    group = RegisteringVoters(3)
    await group.start("n1")
    group.messages.clear()
    group.up["n1"].registration.handle_request(group.request("n2", "n2/1"))
    group.up["n1"].registration.handle_request(group.request("n2", "n2/2"))

    group.disks["n1"].sync_one()

    assert group.messages == [("n2", StoreRegistered("n1", "n2/1"))]
    assert group.up["n1"].logged == [("store.refused", {"peer": "n2", "store": "n2/2", "remembered": None})]


# Stores that the log binds.


async def test_a_voter_that_its_own_log_binds_to_its_store_asks_nobody() -> None:
    group = RegisteringVoters(3)
    group.bound["n1"] = {"n1": "n1/1"}

    await group.start("n1")

    assert (group.active, group.messages) == (["n1"], [])


async def test_a_voter_that_its_own_log_binds_to_another_store_never_takes_part() -> None:
    group = RegisteringVoters(3)
    group.disks["n1"].durable["g#stores"] = registered("n1/1")
    group.bound["n1"] = {"n1": "n1/0"}

    await group.start("n1")

    assert (group.active, group.messages) == ([], [])
    assert group.up["n1"].registration.inactive_reason == "refused"
    assert group.up["n1"].events == ["registration.refused"]


async def test_a_store_that_the_log_binds_counts_more_than_one_that_was_confirmed() -> None:
    """The mend of a wrong disk that was mounted once, at a voter that had confirmed it."""
    group = RegisteringVoters(3)
    await group.start("n2")
    group.send("n2", group.request("n1", "n1/wrong"))
    group.settle()
    group.bound["n2"] = {"n1": "n1/1"}
    group.messages.clear()

    for store in ("n1/1", "n1/wrong"):
        group.up["n2"].registration.handle_request(group.request("n1", store))

    assert group.messages == [("n1", StoreRegistered("n2", "n1/1"))] * 2
    advice = str(group.up["n2"].logged[-1][1].pop("advice"))
    assert advice.endswith("coterie raft replace g n1 --store n1/1")
    assert group.up["n2"].logged[-1][1] == {"peer": "n1", "store": "n1/wrong", "remembered": "n1/1"}


async def test_registration_is_no_way_back_for_a_wiped_voter_whose_seat_is_bound() -> None:
    """Also if all who ever confirmed it forgot: here by hand, in life by being wiped one after the other."""
    group = RegisteringVoters(3)
    for name in group.names:
        group.bound[name] = {each: f"{each}/1" for each in group.names}
    await group.start()
    group.wipe("n1")
    group.bound["n1"] = {}

    await group.start("n1")
    group.settle()

    assert group.active == ["n2", "n3"]
    assert group.up["n1"].registration.inactive_reason == "refused"


# Other founders.


async def test_a_group_with_other_founders_confirms_nothing_and_both_sides_name_both() -> None:
    group, others = RegisteringVoters(3), RegisteringVoters(4)
    await group.start("n1", "n2")
    group.messages.clear()
    group.send("n1", others.request("n2", "n2/1"))
    group.deliver()

    assert group.messages == [("n2", FoundersDiffer("n1", group.founders.encode()))]
    facts = {"peer": "n2", "founders": "n1, n2, n3", "peers_founders": "n1, n2, n3, n4"}
    assert group.up["n1"].logged == [("group.founders_differ", facts)]
    assert not group.disks["n1"].pending


async def test_a_new_node_that_the_founders_do_not_know_is_answered_too() -> None:
    group, others = RegisteringVoters(3), RegisteringVoters(4)
    await group.start("n1")
    group.messages.clear()

    for _ in range(3):
        group.up["n1"].registration.handle_request(others.request("n4", "n4/1"))

    assert group.messages == [("n4", FoundersDiffer("n1", group.founders.encode()))] * 3
    assert group.up["n1"].events == ["group.founders_differ"]  # once


async def test_a_voter_whose_founders_differ_stays_out_and_says_why() -> None:
    group, others = RegisteringVoters(3), RegisteringVoters(4)
    await group.start("n1")
    voter = group.up["n1"]

    for peer in ("n2", "n2", "n3", "stranger"):
        voter.registration.handle_other_founders(FoundersDiffer(peer, others.founders.encode()))

    assert voter.registration.inactive_reason == "founders_differ"
    assert voter.events == ["group.founders_differ"] * 2
    assert not voter.disk.pending


async def test_founders_that_cannot_be_decoded_are_shown_as_they_are_and_cut() -> None:
    group = RegisteringVoters(3)
    await group.start("n1")

    group.up["n1"].registration.handle_request(RegisterStore("n2", "n2/1", b"\xff" * 10_000))

    (event, facts) = group.up["n1"].logged[-1]
    assert event == "group.founders_differ"
    assert len(facts["peers_founders"]) < 1_000


# Everything at once.


async def wander(group: RegisteringVoters, seed: int) -> None:
    """Let anything happen, as long as a quorum is never wiped; the group sees a second store take part."""
    rng, wiped = random.Random(seed), set[str]()
    for _ in range(300):
        name = rng.choice(group.names)
        chance = rng.random()
        if chance < 0.55 and group.messages:
            group.deliver(rng.randrange(len(group.messages)), is_duplicate=rng.random() < 0.2)
        elif chance < 0.7 and name in group.up and group.disks[name].pending:
            group.disks[name].sync_one(is_reported=rng.random() < 0.9)
        elif chance < 0.75 and name in group.up:
            group.up[name].registration.retry()
        elif chance < 0.8 and len(group.messages) > 1:
            group.messages.pop(rng.randrange(len(group.messages)))
        elif chance < 0.83:
            group.crash(name)
        elif chance < 0.85 and group.quorum.is_quorum([kept for kept in nodes(group) if kept not in wiped | {name}]):
            wiped.add(name)
            group.wipe(name)
        elif name not in group.up:
            await group.start(name)


def nodes(group: RegisteringVoters) -> tuple[NodeId, ...]:
    return group.founders.voters


@pytest.mark.parametrize("voters", [2, 3, 4, 5, 6, 7])
async def test_whatever_happens_no_name_takes_part_with_two_stores(voters: int) -> None:
    for seed in range(60):
        await wander(RegisteringVoters(voters), seed)


def weighted(*weights: int) -> Weighted:
    return Weighted({NodeId(f"n{number}"): weight for number, weight in enumerate(weights, 1)})


def grid(*sizes: int) -> Grid:
    names = iter(NodeId(f"n{number}") for number in range(1, sum(sizes) + 1))
    return Grid([[next(names) for _ in range(size)] for size in sizes])


OTHER_QUORUMS = [weighted(1, 1, 1), weighted(3, 1, 1, 1), weighted(3, 2, 2, 1, 1), grid(2, 2), grid(1, 3), grid(2, 3)]


@pytest.mark.parametrize("quorum", OTHER_QUORUMS, ids=repr)
async def test_with_other_quorums_no_name_takes_part_with_two_stores_either(quorum: Quorum) -> None:
    for seed in range(60):
        await wander(RegisteringVoters(len(quorum.members), quorum), seed)


@pytest.mark.parametrize("quorum", OTHER_QUORUMS, ids=repr)
async def test_with_other_quorums_all_voters_together_take_part(quorum: Quorum) -> None:
    group = RegisteringVoters(len(quorum.members), quorum)
    await group.start()
    group.settle()

    assert group.active == group.names


async def cut(voters: int, sides: tuple[int, int]) -> list[str]:
    """Register n1 at one side, wipe it with all that both sides share, register it at the other; return who is in."""
    group = RegisteringVoters(voters)
    first, second = sides
    others = group.names[1:]
    await group.start("n1", *others[:first])
    group.settle()
    shared = others[voters - 1 - second : first]
    for name in ("n1", *shared[: (voters - 1) // 2 - 1]):
        group.wipe(name)
    for name in others[: voters - 1 - second]:
        group.crash(name)
    await group.start("n1", *others[voters - 1 - second :])
    group.settle()
    return group.active


@pytest.mark.parametrize("voters", [3, 4, 5, 6, 7, 9])
async def test_the_worst_minority_that_is_wiped_brings_no_name_back(voters: int) -> None:
    needed = confirmations_needed(voters)

    assert "n1" not in await cut(voters, (needed, needed))


@pytest.mark.parametrize("voters", [6, 7, 9])
async def test_more_than_half_of_the_others_would_not_be_enough(voters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = (voters - 1) // 2 + 1
    monkeypatch.setattr(registration_rule, "confirmations_needed", lambda _: needed)

    with pytest.raises(AssertionError, match="n1 takes part with a second store"):
        await cut(voters, (needed, needed))
