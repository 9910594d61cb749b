"""An error of a connection says of each address why no node is linked there, and each refusal is told once."""

from __future__ import annotations

import asyncio
import logging
import socket

import pytest

from coterie.cli.failed_connection import explained, holding_refusals
from coterie.errors import NodeUnreachable
from coterie.runtime.observing.loggers import logger

NOT_LINKED = NodeUnreachable("a", "no link in 5 s")


async def test_a_port_on_which_nothing_listens_is_told() -> None:
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"

        error = await explained(NOT_LINKED, [address], [])

    assert f"{address}: nothing listens there (Connection refused)" in str(error)
    assert "compare the addresses (--connect)" in str(error)


async def test_what_listens_and_is_no_node_is_told_with_what_it_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        said = "incomplete: broken frame: a frame of 1213486160 bytes is announced"

        error = await explained(NOT_LINKED, [address, address], [f"{address}: {said}"])

    assert f"({address}: what listens there does not answer as a coterie node ({said}))" in str(error)


async def test_a_name_that_cannot_be_resolved_is_told_beside_an_address_that_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def unresolved(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio, "open_connection", unresolved)
    refusals = ["127.0.0.1:1: too_many_connections: full"]

    error = await explained(NOT_LINKED, ["node.invalid:7401", "127.0.0.1:1"], refusals)

    assert "the name 'node.invalid' cannot be resolved (Name or service not known);" in str(error)
    assert "127.0.0.1:1: this client is refused: too_many_connections: full" in str(error)


async def test_an_address_that_answers_nothing_is_given_up_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(asyncio, "open_connection", silent)

    assert "10.0.0.1:1: no connection within 1 s" in str(await explained(NOT_LINKED, ["10.0.0.1:1"], []))


async def test_a_refusal_for_good_by_all_addresses_stays_as_it_is() -> None:
    assert await explained(NOT_LINKED, ["127.0.0.1:1"], ["127.0.0.1:1: wrong_key: no"]) is NOT_LINKED


@pytest.mark.parametrize(("reason", "is_logged"), [("wrong_key: no", False), ("wrong_cluster: of another", True)])
def test_a_refusal_is_logged_only_if_the_error_does_not_tell_it(
    reason: str, is_logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "coterie")

    def fail() -> None:
        with holding_refusals():
            logger("runtime").warning("transport.handshake_refused", address="a:1", reason=reason, times=1)
            logger("runtime").warning("other.event")
            assert [record.getMessage() for record in caplog.records] == ["other.event"]
            raise NodeUnreachable("a:1", "this client is refused: a:1: wrong_key: no")

    with pytest.raises(NodeUnreachable):
        fail()

    assert (f"reason={reason}" in caplog.text) is is_logged


def test_a_refusal_by_one_address_is_logged_if_another_one_takes_the_client(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "coterie")

    with holding_refusals():
        logger("runtime").warning("transport.handshake_refused", address="a:1", reason="wrong_key: no", times=1)

    assert "wrong_key: no" in caplog.text
