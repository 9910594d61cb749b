"""The run log shows the messages between nodes."""

from __future__ import annotations

import asyncio

import pytest

from coterie.actors.node import Node
from coterie.actors.simulation.simulated_client import SimulatedClient
from coterie.actors.simulation.simulation import Simulation
from coterie.actors.topology import Topology
from coterie.errors import CoterieError
from coterie.protocols.simulation.run_trace import TraceLine
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address


@message(name="capture.test.Book")
class Book(Ask[int]):
    amount: int


@message(name="capture.test.Hint")
class Hint:
    text: str


class Vault(Actor[Book | Hint]):
    def __init__(self, node: Node) -> None:
        self.node = node

    def receive(self, msg: Book | Hint) -> int:
        if isinstance(msg, Hint):
            return 0
        if msg.amount < 0:
            raise ValueError("a negative amount")
        return msg.amount + 1


class Teller(Actor[Book | Hint]):
    def __init__(self, node: Node) -> None:
        self.vault = node.system.at(Address("back", "vault"))

    async def receive(self, msg: Book | Hint) -> int:
        if isinstance(msg, Hint):
            self.vault.tell(msg)
            return 0
        return int(await self.vault.ask(msg))


topology = Topology("capture", nodes=["front", "back"])
topology.actor("teller", Teller, nodes=["front"])
topology.actor("vault", Vault, nodes=["back"])


def captured(work: str, *, is_traced: bool = True) -> list[TraceLine]:
    """Let a client do `work`; return the captured messages, without its questions which nodes and groups there are."""
    sim = Simulation(1, is_traced=is_traced)

    async def do(client: SimulatedClient) -> None:
        teller = client.access.actor("teller", node="front")
        match work:
            case "ask":
                assert await teller.ask(Book(7)) == 8
            case "fail":
                with pytest.raises(CoterieError):
                    await teller.ask(Book(-1))
            case _:
                teller.tell(Hint("be quick"))
                await asyncio.sleep(1.0)

    async def main() -> None:
        sim.deploy(topology, durable=False)
        await sim.ready()
        await sim.clients(1, do)

    sim.run(main)
    return [line for line in sim.trace if not line.what.startswith("node.") and "Directory" not in line.detail]


def words(lines: list[TraceLine]) -> list[tuple[str | None, str, str]]:
    return [(line.node, line.what, line.detail) for line in lines]


def test_asks_and_replies_are_captured_where_they_arrive() -> None:
    lines = captured("ask")

    assert words(lines) == [
        ("front", "asked by c1", "teller: Book(7)"),
        ("back", "from front", "vault: Book(7)"),
        ("front", "from back", "answer to Book: 8"),
    ]
    assert [line.sender for line in lines] == [None, "front", "back"]


def test_tells_are_captured_too() -> None:
    assert words(captured("tell")) == [
        ("front", "told by c1", "teller: Hint('be quick')"),
        ("back", "from front", "vault: Hint('be quick')"),
    ]


def test_an_error_that_comes_back_is_an_answer() -> None:
    *_, (node, what, detail) = words(captured("fail"))

    assert (node, what) == ("front", "from back")
    assert detail.startswith("answer to Book: error")
    assert "a negative amount" in detail


def test_messages_are_not_captured_in_a_run_that_keeps_only_its_last_lines() -> None:
    assert captured("ask", is_traced=False) == []
