"""Executed opcodes: counts the Python instructions per tell and ask, local and remote: exact, unlike a time.

    python -m benchmarks.messaging.executed_opcodes

Two systems in virtual time; `sys.settrace` counts all instructions of all frames, of the runtime, the actor and the
program that sends. Run it before and after a change: what the change does not concern must not differ at all.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any, Final, Self

from coterie import Actor, Address, Ask, Ref, System, message
from coterie.testing import Systems, run_virtual

__all__ = ["MESSAGES", "count_opcodes", "main"]

MESSAGES: Final = 500
"""Messages of each kind."""

Prepare = Callable[[System], Awaitable[None]]
Send = Callable[[Ref[Any], int], Awaitable[None]]


@message(name="benchmarks.executed_opcodes.Note")
class Note:
    number: int


@message(name="benchmarks.executed_opcodes.Get")
class Get(Ask[int]):
    number: int


class Server(Actor[Note | Get]):
    """Counts in a `def` handler."""

    total = 0

    def receive(self, msg: Note | Get) -> int:
        self.total += 1
        return self.total


class AsyncServer(Server):
    """The same in an `async def` handler."""

    async def receive(self, msg: Note | Get) -> int:  # type: ignore[override]
        self.total += 1
        return self.total


class OpcodeCounter:
    """Counts the instructions that this thread executes in the block."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Self:
        # Some frame must have it before `settrace`: Python 3.12 looks there whether opcodes are traced at all.
        sys._getframe().f_trace_opcodes = True  # noqa: SLF001 (documented, in spite of its name)
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _trace(self, frame: FrameType, event: str, _: object) -> Any:
        frame.f_trace_opcodes = True
        self.count += event == "opcode"
        return self._trace


async def _tells(ref: Ref[Note | Get], count: int) -> None:
    for _ in range(count):
        ref.tell(Note(1))
    await ref.ask(Get(1))


async def _asks(ref: Ref[Note | Get], count: int) -> None:
    for _ in range(count):
        await ref.ask(Get(1))


async def _nothing(_: System) -> None:
    """Prepare nothing."""


async def _counted(ref: Ref[Note | Get], send: Send, count: int) -> float:
    await send(ref, count)  # warms up: routes, compiled codecs, queues
    await asyncio.sleep(1)
    with OpcodeCounter() as counter:
        await send(ref, count)
    return counter.count / count


async def _measure(prepare: Prepare, count: int) -> dict[str, float]:
    async with Systems("here", "there") as systems:
        for system in systems.values():
            await prepare(system)
        counts = {}
        for kind, actor in (("def", Server), ("async def", AsyncServer)):
            local = systems["here"].spawn(actor)
            remote = systems["here"].at(Address("there", systems["there"].spawn(actor).path))
            for place, ref in (("local", local), ("remote", remote)):
                for name, send in (("tell", _tells), ("ask", _asks)):
                    counts[f"{place} {name}, {kind}"] = await _counted(ref, send, count)
        return counts


def count_opcodes(prepare: Prepare = _nothing, count: int = MESSAGES) -> dict[str, float]:
    """Return the instructions per message by kind, of `count` messages; `prepare` is called with each system first."""
    return run_virtual(lambda: _measure(prepare, count))


def main() -> int:
    """Print the counts."""
    for name, count in count_opcodes().items():
        print(f"{name:<24} {count:10.3f} opcodes per message")
    return 0


if __name__ == "__main__":
    sys.exit(main())
