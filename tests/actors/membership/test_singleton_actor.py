"""`SingletonActor` with a scripted group, `HeldMessages` with a scripted target, and mistakes of a declaration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from coterie import Actor, Members, Node, Role, Terminated, Topology, TopologyError
from coterie.actors.membership.cluster_membership import ClusterMembership
from coterie.actors.membership.membership_feed import MembershipFeed
from coterie.actors.membership.membership_records import Registry
from coterie.actors.membership.singleton.held_messages import TELL_S, WAITING_MAX, HeldMessages
from coterie.actors.membership.singleton.singleton_actor import HOLD_OFF_S, SingletonActor, SingletonOptions
from coterie.actors.membership.singleton.singleton_messages import SingletonMoved
from coterie.actors.membership.view_machine import Claim, Release
from coterie.actors.simulation.scenarios.members import singleton_trials
from coterie.errors import ActorFailed, ActorStopped, CommandTimeout, ConnectionLost, NoTargets, Outcome
from coterie.protocols.membership.members import Member, MembershipState, ViewNumber
from coterie.protocols.membership.partition_policy import Stand
from coterie.protocols.membership.singletons import Epoch, Granted, HeldBy, Holder
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_decisions import Refused
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.system import System
from coterie.testing import no_leaks
from tests.actors.membership.singleton_clusters import Account, Cron, Do
from tests.protocols.membership.test_view_decisions import life, node

pytestmark = pytest.mark.virtual

CRON = "cron"
LEASE_S = 2.5


def up(number: int) -> Member:
    return node(number).changed(MembershipState.UP, ViewNumber(1))


class Setting:
    """A node `n1` of two members, and a group that answers as it is told: `answers`."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.account = Account()
        self.commands: list[Claim | Release] = []
        self.answers: list[object] = []
        self.epoch = 0
        self.feed = MembershipFeed(system, up(1))
        self.feed.learn(View(ViewNumber(1), (up(1), up(2))))
        self.feed.registry = Registry(0, {}, ())
        self.feed.stand = Stand.ACT
        self.renew()

    def renew(self) -> None:
        self.feed.lease_ends_at = self.system.host.clock.monotonic() + LEASE_S
        self.feed.changed()

    async def renew_for(self, seconds: float) -> None:
        for _ in range(round(seconds * 2)):
            self.renew()
            await asyncio.sleep(0.5)

    def spawn(self) -> None:
        node_made: Any = type("Place", (), {"name": "n1"})()
        make = partial(Cron, self.account, node_made)
        options = SingletonOptions(make, lambda _: True, LEASE_S)
        group: Any = self
        actor: Any = partial(SingletonActor, ClusterMembership(self.feed), group, options, messages=(Do,))
        self.ref = self.system.spawn(actor, name=CRON)

    async def execute(self, command: Claim | Release, *, timeout_s: float) -> object:
        self.commands.append(command)
        await asyncio.sleep(0.01)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        if isinstance(command, Release):
            return True
        self.epoch += 1
        return Granted(Epoch(self.epoch))

    def learn(self, holder: Holder) -> None:
        self.feed.registry = Registry(self.feed.registry.revision + 1, {CRON: holder}, ())
        self.feed.changed()

    @property
    def children(self) -> list[str]:
        cell = self.system.registry.cell_at(CRON)
        assert cell is not None
        return [child.path for child in cell.children]


@asynccontextmanager
async def setting(host: VirtualHost, **answers: list[object]) -> AsyncIterator[Setting]:
    async with no_leaks(), System("n1", host=host) as system:
        made = Setting(system)
        made.answers = answers.get("answers", [])
        made.spawn()
        await asyncio.sleep(0.05)
        yield made


async def test_the_first_in_turn_claims_at_once_and_its_actor_has_the_epoch(virtual_host: VirtualHost) -> None:
    async with setting(virtual_host) as here:
        assert here.commands == [Claim(CRON, life(1))]
        assert here.children == ["cron/epoch-1"]
        assert await here.ref.ask(Do(1)) == "n1/1"


async def test_nothing_is_claimed_before_the_registry_is_known(virtual_host: VirtualHost) -> None:
    async with no_leaks(), System("n1", host=virtual_host) as system:
        here = Setting(system)
        here.feed.registry = Registry(-1, {}, ())
        here.spawn()
        await asyncio.sleep(1)

        assert here.commands == []


async def test_a_claim_of_another_holder_starts_nothing_until_it_is_gone(virtual_host: VirtualHost) -> None:
    async with setting(virtual_host, answers=[HeldBy(life(2), Epoch(7))]) as here:
        await here.renew_for(3)
        assert here.commands == [Claim(CRON, life(1))]
        assert here.children == []

        here.epoch = 7
        here.feed.learn(View(ViewNumber(2), (up(1),)))
        await here.renew_for(0.5)

        assert here.children == ["cron/epoch-8"]


@pytest.mark.parametrize("answer", [Refused("as it was told"), CommandTimeout("as it was told", Outcome.UNKNOWN)])
async def test_a_claim_without_an_answer_is_made_again_after_a_pause(virtual_host: VirtualHost, answer: object) -> None:
    async with setting(virtual_host, answers=[answer]) as here:
        assert len(here.commands) == 1
        await here.renew_for(1)

        assert len(here.commands) == 2
        assert here.children == ["cron/epoch-1"]


async def test_a_grant_that_came_after_another_one_of_this_node_replaces_it(virtual_host: VirtualHost) -> None:
    """A claim whose answer was lost may be decided after a later one: the group knows another epoch then."""
    async with setting(virtual_host) as here:
        here.epoch = 2
        here.learn(Holder(life(1), Epoch(2)))
        await asyncio.sleep(0.1)

        assert here.children == ["cron/epoch-3"]
        assert here.account.epochs == [1, 3]


async def test_a_grant_of_another_node_ends_the_actor_at_once(virtual_host: VirtualHost) -> None:
    async with setting(virtual_host) as here:
        here.ref.tell(Do(1, 60.0))
        await asyncio.sleep(0.1)

        here.ref.tell(SingletonMoved("n2", life(2), Epoch(2), is_held=True))
        await asyncio.sleep(0.05)

        assert here.children == []
        assert ("stop", "n1", 1) not in here.account.lives  # its hook may not act either


async def test_what_a_node_says_of_another_one_or_of_a_stranger_is_not_believed(virtual_host: VirtualHost) -> None:
    async with setting(virtual_host) as here:
        here.ref.tell(SingletonMoved("n2", life(1), Epoch(2), is_held=False))
        here.ref.tell(SingletonMoved("n9", life(9), Epoch(9), is_held=True))
        await asyncio.sleep(0.05)

        assert here.children == ["cron/epoch-1"]


async def test_without_renewals_the_actor_stops_when_a_fifth_of_the_lease_is_left(virtual_host: VirtualHost) -> None:
    async with setting(virtual_host) as here:
        left_s = here.feed.lease_ends_at - virtual_host.clock.monotonic()
        await asyncio.sleep(left_s - 0.2 * LEASE_S - 0.01)
        assert here.children == ["cron/epoch-1"]

        await asyncio.sleep(0.02)
        assert here.children == []
        assert here.account.lives[-1] == ("stop", "n1", 1)


async def test_a_handler_is_cancelled_when_the_lease_ends_and_no_hook_is_called(virtual_host: VirtualHost) -> None:
    async with setting(virtual_host) as here:
        here.ref.tell(Do(1, 60.0))
        left_s = here.feed.lease_ends_at - virtual_host.clock.monotonic()
        await asyncio.sleep(left_s - 0.01)
        assert here.children == ["cron/epoch-1"]

        await asyncio.sleep(0.02)
        assert here.children == []
        assert here.account.finished == []
        assert here.account.lives == [("start", "n1", 1)]


async def test_an_actor_that_the_end_of_the_lease_kills_is_logged_so(
    virtual_host: VirtualHost, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with setting(virtual_host) as here:
        here.ref.tell(Do(1, 60.0))
        await asyncio.sleep(0.05)
        cell = here.system.registry.cell_at(CRON)
        assert cell is not None
        here.feed.lease_ends_at = virtual_host.clock.monotonic()  # as after a pause of the process
        singleton: Any = cell.actor
        singleton._run.guard.look()
        await asyncio.sleep(0.02)

    stopped = [record.getMessage() for record in caplog.records if "singleton.stopped" in record.getMessage()]
    assert "the lease has ended" in stopped[0]
    assert "Cancelled" not in stopped[0]


async def test_the_lease_ends_an_actor_also_while_its_system_stops(virtual_host: VirtualHost) -> None:
    async with System("n1", host=virtual_host) as system:
        here = Setting(system)
        here.spawn()
        here.ref.tell(Do(1, 60.0))
        await asyncio.sleep(0.05)
        ends_at = here.feed.lease_ends_at

    assert virtual_host.clock.monotonic() <= ends_at + 0.01
    assert here.account.finished == []


async def test_a_factory_that_fails_gives_the_singleton_back_and_holds_off(virtual_host: VirtualHost) -> None:
    async with no_leaks(), System("n1", host=virtual_host) as system:
        here = Setting(system)

        def fail(_epoch: Epoch) -> Actor[Any]:
            raise ValueError("as it was told")

        group: Any = here
        options = SingletonOptions(fail, lambda _: True, LEASE_S)
        actor: Any = partial(SingletonActor, ClusterMembership(here.feed), group, options, messages=(Do,))
        system.spawn(actor, name=CRON)
        await here.renew_for(HOLD_OFF_S - 0.5)
        assert here.commands == [Claim(CRON, life(1)), Release(CRON, life(1), Epoch(1))]

        await here.renew_for(1.5)
        assert here.commands[2:3] == [Claim(CRON, life(1))]


async def test_a_return_is_tried_again_until_it_is_answered(virtual_host: VirtualHost) -> None:
    async with setting(virtual_host) as here:
        here.answers = [CommandTimeout("as it was told", Outcome.UNKNOWN)]

        await here.feed.hand_over()

        assert here.commands[1:] == [Release(CRON, life(1), Epoch(1))] * 2
        await here.renew_for(10)
        assert len(here.commands) == 3


async def test_a_node_that_knows_nothing_yet_has_nothing_to_hand_over(virtual_host: VirtualHost) -> None:
    async with no_leaks(), System("n1", host=virtual_host) as system:
        here = Setting(system)
        here.feed.registry = Registry(-1, {}, ())
        here.spawn()
        await asyncio.sleep(0.1)
        began = virtual_host.clock.monotonic()

        await here.feed.hand_over()

        assert virtual_host.clock.monotonic() == began
        assert here.commands == []


def test_the_trials_of_the_mutants_pass() -> None:
    for trial in (
        singleton_trials.lease_that_ends,
        singleton_trials.grant_after_the_lease,
        singleton_trials.second_grant,
        singleton_trials.return_of_a_busy_one,
        singleton_trials.ask_without_an_outcome,
    ):
        trial(0)


# --- messages that wait


class Target:
    """A target that fails as it is told, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.asked: list[object] = []
        self.told: list[object] = []

    async def ask(self, msg: object, *, timeout_s: float) -> object:
        self.asked.append(msg)
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    def tell(self, msg: object) -> None:
        self.told.append(msg)


class Held:
    """Messages of a singleton that nobody holds at first."""

    def __init__(self, system: System) -> None:
        self.target: Any = None
        self.now = system.host.clock.monotonic
        self.messages = HeldMessages(system, CRON, lambda: self.target)

    def hold(self, target: Target) -> None:
        self.target = target
        self.messages.changed()

    def ask(self, number: int, timeout_s: float) -> asyncio.Task[object]:
        return asyncio.ensure_future(self.messages.ask(Do(number), self.now() + timeout_s))


async def test_asks_wait_for_a_holder_in_their_order(virtual_host: VirtualHost) -> None:
    async with System("n1", host=virtual_host) as system:
        held, target = Held(system), Target()
        asks = [held.ask(number, 5.0) for number in range(5)]
        await asyncio.sleep(1)

        held.hold(target)

        assert await asyncio.gather(*asks) == ["done"] * 5
        assert target.asked == [Do(number) for number in range(5)]
        assert held.messages.waiting == 0


async def test_an_ask_without_a_holder_fails_for_certain_before_its_deadline(virtual_host: VirtualHost) -> None:
    async with System("n1", host=virtual_host) as system:
        held = Held(system)
        began = held.now()

        with pytest.raises(NoTargets, match="nobody holds it") as caught:
            await held.ask(1, 5.0)

        assert caught.value.outcome is Outcome.DEFINITE
        assert 4.0 < held.now() - began < 5.0


async def test_beyond_the_bound_an_ask_is_refused_at_once_and_a_tell_is_a_dead_letter(
    virtual_host: VirtualHost,
) -> None:
    async with System("n1", host=virtual_host) as system:
        held = Held(system)
        asks = [held.ask(number, 60.0) for number in range(WAITING_MAX)]
        await asyncio.sleep(0.1)

        with pytest.raises(NoTargets, match="1,000 messages wait") as caught:
            await held.ask(WAITING_MAX, 60.0)
        await held.messages.tell(Do(1))

        assert caught.value.outcome is Outcome.DEFINITE
        assert system.dead_letters.total == 1
        held.hold(Target())
        await asyncio.gather(*asks)


async def test_an_ask_that_waits_when_its_node_stops_has_certainly_not_been_handled(virtual_host: VirtualHost) -> None:
    async with setting(virtual_host, answers=[HeldBy(life(2), Epoch(7))]) as here:
        asked = here.ref.ask(Do(1), timeout_s=30.0)
        await asyncio.sleep(0.1)

        await here.system.stop(here.ref)

        with pytest.raises(NoTargets, match="has stopped passing messages on") as caught:
            await asked
        assert caught.value.outcome is Outcome.DEFINITE


async def test_a_tell_waits_for_a_holder_and_is_a_dead_letter_after_a_time(virtual_host: VirtualHost) -> None:
    async with System("n1", host=virtual_host) as system:
        held, target = Held(system), Target()
        began = held.now()
        await held.messages.tell(Do(1))
        assert held.now() - began == pytest.approx(TELL_S)
        assert system.dead_letters.total == 1

        waiting = asyncio.ensure_future(held.messages.tell(Do(2)))
        await asyncio.sleep(1)
        held.hold(target)
        await waiting

        assert target.told == [Do(2)]


async def test_an_ask_that_was_certainly_not_handled_is_sent_again(virtual_host: VirtualHost) -> None:
    async with System("n1", host=virtual_host) as system:
        held, target = Held(system), Target(ActorStopped("gone"), ActorStopped("gone"))
        held.hold(target)

        assert await held.ask(1, 5.0) == "done"
        assert len(target.asked) == 3


@pytest.mark.parametrize("error", [ConnectionLost("as it was told"), ActorFailed("as it was told"), NoTargets("x")])
async def test_an_ask_that_may_have_been_handled_is_not_sent_again(virtual_host: VirtualHost, error: Exception) -> None:
    async with System("n1", host=virtual_host) as system:
        held, target = Held(system), Target(error)
        held.hold(target)

        with pytest.raises(type(error)):
            await held.ask(1, 5.0)

        assert len(target.asked) == 1


# --- declarations


class Silent(Actor[Terminated]):
    def __init__(self, node: Node) -> None:
        """Take the node alone."""


def unknown(node: Node, epoch: int) -> Any:
    return Cron(Account(), node, epoch)


def mistakes_of(topology: Topology) -> str:
    with pytest.raises(TopologyError) as caught:
        topology.validate()
    return str(caught.value)


def test_a_singleton_needs_members_and_the_mistake_says_what_to_declare() -> None:
    topology = Topology("shop", nodes=["n1"])
    topology.singleton(CRON, partial(Cron, Account()))

    assert "singleton 'cron' needs a cluster with a view" in mistakes_of(topology)
    assert "nodes=Members(founders=" in mistakes_of(topology)


def test_what_makes_it_takes_the_node_and_the_epoch_and_says_its_class() -> None:
    topology = Topology("shop", nodes=Members(founders=["n1", "n2", "n3"]))
    silent: Any = Silent
    topology.singleton("silent", silent)
    topology.singleton("unknown", unknown)
    topology.singleton("known", unknown, messages=[Do], nodes=Role("worker"))

    mistakes = mistakes_of(topology)

    assert "singleton 'silent': Silent must take the node and the epoch as arguments" in mistakes
    assert "singleton 'unknown': the class of its actor is not known: give messages=" in mistakes
    assert "'known'" not in mistakes


def test_two_parts_of_one_name_are_a_mistake_and_a_tree_shows_where_it_may_run() -> None:
    topology = Topology("shop", nodes=Members(founders=["n1", "n2", "n3"]))
    topology.singleton(CRON, partial(Cron, Account()), nodes=Role("worker"))

    assert "cron        singleton Cron, one, on role worker" in str(topology)
    topology.actor(CRON, Silent)
    assert "two parts have the name 'cron'" in mistakes_of(topology)
