"""The actors that the tests of embedding embed."""

from __future__ import annotations

from coterie import Actor, Ask, message

__all__ = ["Add", "Counter", "Slow"]


@message(name="test.embedding.Add")
class Add(Ask[int]):
    amount: int


class Counter(Actor[Add]):
    total = 0

    def receive(self, msg: Add, /) -> int:
        self.total += msg.amount
        return self.total


class Slow(Actor[Add]):
    """Works on a thread, keeps a timer, awaits a child: whatever a system has to clean up."""

    async def on_start(self) -> None:
        self.counter = self.context.spawn(Counter)
        self.context.every(3600.0, Add(0))

    async def receive(self, msg: Add, /) -> int:
        amount = await self.context.run_blocking(lambda: msg.amount)
        return await self.counter.ask(Add(amount))
