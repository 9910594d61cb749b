"""Actors in an existing asyncio program: a line-based server whose connections share one actor.

    python examples/plain_asyncio.py

The program owns the event loop, the server, the tasks and the threads. The actor system is one `async with` block.
"""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter

from coterie import Actor, Ask, Ref, System, message


@message(name="tickets.Draw")
class Draw(Ask[int]):
    for_whom: str


class Tickets(Actor[Draw]):
    """Returns a new ticket number for each request."""

    def __init__(self) -> None:
        self._last = 0

    def receive(self, msg: Draw, /) -> int:
        self._last += 1
        return self._last


async def serve(tickets: Ref[Draw], reader: StreamReader, writer: StreamWriter) -> None:
    name = (await reader.readline()).decode().strip()
    number = await tickets.ask(Draw(name))  # an ask returns a future, which any task may await
    writer.write(f"{name} has ticket {number}\n".encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def draw(port: int, name: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{name}\n".encode())
    line = (await reader.readline()).decode().strip()
    writer.close()
    await writer.wait_closed()
    return line


def draw_in_a_thread(system: System, tickets: Ref[Draw]) -> int:
    # No event loop runs in this thread: `threadsafe` makes the ask on the system's loop, and this thread waits for it.
    return system.threadsafe.ask(tickets, Draw("thread")).result(timeout=5)


async def main() -> None:
    async with System() as system:
        tickets = system.spawn(Tickets)
        server = await asyncio.start_server(lambda *streams: serve(tickets, *streams), "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            for name in ("ada", "grace"):
                print(await draw(port, name))
            print("the thread has ticket", await asyncio.to_thread(draw_in_a_thread, system, tickets))
    print("the system has stopped, the program goes on")


if __name__ == "__main__":
    asyncio.run(main())
