"""Two messages to a counter: the smallest program.

python examples/counter.py
"""

from __future__ import annotations

import asyncio

from coterie import Actor, Ask, System, message


@message(name="counter.Add")  # frozen, slotted dataclass with a stable wire name
class Add(Ask[int]):  # Ask[R]: whoever asks gets an R
    amount: int


class Counter(Actor[Add]):
    total = 0

    def receive(self, msg: Add, /) -> int:  # `def` runs inline; `async def` may await
        self.total += msg.amount  # the return value is the reply
        return self.total


async def main() -> None:
    async with System() as system:
        counter = system.spawn(Counter)  # Ref[Add]; spawning is synchronous
        counter.tell(Add(1))  # never blocks
        print(await counter.ask(Add(2)))
        await counter.offer(Add(3))  # waits until it is in the mailbox: back-pressure
        print(await counter.ask(Add(0)))


if __name__ == "__main__":
    asyncio.run(main())
