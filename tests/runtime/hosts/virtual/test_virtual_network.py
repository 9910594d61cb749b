from __future__ import annotations

import asyncio

import pytest

from coterie.runtime.hosts.virtual.virtual_connection import VirtualTransport
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork

LATENCY_S = 0.25  # a power of two: sums of it are exact

pytestmark = pytest.mark.virtual


class Peer(asyncio.Protocol):
    """Writes down what happens to it (what a single connection does is tested in test_virtual_connection.py)."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.chunks: list[bytes] = []
        self.times_s: list[float] = []
        self.keep_open_on_eof = False

    @property
    def received(self) -> bytes:
        return b"".join(self.chunks)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, VirtualTransport)
        self.transport = transport
        self.happened.append("made")

    def data_received(self, data: bytes) -> None:
        self.chunks.append(data)
        self.times_s.append(now())

    def eof_received(self) -> bool:
        self.happened.append("eof")
        return self.keep_open_on_eof

    def connection_lost(self, exc: Exception | None) -> None:
        self.happened.append("lost" if exc is None else f"lost: {type(exc).__name__}")


async def connected(network: VirtualNetwork) -> tuple[Peer, Peer]:
    """Connect node c to node s; return both ends' peers (client, server)."""
    server, client = Peer(), Peer()
    listener = await network.for_node("s").listen(lambda: server, "127.0.0.1", 0)
    await network.for_node("c").connect(lambda: client, *listener.address)
    await turns()
    listener.close()
    return client, server


def slow_network(**options: int) -> VirtualNetwork:
    return VirtualNetwork(latency_s=LATENCY_S, **options)


async def turns(count: int = 4) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def now() -> float:
    return asyncio.get_running_loop().time()


# --- connecting


async def test_connect_takes_a_round_trip_and_both_ends_are_made() -> None:
    server, client = Peer(), Peer()
    network = slow_network()
    listener = await network.for_node("s").listen(lambda: server, "127.0.0.1", 0)
    await network.for_node("c").connect(lambda: client, *listener.address)
    assert now() == 2 * LATENCY_S
    assert client.happened == ["made"]
    await turns()
    assert server.happened == ["made"]
    assert network.connections() == [("c", "s"), ("s", "c")]


async def test_both_ends_know_their_addresses() -> None:
    network = slow_network()
    server, client = Peer(), Peer()
    listener = await network.for_node("s").listen(lambda: server, "localhost", 7401)
    await network.for_node("c").connect(lambda: client, "127.0.0.1", 7401)
    await turns()
    assert listener.address == ("localhost", 7401)
    assert server.transport.get_extra_info("peername") == client.transport.get_extra_info("sockname")
    assert client.transport.get_extra_info("peername") == listener.address
    assert client.transport.get_extra_info("socket", "none") == "none"


async def test_connecting_to_nobody_is_refused() -> None:
    with pytest.raises(ConnectionRefusedError, match="no listener"):
        await slow_network().for_node("c").connect(Peer, "127.0.0.1", 7401)


async def test_a_closed_listener_refuses_and_its_connections_live_on() -> None:
    network = slow_network()
    client, server = await connected(network)
    with pytest.raises(ConnectionRefusedError):
        await network.for_node("c").connect(Peer, *client.transport.get_extra_info("peername"))
    client.transport.write(b"still here")
    await asyncio.sleep(1)
    assert server.received == b"still here"


async def test_a_listener_closed_before_it_could_accept_resets_the_client() -> None:
    network = slow_network()
    client = Peer()
    listener = await network.for_node("s").listen(Peer, "127.0.0.1", 0)
    await network.for_node("c").connect(lambda: client, *listener.address)
    listener.close()
    listener.close()
    await asyncio.sleep(1)
    assert client.happened == ["made", "lost: ConnectionResetError"]
    assert network.connections() == []


async def test_a_port_in_use_is_refused_and_free_again_after_close() -> None:
    network = slow_network()
    listener = await network.for_node("a").listen(Peer, "127.0.0.1", 7401)
    with pytest.raises(OSError, match="in use"):
        await network.for_node("b").listen(Peer, "localhost", 7401)
    listener.close()
    await network.for_node("b").listen(Peer, "127.0.0.1", 7401)


async def test_port_zero_gives_each_listener_a_port_of_its_own() -> None:
    network = slow_network()
    ports = [(await network.for_node("a").listen(Peer, "127.0.0.1", 0)).address[1] for _ in range(10)]
    assert len(set(ports)) == 10
    assert 0 not in ports


async def test_nodes_that_listen_on_a_wildcard_share_a_port_and_are_found_by_name() -> None:
    network = slow_network()
    one, two = Peer(), Peer()
    await network.for_node("n1").listen(lambda: one, "0.0.0.0", 7401)
    await network.for_node("n2").listen(lambda: two, "0.0.0.0", 7401)
    await network.for_node("n1").connect(Peer, "n2", 7401)
    await turns()
    assert (one.happened, two.happened) == ([], ["made"])
    await network.for_node("n1").connect(Peer, "127.0.0.1", 7401)
    await turns()
    assert one.happened == ["made"]


async def test_a_factory_that_fails_resets_the_client_and_is_heard_of() -> None:
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context["exception"]))
    network = slow_network()
    client = Peer()

    def fail() -> asyncio.Protocol:
        raise ZeroDivisionError

    listener = await network.for_node("s").listen(fail, "127.0.0.1", 0)
    await network.for_node("c").connect(lambda: client, *listener.address)
    await asyncio.sleep(1)
    assert client.happened == ["made", "lost: ConnectionResetError"]
    assert [type(error) for error in errors] == [ZeroDivisionError]


async def test_a_cancelled_connect_leaves_nothing_behind() -> None:
    network = slow_network()
    server = Peer()
    listener = await network.for_node("s").listen(lambda: server, "127.0.0.1", 0)
    connecting = asyncio.create_task(network.for_node("c").connect(Peer, *listener.address))
    await asyncio.sleep(LATENCY_S)
    connecting.cancel()
    await asyncio.sleep(1)
    assert connecting.cancelled()
    assert server.happened == []
    assert network.connections() == []


# --- faults


async def test_a_partition_stalls_the_stream_and_healing_leaves_no_gap() -> None:
    network = slow_network()
    client, server = await connected(network)
    client.transport.write(b"in flight, ")
    network.partition("c", "s")
    client.transport.write(b"during, ")
    server.transport.write(b"back")
    await asyncio.sleep(100)
    assert (server.received, client.received) == (b"", b"")
    network.heal("s", "c")
    client.transport.write(b"after")
    await asyncio.sleep(1)
    assert (server.received, client.received) == (b"in flight, during, after", b"back")


async def test_a_connect_over_a_black_hole_waits_for_its_end_and_counts_as_lost_data() -> None:
    network = slow_network()
    server = Peer()
    listener = await network.for_node("s").listen(lambda: server, "127.0.0.1", 0)
    network.open_black_hole("c", "s")
    connecting = asyncio.create_task(network.for_node("c").connect(Peer, *listener.address))
    await asyncio.sleep(10)
    assert (connecting.done(), network.has_lost_data("c", "s")) == (False, True)
    network.close_black_hole("c", "s")
    await asyncio.sleep(1)
    assert connecting.done()
    assert not network.has_lost_data("c", "s")
    assert server.happened == ["made"]


async def test_a_one_way_block_stalls_one_way_only() -> None:
    network = slow_network()
    client, server = await connected(network)
    network.block("c", "s")
    client.transport.write(b"forth")
    server.transport.write(b"back")
    await asyncio.sleep(100)
    assert (server.received, client.received) == (b"", b"back")
    network.heal("c")
    await asyncio.sleep(1)
    assert server.received == b"forth"


async def test_healing_one_pair_leaves_the_others_apart() -> None:
    network = slow_network()
    client, server = await connected(network)
    network.partition("c", "s")
    network.partition("c", "x")
    network.heal("c", "x")
    client.transport.write(b"hello")
    await asyncio.sleep(1)
    assert server.received == b""
    network.heal()
    await asyncio.sleep(1)
    assert server.received == b"hello"


async def test_a_close_during_a_partition_reaches_the_peer_after_it() -> None:
    network = slow_network()
    client, server = await connected(network)
    network.partition("c", "s")
    client.transport.write(b"last words")
    client.transport.close()
    await asyncio.sleep(100)
    assert (client.happened, server.happened) == (["made", "lost"], ["made"])
    network.heal()
    await asyncio.sleep(1)
    assert server.received == b"last words"
    assert server.happened == ["made", "eof", "lost"]


async def test_what_was_written_during_a_partition_to_a_peer_that_left_meanwhile_is_answered_with_a_reset() -> None:
    network = slow_network()
    client, server = await connected(network)
    server.keep_open_on_eof = True
    network.partition("c", "s")
    client.transport.close()
    server.transport.write(b"are you there?")
    await asyncio.sleep(100)
    network.heal()
    await asyncio.sleep(1)
    assert server.happened == ["made", "eof", "lost: ConnectionResetError"]


async def test_connect_waits_behind_a_partition_and_then_times_out() -> None:
    network = VirtualNetwork(latency_s=LATENCY_S, connect_timeout_s=10)
    listener = await network.for_node("s").listen(Peer, "127.0.0.1", 0)
    network.block("s", "c")
    with pytest.raises(TimeoutError):
        await network.for_node("c").connect(Peer, *listener.address)
    assert now() == 10
    asyncio.get_running_loop().call_later(5, network.heal)
    await network.for_node("c").connect(Peer, *listener.address)
    assert now() == 15


async def test_a_frozen_node_is_silent_and_its_connections_stay_up() -> None:
    network = slow_network()
    client, server = await connected(network)
    network.freeze("s")
    client.transport.write(b"ping")
    server.transport.write(b"pong")
    await asyncio.sleep(1000)
    assert (server.received, client.received) == (b"", b"")
    assert client.happened == server.happened == ["made"]
    network.thaw("s")
    await asyncio.sleep(1)
    assert (server.received, client.received) == (b"ping", b"pong")


async def test_connecting_to_a_frozen_node_succeeds_and_it_accepts_once_thawed() -> None:
    network = slow_network()
    server, client = Peer(), Peer()
    listener = await network.for_node("s").listen(lambda: server, "127.0.0.1", 0)
    network.freeze("s")
    await network.for_node("c").connect(lambda: client, *listener.address)
    client.transport.write(b"are you there?")
    await asyncio.sleep(100)
    assert (client.happened, server.happened) == (["made"], [])
    network.thaw("s")
    await asyncio.sleep(1)
    assert server.received == b"are you there?"


async def test_a_frozen_node_cannot_connect() -> None:
    network = slow_network()
    listener = await network.for_node("s").listen(Peer, "127.0.0.1", 0)
    network.freeze("c")
    asyncio.get_running_loop().call_later(50, network.thaw, "c")
    await network.for_node("c").connect(Peer, *listener.address)
    assert now() == 50


async def test_a_connection_reset_before_it_was_accepted_is_never_accepted() -> None:
    network = slow_network()
    server, client = Peer(), Peer()
    listener = await network.for_node("s").listen(lambda: server, "127.0.0.1", 0)
    network.freeze("s")
    await network.for_node("c").connect(lambda: client, *listener.address)
    network.reset("c")
    network.thaw("s")
    await asyncio.sleep(1)
    assert client.happened == ["made", "lost: ConnectionResetError"]
    assert server.happened == []


async def test_reset_ends_both_ends_and_loses_what_flies() -> None:
    network = slow_network()
    client, server = await connected(network)
    client.transport.write(b"lost in flight")
    network.reset("s", "c")
    await asyncio.sleep(1)
    assert client.happened == server.happened == ["made", "lost: ConnectionResetError"]
    assert server.received == b""


async def test_reset_of_one_pair_spares_the_others() -> None:
    network = slow_network()
    client, server = await connected(network)
    network.reset("c", "x")
    network.reset("x")
    client.transport.write(b"spared")
    await asyncio.sleep(1)
    assert server.received == b"spared"


async def test_two_runs_of_one_program_are_the_same() -> None:
    async def run() -> list[tuple[float, bytes]]:
        begin = now()
        client, server = await connected(slow_network(window_bytes=64, max_segment_bytes=5))
        client.transport.write(bytes(range(200)))
        await asyncio.sleep(60)
        return [(time_s - begin, chunk) for time_s, chunk in zip(server.times_s, server.chunks, strict=True)]

    assert await run() == await run()


def test_window_and_segment_must_be_positive() -> None:
    with pytest.raises(ValueError, match="window_bytes"):
        VirtualNetwork(window_bytes=0)
    with pytest.raises(ValueError, match="max_segment_bytes"):
        VirtualNetwork(max_segment_bytes=0)


async def test_closed_connections_are_forgotten() -> None:
    network = slow_network()
    client, _ = await connected(network)
    client.transport.close()
    await asyncio.sleep(1)
    assert network.connections() == []
