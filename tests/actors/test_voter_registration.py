"""A voter takes no part before enough of the others remember its store: whatever is lost, late, doubled or wiped."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from coterie.actors import voter_registration
from coterie.actors.voter_registration import REMIND_MAX_S, REMIND_S, confirmations_needed
from coterie.actors.wire_names import Register, Registered, SynodLetter
from coterie.errors import InvariantViolated
from coterie.runtime.storage.log_store import GroupState
from tests.actors.town import Town

pytestmark = pytest.mark.virtual


def mail_of(town: Town, kind: type) -> list[tuple[str, Any]]:
    return [(to, message) for to, message in town.mail if isinstance(message, kind)]


# How many.


def test_so_many_must_confirm_that_two_registrations_meet_at_a_voter_that_was_not_wiped() -> None:
    assert [confirmations_needed(voters) for voters in range(1, 8)] == [0, 1, 2, 2, 3, 4, 5]
    for voters in range(1, 100):
        others, tolerated = voters - 1, (voters - 1) // 2
        needed = confirmations_needed(voters)
        assert 2 * needed - others > tolerated - 1  # one more in common than can be wiped beside the name itself
        assert needed <= others
        assert needed > others / 2 or voters == 1


async def test_a_single_voter_takes_part_at_once_and_asks_nobody() -> None:
    town = Town(1)

    await town.start()

    assert town.active == ["n1"]
    assert not town.disks["n1"].pending


async def test_three_voters_wait_for_each_other_and_then_all_take_part() -> None:
    town = Town(3)
    await town.start("n1", "n2")
    town.settle()
    assert town.active == []
    assert town.up["n1"].registration.absence == "registering"

    await town.start("n3")
    town.remind()
    town.settle()

    assert town.active == ["n1", "n2", "n3"]
    assert all(voter.registration.absence is None for voter in town.up.values())
    assert all(voter.events == ["registration.completed"] for voter in town.up.values())


async def test_four_of_five_voters_suffice_and_three_do_not() -> None:
    town = Town(5)
    await town.start("n1", "n2", "n3")
    town.settle()
    assert town.active == []

    await town.start("n4")
    town.remind()
    town.settle()

    assert town.active == ["n1", "n2", "n3", "n4"]


# Durable first.


async def test_a_peer_confirms_only_what_it_remembers_durably() -> None:
    town = Town(3)
    await town.start("n2")
    town.mail.clear()

    town.send("n2", Register("n1", "n1/1"))
    town.deliver()
    assert town.mail == []

    town.disks["n2"].sync_one()
    assert town.mail == [("n1", Registered("n2", "n1/1"))]


async def test_a_voter_takes_part_only_once_its_mark_is_durable() -> None:
    town = Town(3)
    await town.start("n1")

    for peer in ("n2", "n3"):
        town.send("n1", Registered(peer, "n1/1"))
    town.mail = mail_of(town, Registered)
    town.deliver()
    assert not town.disks["n1"].pending
    town.deliver()
    assert town.active == []

    town.disks["n1"].sync_one()
    assert town.active == ["n1"]


async def test_a_crash_before_the_mark_is_durable_means_to_register_again() -> None:
    town = Town(3)
    await town.start("n1")
    for peer in ("n2", "n3"):
        town.up["n1"].registration.answered(Registered(peer, "n1/1"))

    await town.start("n1")

    assert town.active == []
    assert len(mail_of(town, Register)) == 4


async def test_a_crash_after_the_mark_is_durable_and_before_anybody_knows_is_no_loss() -> None:
    town = Town(3)
    await town.start("n1")
    for peer in ("n2", "n3"):
        town.up["n1"].registration.answered(Registered(peer, "n1/1"))
    town.disks["n1"].sync_one(is_told=False)
    town.mail.clear()

    await town.start("n1")

    assert town.active == ["n1"]
    assert town.mail == []


async def test_what_becomes_durable_after_the_end_of_a_life_is_for_the_next_one() -> None:
    town = Town(3)
    await town.start("n1")
    voter = town.up["n1"]
    for peer in ("n2", "n3"):
        voter.registration.answered(Registered(peer, "n1/1"))
    voter.registration.asked(Register("n2", "n2/1"))
    town.mail.clear()

    voter.registration.close()
    voter.disk.sync_one()
    voter.disk.sync_one()

    assert not voter.takes_part
    assert town.mail == []


# Who is counted.


async def test_confirmations_of_an_earlier_store_count_for_nothing() -> None:
    town = Town(3)
    await town.start("n1")
    town.wipe("n1")
    await town.start("n1")

    for peer in ("n2", "n3"):
        town.up["n1"].registration.answered(Registered(peer, "n1/1"))

    assert not town.disks["n1"].pending
    assert town.up["n1"].registration.absence == "refused"


async def test_a_peer_that_confirms_twice_counts_once_and_a_stranger_never() -> None:
    town = Town(5)
    await town.start("n1")

    for sender in ("n2", "n2", "n2", "n1", "stranger", "n3", "n3"):
        town.up["n1"].registration.answered(Registered(sender, "n1/1"))

    assert not town.disks["n1"].pending


async def test_a_stranger_is_not_registered_and_nobody_registers_in_our_own_name() -> None:
    town = Town(3)
    await town.start("n1")
    town.mail.clear()

    town.send("n1", Register("stranger", "s"))
    town.send("n1", Register("n1", "n1/1"))
    town.deliver()
    town.deliver()

    assert not town.disks["n1"].pending
    assert town.mail == []


async def test_a_letter_in_our_own_name_does_not_mark_us() -> None:
    town = Town(3)
    await town.start("n1")
    letter = SynodLetter("n1", "n1/1", "text")  # type: ignore[arg-type]
    peers = [name for name in town.names if name != "n1"]

    town.up["n1"].known.admit(letter, peers, None)  # type: ignore[arg-type]

    assert not town.disks["n1"].pending


async def test_a_mark_of_another_store_is_a_violation() -> None:
    town = Town(3)
    town.disks["n1"].durable["g#stores"] = b'{"n1": "n1/0"}'
    await town.start("n1")
    town.up["n1"].registration.answered(Registered("n2", "n1/1"))

    with pytest.raises(InvariantViolated, match="is not the one that was registered as 'n1'"):
        town.up["n1"].registration.answered(Registered("n3", "n1/1"))


# Who was wiped.


async def test_a_wiped_voter_stays_out_for_ever_and_everybody_says_so() -> None:
    town = Town(3)
    await town.start()
    town.settle()
    town.wipe("n2")

    for _ in range(3):
        await town.start("n2")
        for _ in range(10):
            town.settle()
            town.remind()
        assert town.up["n2"].registration.absence == "refused"
        assert town.up["n2"].events == ["registration.refused"] * 2
        assert town.up["n2"].logged[0][1] == {"peer": "n1", "store": "n2/2", "remembered": "n2/1"}
    assert town.up["n1"].logged[-1] == ("store.refused", {"peer": "n2", "store": "n2/2", "remembered": "n2/1"})
    assert town.active == ["n1", "n3"]


async def test_two_wiped_of_five_do_not_confirm_each_other_back() -> None:
    town = Town(5)
    await town.start()
    town.settle()

    for name in ("n2", "n3"):
        town.wipe(name)
    await town.start("n2", "n3")
    for _ in range(10):
        town.settle()
        town.remind()

    assert town.active == ["n1", "n4", "n5"]


async def test_another_store_is_refused_while_the_first_is_being_written() -> None:
    town = Town(3)
    await town.start("n1")
    town.mail.clear()
    town.up["n1"].registration.asked(Register("n2", "n2/1"))
    town.up["n1"].registration.asked(Register("n2", "n2/2"))

    town.disks["n1"].sync_one()

    assert town.mail == [("n2", Registered("n1", "n2/1"))]
    assert town.up["n1"].logged == [("store.refused", {"peer": "n2", "store": "n2/2", "remembered": None})]


# Older releases.


@pytest.mark.parametrize("state", [GroupState(b"term", 1, 0, ()), GroupState(None, 1, 1, ((1, 1),))])
async def test_a_store_that_took_part_before_goes_on_and_registers_beside(state: GroupState) -> None:
    town = Town(3)
    await town.start(state=state)
    assert town.active == ["n1", "n2", "n3"]

    town.settle()
    assert all(voter.events == ["registration.completed"] for voter in town.up.values())
    town.wipe("n2")
    await town.start("n2")
    town.settle()

    assert town.active == ["n1", "n3"]


# Asking again.


async def test_who_does_not_answer_is_asked_again_ever_more_seldom_and_named_in_the_log() -> None:
    town = Town(3)
    await town.start("n1", "n2")
    town.settle()
    voter = town.up["n1"]

    for _ in range(8):
        voter.registration.reminded()

    assert {to for to, _ in town.mail} == {"n3"}
    assert voter.delays[:3] == [REMIND_S, 2 * REMIND_S, 4 * REMIND_S]
    assert voter.delays[-2:] == [REMIND_MAX_S] * 2
    assert voter.logged == [("registration.delayed", {"store": "n1/1", "missing": "n3"})] * 2


async def test_who_gets_a_link_is_asked_at_once_and_nobody_after_all_have_answered() -> None:
    town = Town(3)
    await town.start("n1")
    voter = town.up["n1"]
    town.mail.clear()

    for kind, node in (("up", "n2"), ("down", "n3"), ("up", "stranger")):
        voter.listeners[0](SimpleNamespace(kind=kind, node=node))
    assert town.mail == [("n2", Register("n1", "n1/1"))]

    for peer in ("n2", "n3"):
        voter.registration.answered(Registered(peer, "n1/1"))
    voter.disk.sync_one()
    town.mail.clear()
    voter.registration.reminded()
    assert town.mail == []
    assert voter.listeners == []


# Everything at once.


async def wander(voters: int, seed: int) -> Town:
    """Let anything happen, as long as only a minority is ever wiped; the town sees a second store take part."""
    rng, town, wiped = random.Random(seed), Town(voters), set[str]()
    for _ in range(300):
        name = rng.choice(town.names)
        chance = rng.random()
        if chance < 0.55 and town.mail:
            town.deliver(rng.randrange(len(town.mail)), is_kept=rng.random() < 0.2)
        elif chance < 0.7 and name in town.up and town.disks[name].pending:
            town.disks[name].sync_one(is_told=rng.random() < 0.9)
        elif chance < 0.75 and name in town.up:
            town.up[name].registration.reminded()
        elif chance < 0.8 and len(town.mail) > 1:
            town.mail.pop(rng.randrange(len(town.mail)))
        elif chance < 0.83:
            town.crash(name)
        elif chance < 0.85 and len(wiped | {name}) <= (voters - 1) // 2:
            wiped.add(name)
            town.wipe(name)
        elif name not in town.up:
            await town.start(name)
    return town


@pytest.mark.parametrize("voters", [2, 3, 4, 5, 6, 7])
async def test_whatever_happens_no_name_takes_part_with_two_stores(voters: int) -> None:
    for seed in range(60):
        await wander(voters, seed)


async def cut(voters: int, sides: tuple[int, int]) -> list[str]:
    """Register n1 at one side, wipe it with all that both sides share, register it at the other; return who is in."""
    town = Town(voters)
    first, second = sides
    others = town.names[1:]
    await town.start("n1", *others[:first])
    town.settle()
    shared = others[voters - 1 - second : first]
    for name in ("n1", *shared[: (voters - 1) // 2 - 1]):
        town.wipe(name)
    for name in others[: voters - 1 - second]:
        town.crash(name)
    await town.start("n1", *others[voters - 1 - second :])
    town.settle()
    return town.active


@pytest.mark.parametrize("voters", [3, 4, 5, 6, 7, 9])
async def test_the_worst_minority_that_is_wiped_brings_no_name_back(voters: int) -> None:
    needed = confirmations_needed(voters)

    assert "n1" not in await cut(voters, (needed, needed))


@pytest.mark.parametrize("voters", [6, 7, 9])
async def test_more_than_half_of_the_others_would_not_be_enough(voters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = (voters - 1) // 2 + 1
    monkeypatch.setattr(voter_registration, "confirmations_needed", lambda _: needed)

    with pytest.raises(AssertionError, match="n1 takes part with a second store"):
        await cut(voters, (needed, needed))
