"""Tests of an actor in virtual time: waiting takes no real time, and one line partitions the network.

python examples/testing_actors.py       # runs them as plain functions
pytest examples/testing_actors.py       # runs them as tests
"""

from __future__ import annotations

from functools import partial

from coterie import Actor, Address, Ask, Ref, message
from coterie.errors import CoterieError
from coterie.testing import Probe, Systems, TestKit, advance, run_virtual


@message(name="mail.Deliver")
class Deliver(Ask[bool]):
    letter: str


@message(name="mail.Post")
class Post:
    letter: str


class Postman(Actor[Post]):
    """Tries to deliver a letter, and tries again every ten seconds until it succeeds."""

    def __init__(self, office: Ref[Deliver]) -> None:
        self._office = office

    async def receive(self, msg: Post, /) -> None:
        try:
            is_delivered = await self._office.ask(Deliver(msg.letter), timeout_s=1.0)
        except CoterieError:
            is_delivered = False
        if not is_delivered:
            self.context.after(10.0, msg)


def test_a_letter_that_is_refused_is_tried_again_after_ten_seconds() -> None:
    async def main() -> None:
        async with TestKit() as kit:
            office = kit.probe()
            kit.system.spawn(partial(Postman, office.ref)).tell(Post("hello"))

            await office.expect(Deliver("hello"))
            office.reply(False)
            await office.expect_none(for_s=9.9)
            await office.expect(Deliver("hello"), within_s=0.2)
            office.reply(True)
            await office.expect_none(for_s=3600.0)

    run_virtual(main)


def test_a_letter_gets_through_once_the_partition_is_healed() -> None:
    async def main() -> None:
        async with Systems("town", "village") as systems:
            office = Probe(systems["village"], Deliver, name="office")
            at_office = systems["town"].at(Address("village", "office"))
            systems.partition(["town"], ["village"])

            systems["town"].spawn(partial(Postman, at_office)).tell(Post("hello"))
            await advance(60.0)
            assert office.received == ()
            systems.heal()

            await office.skip_to(Deliver("hello"), within_s=60.0)
            office.reply(True)

    run_virtual(main)


if __name__ == "__main__":
    test_a_letter_that_is_refused_is_tried_again_after_ten_seconds()
    test_a_letter_gets_through_once_the_partition_is_healed()
    print("both hold")
