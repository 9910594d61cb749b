"""`OwnServices`: what is sent and when, by example; then random runs against a registry, after which both agree."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from coterie.protocols.membership.own_services import IN_FLIGHT_MAX, Enter, OwnServices, Withdraw
from coterie.protocols.membership.services import ServiceEntry, Services, register, unregister
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import Down, Join, Leave
from coterie.protocols.membership.view_decisions import Refused
from tests.protocols.membership.test_view_decisions import after, life, node, up_view

ME = life(1)
CART = ("cart", "carts")
ENTER = Enter("cart", "carts", unique=False)
WITHDRAW = Withdraw("cart", "carts")
ENTRY = ServiceEntry("cart", ME, "carts")


def own(view: View | None = None, services: Services = (), revision: int = 0) -> OwnServices:
    made = OwnServices(ME)
    made.learn(up_view(2) if view is None else view, services, revision)
    return made


def wanting(view: View | None = None, services: Services = (), revision: int = 0) -> OwnServices:
    made = own(view, services, revision)
    made.want("cart", "carts", unique=False)
    return made


def test_what_is_wanted_is_sent_once() -> None:
    made = wanting()

    assert made.next() == (ENTER,)
    assert made.next() == ()
    made.answered(ENTER)
    assert made.next() == ()


def test_it_is_settled_once_the_known_registry_has_it() -> None:
    made = wanting()
    made.next()
    made.answered(ENTER)

    assert not made.is_settled(CART)
    made.learn(up_view(2), (ENTRY,), 1)
    assert made.is_settled(CART)
    assert made.next() == ()


@pytest.mark.parametrize(
    ("view", "is_sent"),
    [
        (View(), False),
        (after(View(), Join(node(1))), True),
        (up_view(2), True),
        (after(up_view(2), Leave(ME)), False),
        (after(up_view(2), Down(ME)), False),
        (after(View(), Join(node(1, incarnation=2))), False),
    ],
)
def test_a_member_registers_while_this_life_of_it_is_joining_or_up(view: View, is_sent: bool) -> None:
    assert wanting(view).next() == ((ENTER,) if is_sent else ())


def test_a_leaving_member_takes_out_what_it_has_registered() -> None:
    made = own(after(up_view(2), Leave(ME)), (ENTRY,), 1)

    assert made.next() == (WITHDRAW,)


def test_what_the_registry_has_lost_is_registered_again() -> None:
    made = wanting(None, (ENTRY,), 1)
    assert made.next() == ()

    made.learn(up_view(2), (), 2)

    assert made.next() == (ENTER,)
    assert not made.is_settled(CART)


def test_an_answer_counts_for_more_than_an_older_registry() -> None:
    made = wanting(None, (ENTRY,), 5)
    made.unwant(CART)
    assert made.next() == (WITHDRAW,)
    made.answered(WITHDRAW)
    made.want("cart", "carts", unique=False)

    assert not made.is_settled(CART)  # the registry of revision 5 has it, but it was taken out since
    assert made.next() == (ENTER,)


def test_entries_that_nobody_wants_are_taken_out() -> None:
    other = ServiceEntry("cart", life(2), "carts")
    made = own(None, (ENTRY, other), 1)

    assert made.next() == (WITHDRAW,)
    assert not made.is_out(CART)
    made.answered(WITHDRAW)
    assert made.is_out(CART)


def test_entries_of_an_earlier_life_are_not_its_own() -> None:
    made = wanting(None, (ServiceEntry("cart", life(1, 2), "carts"),), 1)

    assert made.next() == (ENTER,)


def test_a_refusal_holds_off_until_the_view_or_the_registry_changes() -> None:
    made = wanting()
    made.next()
    made.refused(ENTER)
    assert made.next() == ()

    made.learn(up_view(2), (), 1)
    assert made.next() == (ENTER,)
    made.refused(ENTER)
    made.learn(up_view(3), (), 1)
    assert made.next() == (ENTER,)


def test_another_wish_is_not_held_off_by_the_refusal_of_a_former_one() -> None:
    made = own()
    made.want("cart", "carts", unique=True)
    (refused,) = made.next()
    assert isinstance(refused, Enter)
    made.refused(refused)

    made.want("cart", "carts", unique=False)

    assert made.next() == (ENTER,)


def test_a_command_without_an_answer_is_sent_again() -> None:
    made = wanting()
    made.next()
    made.failed(ENTER)

    assert made.next() == (ENTER,)


def test_few_commands_are_under_way_at_once() -> None:
    made = own()
    for number in range(40):
        made.want(f"s{number}", "p", unique=False)

    first = made.next()
    assert len(first) == IN_FLIGHT_MAX
    assert made.next() == ()
    made.answered(first[0])
    assert len(made.next()) == 1


@pytest.mark.parametrize("seed", range(150))
def test_whatever_is_lost_late_or_taken_away_the_registry_has_what_is_wanted_in_the_end(seed: int) -> None:
    run = _Run(random.Random(seed))
    steps: list[Callable[[], None]] = [
        run.wish,
        run.wish,
        run.look,
        run.carry_out,
        run.carry_out,
        run.lose,
        run.intrude,
    ]
    for _ in range(120):
        run.rng.choice(steps)()

    for _ in range(60):
        run.flush()
    assert run.entries() == run.wanted
    assert all(map(run.own.is_settled, run.own.wanted))
    assert not run.own.next()


class _Run:
    """A member, and the registry of a group whose answers and readings arrive late or never."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.view = up_view(2)
        self.services: Services = ()
        self.revision = 0
        self.known = 0
        self.states: list[Services] = [()]
        self.own = OwnServices(ME)
        self.own.learn(self.view, (), 0)
        self.flying: list[Enter | Withdraw] = []
        self.late: list[Enter | Withdraw] = []
        self.wanted: dict[tuple[str, str], bool] = {}

    def entries(self) -> dict[tuple[str, str], bool]:
        return {(one.service, one.path): one.unique for one in self.services if one.member == ME}

    def wish(self) -> None:
        key = (self.rng.choice("ab"), self.rng.choice("xy"))
        if self.rng.random() < 0.5:
            self.wanted[key] = False
            self.own.want(*key, unique=False)
        else:
            self.wanted.pop(key, None)
            self.own.unwant(key)
        self.flying += self.own.next()

    def look(self) -> None:
        """Learn a registry that is newer than the known one, and perhaps not the newest."""
        self.known = self.rng.randint(self.known, self.revision)
        self.own.learn(self.view, self.states[self.known], self.known)
        self.flying += self.own.next()

    def carry_out(self) -> None:
        if not self.flying:
            return
        command = self.flying.pop(self.rng.randrange(len(self.flying)))
        if self._apply(command):
            self.own.answered(command)
        else:
            assert isinstance(command, Enter)
            self.own.refused(command)
        self.flying += self.own.next()

    def lose(self) -> None:
        """Let a command fail; it was carried out, is so later, or never."""
        if not self.flying:
            return
        command = self.flying.pop(self.rng.randrange(len(self.flying)))
        fate = self.rng.choice(["before", "later", "never"])
        if fate == "before":
            self._apply(command)
        elif fate == "later":
            self.late.append(command)
        self.own.failed(command)

    def intrude(self) -> None:
        """Change the registry without the member: somebody takes an entry out, or late commands arrive."""
        for command in self.late:
            self._apply(command)
        self.late.clear()
        if self.services:
            taken = self.rng.choice(self.services)
            self._set(unregister(self.services, taken.service, taken.member, taken.path).services)

    def flush(self) -> None:
        for command in self.late:
            self._apply(command)
        self.late.clear()
        while self.flying:
            self.carry_out()
        self.known = self.revision
        self.own.learn(self.view, self.services, self.revision)
        self.flying += self.own.next()

    def _apply(self, command: Enter | Withdraw) -> bool:
        if isinstance(command, Withdraw):
            self._set(unregister(self.services, command.service, ME, command.path).services)
            return True
        entry = ServiceEntry(command.service, ME, command.path, command.unique)
        entered = register(self.services, self.view, entry)
        self._set(entered.services)
        return not isinstance(entered.answer, Refused)

    def _set(self, services: Services) -> None:
        if services is not self.services:
            self.services = services
            self.states.append(services)
            self.revision += 1
