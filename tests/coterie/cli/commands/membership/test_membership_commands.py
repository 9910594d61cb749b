"""`members`, `status`, `services`, `leave` and `down` on clusters with a view, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from coterie import ClientKey, KeyValue, SharedKey, Topology
from coterie.actors.client import Client
from coterie.cli import make_parser
from coterie.cli.cluster_connection import ClusterConnection
from coterie.cli.command_loop import NameNotFound
from coterie.cli.commands import members_command, status_command
from coterie.cli.commands.membership import leave_command, services_command
from coterie.cli.commands.membership.view_reports import NoView
from coterie.cli.node_queries import NotAnOperator
from coterie.cli.output.command_output import CommandOutput
from coterie.errors import CoterieError, RemovedFromView
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork
from coterie.testing import Cluster
from tests.actors.membership.receptionist.service_clusters import all_find, joined, topology_of, until, up, worker

pytestmark = pytest.mark.virtual

Command = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with contextlib.AsyncExitStack() as closing:

        def make(topology: Topology) -> Cluster:
            made = Cluster(topology)
            closing.push_async_exit(made)
            return made

        topology = topology_of()
        topology.raft("store", machine=KeyValue)
        yield await up(make, topology)


def command_on(
    connect: Callable[[], Client], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Return what runs a command line with a new client, and returns its exit code and its output."""

    @contextlib.asynccontextmanager
    async def client_of_all(_: ClusterConnection) -> AsyncIterator[Client]:
        async with connect() as client:
            await client.all_linked()
            yield client

    for name in ("client", "client_of_all"):
        monkeypatch.setattr(ClusterConnection, name, client_of_all)

    async def run(*words: str) -> tuple[int, str]:
        args = make_parser().parse_args([*words, "--connect", "n1:1"])
        out = args.out = CommandOutput(args.command, args.output)
        connection = ClusterConnection(("n1:1",))
        match words[0]:
            case "members":
                code = await members_command._show(connection, args)
            case "services":
                code = await services_command._show(connection, args.service, out)
            case "status":
                seen = await status_command._query(connection, [])
                monkeypatch.setattr(status_command, "run_async", lambda query: query.close() or seen)
                code = status_command.run(args)
            case _:
                code = await leave_command._carry_out(connection, args, out)
        return code, capsys.readouterr().out

    return run


def connector(cluster: Cluster) -> Callable[[], Client]:
    return lambda: Client(list(cluster.addresses.values()), host=cluster.host("client"))


@pytest.fixture
async def command(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return command_on(connector(cluster), monkeypatch, capsys)


# --- what is shown


async def test_members_shows_the_view_and_status_a_line_of_it(cluster: Cluster, command: Command) -> None:
    async with joined(cluster, "n4", "worker"):
        code, table = await command("members")
        printed = json.loads((await command("members", "-o", "json"))[1])
        status_code, status = await command("status")

    lines = table.splitlines()
    assert code == status_code == 0
    assert lines[0].startswith("view 4: 4 up; group membership is led by n")
    assert [line.split()[:2] for line in lines[2:]] == [[f"n{number}", "up"] for number in (1, 2, 3, 4)]
    assert lines[-1].split()[6] == "worker"
    assert printed["verdict"] == "healthy"
    assert printed["data"]["view"]["members"]["n4"]["roles"] == ["worker"]
    assert lines[0] in status.splitlines()


async def test_a_member_that_is_down_makes_the_cluster_degraded(cluster: Cluster, command: Command) -> None:
    async with joined(cluster, "n4"):
        membership: Any = cluster["n1"].membership
        cluster.network.freeze("n4")
        await until(lambda: any(member.is_down for member in membership.view))
        code, table = await command("members")
        status_code, status = await command("status")
        cluster.network.thaw("n4")
        with contextlib.suppress(CoterieError):
            await until(lambda: len(membership.view) == 3)

    told = "member n4 is down since view 5: it is removed once its lease has ended"
    assert (code, status_code) == (5, 5)
    assert told in table
    assert f"  {told}" in status.splitlines()


async def test_the_view_of_one_node_is_shown_without_the_silence_of_others(cluster: Cluster, command: Command) -> None:
    code, table = await command("members", "--from", "n2")

    assert code == 0
    assert [line.split()[4] for line in table.splitlines()[2:]] == ["?", "act", "?"]


async def test_services_are_listed_by_name(cluster: Cluster, command: Command) -> None:
    assert await command("services") == (0, "no actor is registered as a provider of a service\n")
    await cluster["n2"].receptionist.register("cart", worker(cluster["n2"]))
    await cluster["n1"].receptionist.register("mail", worker(cluster["n1"]), unique=True)
    await until(all_find(cluster, "worker@n1", service="mail"))

    _, table = await command("services")
    assert [line.split() for line in table.splitlines()[1:]] == [
        ["cart", "n2", "worker", "up", "no"],
        ["mail", "n1", "worker", "up", "yes"],
    ]
    _, printed = await command("services", "mail", "-o", "json")
    (row,) = json.loads(printed)["data"]["services"]
    assert row == {"service": "mail", "node": "n1", "path": "worker", "state": "up", "unique": True}
    with pytest.raises(NameNotFound, match="no actor provides a service 'cars': the services are cart, mail"):
        await command("services", "cars")


# --- what is changed


async def test_a_member_leaves_and_the_command_waits_for_that(cluster: Cluster, command: Command) -> None:
    async with joined(cluster, "n4") as node:
        code, said = await command("leave", "n4")
        membership: Any = node.membership
        await membership.until(lambda: membership.has_ended, 10)

    assert (code, said) == (0, "member n4 is out of the view, which is number 6 now\n")
    with pytest.raises(NameNotFound, match="there is no member 'n4' in view 6: the members are n1, n2, n3"):
        await command("leave", "n4")


async def test_a_member_that_takes_long_is_told_of_and_given_up_after_the_wait(
    cluster: Cluster, command: Command
) -> None:
    async with joined(cluster, "n4") as node:
        membership: Any = node.membership
        is_free = False

        async def give_up() -> None:
            await until(lambda: is_free)

        membership.at_handover(give_up)
        with pytest.raises(CoterieError, match="not out of the view after 5 s: it is leaving since view 5; the change"):
            await command("leave", "n4", "--wait", "5")
        is_free = True
        code, said = await command("leave", "n4")

    assert code == 0
    assert said.splitlines()[0] == "  n4: it is leaving since view 5"  # of the first call
    assert "it was so already: 'n4' (incarnation " in said


async def test_down_says_first_what_it_means_and_does_it_with_yes(cluster: Cluster, command: Command) -> None:
    async def live() -> None:
        async with joined(cluster, "n4") as node:
            await node.receptionist.register("cart", worker(node))
            await asyncio.Event().wait()

    life = asyncio.create_task(live())
    await until(all_find(cluster, "worker@n4"))
    membership: Any = cluster["n1"].membership
    before = membership.view

    code, said = await command("down", "n4")
    assert code == 5
    assert membership.view is before
    assert said.splitlines()[-1] == "nothing was changed: to take it down, add --yes"
    assert "  its services are found no more: cart" in said
    assert "coterie leave n4" in said

    cluster.network.freeze("n4")
    code, said = await command("down", "n4", "--yes", "-o", "json")
    assert code == 0
    assert json.loads(said)["data"]["changed"] is True
    assert [member.name for member in membership.view] == ["n1", "n2", "n3"]
    assert not life.done()
    cluster.network.thaw("n4")
    with pytest.raises(RemovedFromView, match=r"'n4' .* was removed since view 6"):
        await life


async def test_what_the_group_refuses_is_an_error_with_its_reason(cluster: Cluster, command: Command) -> None:
    await cluster.kill("n3")
    membership: Any = cluster["n1"].membership
    await until(lambda: len(membership.view) == 2)

    with pytest.raises(CoterieError, match=r"the cluster refuses: 'n2' .* would have no quorum with 'n1' alone"):
        await command("leave", "n2")
    with pytest.raises(CoterieError, match=r"the cluster refuses: 'n1' .* cannot be taken down"):
        await command("down", "n1", "--yes")


async def test_down_says_first_that_the_group_would_refuse_it(cluster: Cluster, command: Command) -> None:
    await cluster.kill("n3")
    membership: Any = cluster["n1"].membership
    await until(lambda: len(membership.view) == 2)

    code, said = await command("down", "n2")
    assert code == 5
    assert "nothing was changed, and the cluster would refuse it: 'n2' (incarnation" in said.splitlines()[-1]
    assert "would have no quorum with 'n1' alone" in said.splitlines()[-1]
    assert "add --yes" not in said


async def test_a_change_is_decided_against_the_voters_that_the_group_has_now(
    cluster: Cluster, command: Command, caplog: pytest.LogCaptureFixture
) -> None:
    await command("leave", "n3")
    leader = await cluster.leader_of("membership")
    other = "n2" if leader == "n1" else "n1"
    async with connector(cluster)() as client:
        for node in ("n3", other):
            await client.group("membership").remove(node)

    code, _ = await command("leave", other)  # with the founders for voters it would be refused: one of three is left

    assert code == 0
    changes = [record.getMessage() for record in caplog.records if "operator_change" in record.getMessage()]
    assert f"leave '{other}' (incarnation " in changes[-1]
    assert "MemberId(" not in changes[-1]
    assert "is_change" not in changes[-1]


async def test_a_voter_that_has_left_is_named_with_its_groups(cluster: Cluster, command: Command) -> None:
    code, said = await command("leave", "n3")

    assert code == 0
    assert said.splitlines()[1:] == [
        (
            "n3 is still a voter of groups membership, store: it counts there as one that has failed, so that one "
            "failure less is borne; if it does not come back, remove it:"
        ),
        "  coterie raft remove membership n3",
        "  coterie raft remove store n3",
    ]
    told = (
        "group membership: voter n3 is not in the view, 2 of 3 voters are up, and no further one may fail: "
        "start it again, or remove it (coterie raft remove membership n3)"
    )
    code, table = await command("members")
    assert code == 5
    assert told in table.splitlines()

    async with connector(cluster)() as client:
        await client.group("membership").remove("n3")
    code, table = await command("members")
    assert "voter n3" not in table


async def test_a_cluster_without_a_view_says_which_topology_has_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Cluster(Topology("plain", nodes=["n1", "n2"])) as made:
        command = command_on(connector(made), monkeypatch, capsys)
        for words in (["leave", "n2"], ["down", "n2"], ["services"]):
            with pytest.raises(NoView, match=r"nodes=Members\(founders="):
                await command(*words)
        assert "view" not in (await command("status"))[1]


async def test_a_client_that_is_no_operator_changes_and_sees_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key, billing = b"k" * 32, ClientKey("billing", b"b" * 32)
    network = VirtualNetwork()
    auth = SharedKey(key, clients=(billing,))
    topology = topology_of()
    async with contextlib.AsyncExitStack() as stack:
        nodes = []
        for name in topology.nodes:
            host = VirtualHost(name, network=network)
            address = f"127.0.0.1:740{name[1]}"
            peers = {other: f"127.0.0.1:740{other[1]}" for other in topology.nodes if other != name}
            running = topology.start(node=name, listen=address, peers=peers, host=host, auth=auth)
            nodes.append(await stack.enter_async_context(running))
        assert nodes[0].membership is not None
        await nodes[0].membership.up()
        host = VirtualHost("client", network=network)
        command = command_on(lambda: Client(["127.0.0.1:7401"], auth=billing, host=host), monkeypatch, capsys)
        for words in (["leave", "n2"], ["down", "n2", "--yes"], ["services"], ["members"]):
            with pytest.raises(NotAnOperator, match="client 'billing' is no operator"):
                await command(*words)
