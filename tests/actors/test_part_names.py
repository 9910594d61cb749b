"""Names that no part can have are refused before anything is sent, stored or started."""

from __future__ import annotations

from typing import Any

import pytest

from coterie import KeyValue, Topology
from coterie.actors.part_names import NAME_BYTES_MAX, check_name
from coterie.errors import TopologyError

BAD = [
    ("", "1 to 1000 bytes, '' has 0"),
    ("\ud800", "lone surrogate"),
    ("x" * (NAME_BYTES_MAX + 1), "has 1001"),
    ("é" * (NAME_BYTES_MAX // 2 + 1), "has 1002"),
    ("line\nbreak", r"must be printable, not 'line\\nbreak'"),
    ("\u202eright to left", r"must be printable, not '\\u202eright"),
    (5, "must be a str, not int"),
    (None, "must be a str, not NoneType"),
]


@pytest.mark.parametrize(("name", "complaint"), BAD)
def test_a_bad_name_is_a_mistake_of_the_topology(name: Any, complaint: str) -> None:
    topology = Topology("c", nodes=["n1"])
    topology.raft(name, machine=KeyValue)

    with pytest.raises(TopologyError, match=complaint):
        topology.validate()


@pytest.mark.parametrize("name", ["a", "group 1", "größe", "..", r"\n", "a@b", "x" * NAME_BYTES_MAX])
def test_odd_names_are_names(name: str) -> None:
    check_name(name)


@pytest.mark.virtual
@pytest.mark.parametrize(("name", "complaint"), BAD)
async def test_a_client_that_asks_for_it_is_told_at_once(cluster: Any, name: Any, complaint: str) -> None:
    client = await cluster.client()

    for find in (client.group, client.key_value, client.synod):
        with pytest.raises((TypeError, ValueError), match=complaint):
            find(name)


@pytest.mark.virtual
async def test_whatever_sending_a_batch_raises_reaches_its_callers(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await cluster.client()
    store = client.key_value("store")
    await store.put(b"k", b"v")
    router = client.group("store")._router
    failing = [True]
    ref = router.ref

    def fail_once(node: str) -> Any:
        if failing:
            failing.clear()
            raise RuntimeError("not sent")
        return ref(node)

    monkeypatch.setattr(router, "ref", fail_once)

    await store.put(b"k", b"w")

    assert not failing
