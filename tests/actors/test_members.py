"""The members of a group are those of its log: no edited topology, no wrong disk and no wiped store changes them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coterie import KeyValue, Topology
from coterie.actors.groups.group_messages import GroupStatus, ReportStatus
from coterie.actors.groups.key_value import Increment
from coterie.actors.groups.letters.letter_identity import LetterIdentity
from coterie.actors.groups.raft_records import decode_register
from coterie.actors.voter_registration import VoterRegistration
from coterie.actors.wire_names import RaftPeerMessage
from coterie.errors import CommandTimeout, UnsupportedFormat
from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Weighted
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.membership.membership import Membership, StoreId
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_messages import RequestVote
from coterie.protocols.replicated_log import LogIndex, Term
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.refs import Address
from coterie.runtime.storage.log_store import Write

pytestmark = pytest.mark.virtual


def topology_of(nodes: int, *, voters: int | None = None, config: Any = RaftConfig) -> Topology:
    names = [f"n{number}" for number in range(1, nodes + 1)]
    topology = Topology("test", nodes=names)
    topology.raft("store", machine=KeyValue, nodes=names[:voters], config=config)
    return topology


async def statuses(cluster: Any) -> dict[str, GroupStatus]:
    found = {name: await cluster[name].system.at(Address(name, "store")).ask(ReportStatus()) for name in cluster}
    assert all(isinstance(status, GroupStatus) for status in found.values())
    return found


async def roles(cluster: Any) -> dict[str, str]:
    return {name: status.role for name, status in (await statuses(cluster)).items()}


async def restart(cluster: Any, name: str) -> None:
    await cluster.kill(name)
    await cluster.start(name)
    await asyncio.sleep(2)


# What the topology says later changes nothing.


async def test_a_group_keeps_its_five_voters_although_the_topology_says_three(
    make_cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = make_cluster(topology_of(5))
    await cluster.start()
    store = (await cluster.client()).key_value("store")
    acknowledged = await store.increment(b"total")
    cluster.topology = topology_of(5, voters=3)

    for name in ("n1", "n2", "n3"):
        await restart(cluster, name)
        acknowledged = await store.increment(b"total")
    for name in ("n4", "n5"):
        await cluster.kill(name)
    acknowledged = await store.increment(b"total")

    assert acknowledged == 5
    assert await store.get(b"total") is not None
    found = await statuses(cluster)
    assert all([member.node for member in each.members] == ["n1", "n2", "n3", "n4", "n5"] for each in found.values())
    assert caplog.text.count("group.members_differ") == 3
    assert "members=n1, n2, n3, n4, n5 configured=n1, n2, n3" in caplog.text

    await cluster.kill("n3")  # two of five are left, although they would be two of three
    with pytest.raises(CommandTimeout):
        await store.group.execute(Increment(b"total", 1), timeout_s=10.0)


async def test_the_warning_names_the_members_that_have_no_address(
    make_cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = make_cluster(topology_of(5))
    await cluster.start()
    await (await cluster.client()).key_value("store").put(b"k", b"v")
    await cluster.kill("n1")
    cluster.topology = topology_of(3)
    for name in ("n4", "n5"):
        del cluster.addresses[name]

    await cluster.start("n1")
    await asyncio.sleep(1)

    assert "without_address=n4, n5" in caplog.text
    assert [member.node for member in (await statuses(cluster))["n1"].members] == ["n1", "n2", "n3", "n4", "n5"]


async def test_other_weights_change_nothing_either_and_are_told(
    make_cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def weighted(voters: tuple[NodeId, ...]) -> RaftConfig:
        return RaftConfig(voters, Weighted({NodeId("n1"): 5, NodeId("n2"): 1, NodeId("n3"): 1}))

    cluster = make_cluster(topology_of(3))
    await cluster.start()
    store = (await cluster.client()).key_value("store")
    await store.put(b"k", b"v")
    cluster.topology = topology_of(3, config=weighted)

    for name in ("n1", "n2", "n3"):
        await restart(cluster, name)
    await cluster.kill("n1")  # the others weigh 2 of 7, and are two of three
    await store.put(b"k", b"w")

    assert caplog.text.count("group.members_differ") == 3
    assert "configured=n1, n2, n3 with Weighted" in caplog.text


async def test_the_members_are_told_to_agree_only_where_they_do_not(
    make_cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = make_cluster(topology_of(3))
    await cluster.start()
    await (await cluster.client()).key_value("store").put(b"k", b"v")

    await restart(cluster, "n1")

    assert "group.members_differ" not in caplog.text


async def test_a_node_that_a_later_topology_adds_is_refused_aloud_on_both_sides(
    make_cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = make_cluster(topology_of(4, voters=3))
    await cluster.start()
    store = (await cluster.client()).key_value("store")
    await store.put(b"k", b"v")
    await cluster.kill("n4")
    cluster.topology = topology_of(4)

    await cluster.start("n4")
    await asyncio.sleep(3)

    assert (await roles(cluster))["n4"] == "founders_differ"
    assert "node=n4 actor=store peer=n1 founders=n1, n2, n3, n4 peers_founders=n1, n2, n3" in caplog.text
    assert "node=n1 actor=store peer=n4 founders=n1, n2, n3 peers_founders=n1, n2, n3, n4" in caplog.text
    assert caplog.text.count("group.founders_differ") == 6  # once a pair and side
    assert await store.get(b"k") == b"v"


# Who is bound to which store.


async def test_a_leader_records_the_stores_of_all_voters(make_cluster: Any) -> None:
    cluster = make_cluster(topology_of(3))
    await cluster.start()
    await (await cluster.client()).key_value("store").put(b"k", b"v")
    await asyncio.sleep(1)

    stores = {name: cluster[name].store.store_id for name in cluster}
    for status in (await statuses(cluster)).values():
        assert {member.node: member.store for member in status.members} == stores


async def test_a_voter_that_was_absent_at_the_founding_registers_later_and_is_recorded(make_cluster: Any) -> None:
    cluster = make_cluster(topology_of(5))
    await cluster.start("n1", "n2", "n3", "n4")
    await (await cluster.client()).key_value("store").put(b"k", b"v")
    await asyncio.sleep(1)
    stores = {member.node: member.store for member in (await statuses(cluster))["n1"].members}
    assert [node for node, store in stores.items() if store is None] == ["n5"]

    await cluster.start("n5")
    await asyncio.sleep(3)

    for status in (await statuses(cluster)).values():
        assert {member.node: member.store for member in status.members} == {
            name: cluster[name].store.store_id for name in cluster
        }
    assert (await roles(cluster))["n5"] == "follower"


async def test_a_single_voter_records_itself(make_cluster: Any) -> None:
    cluster = make_cluster(topology_of(1))
    await cluster.start()
    await (await cluster.client()).key_value("store").put(b"k", b"v")

    (status,) = (await statuses(cluster)).values()
    assert [member.store for member in status.members] == [cluster["n1"].store.store_id]


async def test_a_bound_voter_takes_part_again_although_no_registration_is_left(make_cluster: Any) -> None:
    """Registration is for seats that no entry binds yet."""
    cluster = make_cluster(topology_of(3))
    await cluster.start()
    store = (await cluster.client()).key_value("store")
    await store.put(b"k", b"v")
    await asyncio.sleep(1)
    await forget_registrations(cluster)

    for name in list(cluster):
        await cluster.kill(name)
    await cluster.start("n1", "n2")

    assert await store.get(b"k") == b"v"


async def forget_registrations(cluster: Any) -> None:
    """Let the nodes forget all that is remembered beside the log."""
    for name in list(cluster):
        nothing = b'{"format": 1, "incarnation": "", "heard": {}, "generations": {}, "registered": {}}'
        cluster[name].store.write(Write("store#stores", metadata=nothing), lambda: None)
        await cluster[name].store.state("store")
        await restart(cluster, name)


async def test_a_wiped_voter_is_refused_by_every_log_that_binds_its_seat(
    make_cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where nothing else is remembered: in registration, and in letters under its name."""
    cluster = make_cluster(topology_of(3))
    await cluster.start()
    store = (await cluster.client()).key_value("store")
    await store.put(b"k", b"v")
    await asyncio.sleep(1)
    await forget_registrations(cluster)
    leader = await cluster.leader_of("store")
    wiped, third = sorted(set(cluster) - {leader})
    bound = cluster[wiped].store.store_id
    await cluster.kill(wiped)
    cluster.wipe(wiped)
    caplog.clear()

    await cluster.start(wiped)
    await asyncio.sleep(15)  # until its peers have lost the right one, which may still run

    assert (await roles(cluster))[wiped] == "refused"
    assert f"remembered={bound}" in caplog.text
    facts = cluster[leader].system.registry.cell_at("store").actor._facts
    other = LetterIdentity(facts.incarnation, StoreId(cluster[wiped].store.store_id)).encode()
    term = (await statuses(cluster))[leader].term
    letter = RaftPeerMessage(wiped, other, RequestVote(Term(term + 7), LogIndex(10**6), Term(term)))
    for name in (leader, third):
        cluster[wiped].system.at(Address(name, "store")).tell(letter)
    await asyncio.sleep(1)
    assert {status.term for name, status in (await statuses(cluster)).items() if name != wiped} == {term}
    assert await store.get(b"k") == b"v"


async def test_a_wrong_disk_that_was_mounted_once_poisons_no_peer(make_cluster: Any) -> None:
    """A peer that was new then had nothing but the wrong store's request to remember, and confirmed it."""
    cluster = make_cluster(topology_of(5))
    await cluster.start("n1", "n2", "n3", "n4")
    store = (await cluster.client()).key_value("store")
    await store.put(b"k", b"v")
    right = cluster.disks["n1"]
    await mount(cluster, "n1", VirtualDisk(), is_formatted=False)
    await cluster.start("n5")
    await asyncio.sleep(5)
    assert (await roles(cluster))["n1"] == "refused"

    await mount(cluster, "n1", right, is_formatted=True)
    await lead(cluster, "n1")
    await store.put(b"k", b"w")
    await asyncio.sleep(5)

    found = await statuses(cluster)
    assert len({status.applied_index for status in found.values()}) == 1
    assert {status.leader for status in found.values()} == {"n1"}


async def test_a_peer_without_a_log_hears_an_active_voter_whose_wrong_disk_it_confirmed(make_cluster: Any) -> None:
    """Its log binds no seat yet, and the voter that it would refuse is the only one that can send it the log."""
    cluster = make_cluster(topology_of(5))
    await cluster.start("n1", "n2", "n3", "n4")
    store = (await cluster.client()).key_value("store")
    await store.put(b"k", b"v")
    right = cluster.disks["n1"]
    cluster.partition(["n2", "n3", "n4"], ["n5"])
    await mount(cluster, "n1", VirtualDisk(), is_formatted=False)
    await cluster.start("n5")
    await asyncio.sleep(5)
    confirmed = await cluster["n5"].store.state("store#stores")
    assert cluster["n1"].store.store_id.encode() in confirmed.metadata

    await cluster.kill("n5")
    cluster.heal()
    await mount(cluster, "n1", right, is_formatted=True)
    await lead(cluster, "n1")
    await cluster.start("n5")
    await asyncio.sleep(5)

    assert (await roles(cluster))["n1"] == "leader"
    assert (await statuses(cluster))["n5"].applied_index > 0


async def mount(cluster: Any, name: str, disk: VirtualDisk, *, is_formatted: bool) -> None:
    if name in cluster:
        await cluster.kill(name)
    cluster.disks[name] = disk
    (cluster._formatted.add if is_formatted else cluster._formatted.discard)(name)
    await cluster.start(name)
    await asyncio.sleep(2)


async def lead(cluster: Any, name: str) -> None:
    """Cut off each other leader until `name` leads."""
    for _ in range(60):
        leader = await cluster.leader_of("store")
        if leader == name:
            return
        cluster.isolate(leader)
        await asyncio.sleep(1.5)
        cluster.heal()
        await asyncio.sleep(0.6)
    raise AssertionError(f"{name} does not lead")


# The founding, and the group's incarnation.


async def test_the_founding_is_durable_before_a_voter_registers(
    make_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, founded = VoterRegistration.begin, dict[str, int]()

    def begin_and_look(self: Any) -> None:
        durable = self._peer_stores._store._group_commit.groups["store"]
        founded[self._node] = decode_register("store", durable.metadata).facts.membership_index
        begin(self)

    cluster = make_cluster(topology_of(3))
    monkeypatch.setattr(VoterRegistration, "begin", begin_and_look)
    await cluster.start()
    await (await cluster.client()).key_value("store").put(b"k", b"v")

    assert founded == {"n1": 0, "n2": 0, "n3": 0}


async def test_letters_of_another_group_of_this_name_are_refused_and_told_once(
    make_cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = make_cluster(topology_of(3))
    await cluster.start()
    store = (await cluster.client()).key_value("store")
    await store.put(b"k", b"v")
    await asyncio.sleep(1)
    term = (await statuses(cluster))["n1"].term
    restored = GroupFacts.founding("test", "store", Membership.founding([NodeId("n1")])).incarnation
    identity = LetterIdentity(restored, StoreId(cluster["n2"].store.store_id)).encode()

    letter = RaftPeerMessage("n2", identity, RequestVote(Term(term + 7), LogIndex(10**6), Term(term)))
    for _ in range(5):
        cluster["n2"].system.at(Address("n1", "store")).tell(letter)
    cluster["n3"].system.at(Address("n1", "store")).tell(RaftPeerMessage("n3", b"no identity", letter.body))
    await asyncio.sleep(2)

    assert {status.term for status in (await statuses(cluster)).values()} == {term}
    assert caplog.text.count("letter.refused") == 2
    assert "it is of another group of this name" in caplog.text
    assert cluster["n1"].system.registry.cell_at("store").actor._letters.admission.refusals == 6
    await store.put(b"k", b"w")


async def test_a_register_of_another_release_refuses_the_start(make_cluster: Any) -> None:
    cluster = make_cluster(topology_of(1))
    await cluster.start()
    await (await cluster.client()).key_value("store").put(b"k", b"v")
    cluster["n1"].store.write(Write("store", metadata=b"\x07 of a later release"), lambda: None)
    await cluster["n1"].store.state("store")
    await cluster.kill("n1")

    with pytest.raises(UnsupportedFormat, match="the register of group store' has register format 7"):
        await cluster.start("n1")  # before it listens
