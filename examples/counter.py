"""The smallest program: an actor that adds up the numbers it receives.

python examples/counter.py
"""

from __future__ import annotations

import asyncio

from coterie import Actor, Ask, System, message


@message(name="counter.Add")  # makes a frozen, slotted dataclass with a stable wire name
class Add(Ask[int]):  # Ask[int]: a message whose reply is an int
    amount: int


class Counter(Actor[Add]):
    total = 0

    def receive(self, msg: Add, /) -> int:  # a `def` handler runs inline; an `async def` handler may await
        self.total += msg.amount  # the return value is the reply
        return self.total


async def main() -> None:
    async with System() as system:
        counter = system.spawn(Counter)  # returns a Ref[Add] at once: spawning is synchronous
        counter.tell(Add(1))  # sends the message, and never waits
        print(await counter.ask(Add(2)))
        await counter.offer(Add(3))  # waits until the message is in the mailbox: back-pressure
        print(await counter.ask(Add(0)))


if __name__ == "__main__":
    asyncio.run(main())
