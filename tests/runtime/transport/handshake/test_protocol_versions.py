from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coterie.errors import FrameTooLarge
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.transport import TransportConfig
from coterie.runtime.transport.handshake.protocol_versions import VERSION_MAX, VERSION_MIN, Versions, highest_common

if TYPE_CHECKING:
    from tests.runtime.transport.conftest import Node, World

OLD = TransportConfig(version_max=VERSION_MIN)
NEW = TransportConfig()
STRICT = TransportConfig(version_min=VERSION_MAX)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ((1, 1), (1, 1), 1),
        ((1, 2), (1, 1), 1),
        ((1, 2), (2, 3), 2),
        ((1, 9), (0, 7), 7),
        ((1, 1), (2, 3), None),
        ((3, 4), (1, 2), None),
        ((1, 2), (9, 1), None),  # nonsense is no common version
    ],
)
def test_the_highest_version_that_both_speak_is_spoken(ours: Versions, theirs: Versions, expected: int | None) -> None:
    assert highest_common(ours, theirs) == expected


def test_this_release_speaks_the_version_of_the_one_before() -> None:
    assert VERSION_MIN < VERSION_MAX


async def linked(world: World, config_a: TransportConfig, config_b: TransportConfig) -> tuple[Node, Node]:
    a, b = await world.start("a", config=config_a), await world.start("b", config=config_b)
    b.transport.add_peer("a", *a.address)
    a.transport.add_peer("b", *b.address)
    await world.linked(a, b)
    return a, b


@pytest.mark.virtual
@pytest.mark.parametrize(("config_a", "config_b"), [(OLD, NEW), (NEW, OLD), (OLD, OLD)])
async def test_with_an_older_peer_the_older_version_is_spoken(
    world: World, config_a: TransportConfig, config_b: TransportConfig
) -> None:
    a, b = await linked(world, config_a, config_b)

    a.transport.send("b", Lane.BULK, b"x" * 1_000_000)
    with pytest.raises(FrameTooLarge):
        b.transport.send("a", Lane.BULK, b"x" * 5_000_000)
    await world.until(lambda: len(b.items) == 1)

    assert [link.version for node in (a, b) for link in node.transport._links.values()] == [VERSION_MIN] * 2


@pytest.mark.virtual
async def test_a_cluster_is_upgraded_node_by_node(world: World) -> None:
    a, b = await linked(world, OLD, OLD)
    for name, port in (("b", b.address[1]), ("a", a.address[1])):  # each is stopped and comes back as the new release
        node = b if name == "b" else a
        await node.transport.close()
        again = await world.start(name, port=port, config=NEW)
        a, b = (a, again) if name == "b" else (again, b)
        b.transport.add_peer("a", *a.address)
        a.transport.add_peer("b", *b.address)
        await world.until(lambda: "a" in b.recorder.up and "b" in a.recorder.up)  # noqa: B023 (it is awaited here)
        a.transport.send("b", Lane.CONSENSUS, "still")
        await world.until(lambda: "still" in b.items)  # noqa: B023

    a.transport.send("b", Lane.BULK, b"x" * 10_000_000)
    await world.until(lambda: b"x" * 10_000_000 in b.items)
    assert a.transport._links["b"].version == VERSION_MAX


@pytest.mark.virtual
@pytest.mark.parametrize(("config_a", "config_b"), [(OLD, STRICT), (STRICT, OLD)])
async def test_without_a_common_version_both_ends_hear_why(
    world: World, config_a: TransportConfig, config_b: TransportConfig
) -> None:
    a, b = await world.start("a", config=config_a), await world.start("b", config=config_b)
    a.transport.add_peer("b", *b.address)
    await world.until(lambda: bool(a.recorder.only("refused")) and bool(b.recorder.only("refused")))

    for node in (a, b):
        text = str(node.recorder.only("refused")[0][2])
        assert "unsupported_version: node 'b' speaks protocol versions" in text
        assert "upgrade the older one" in text
        assert node.recorder.only("up") == []


@pytest.mark.virtual
async def test_a_chunk_from_a_peer_of_the_older_version_is_a_broken_frame(world: World) -> None:
    a, b = await linked(world, OLD, NEW)
    a.transport._links["b"].bulk.send_payload(b"\xc1\x02\x00\x00\x00\x00x")
    await world.until(lambda: bool(b.recorder.only("down")))
    assert b.items == []
