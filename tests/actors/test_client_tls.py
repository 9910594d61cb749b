"""A client with a certificate: it calls itself what that says, and something more."""

from __future__ import annotations

from pathlib import Path

import pytest

from coterie import Client, System
from coterie.runtime.hosts.tls_config import TlsConfig
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from tests.runtime.transport.certificate_authority import CLIENT, Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_clients_that_share_a_certificate_are_linked_and_told_apart(authority: Authority) -> None:
    web = authority.issue("web", usages=CLIENT)
    async with System("n1", cluster="shop", tls=authority.issue("n1")) as system:
        host, port = await system.listen()

        async with Client([f"{host}:{port}"], tls=web) as one, Client([f"{host}:{port}"], tls=web) as another:
            assert one.nodes == another.nodes == ["n1"]
            names = {one.system.node, another.system.node}

    assert len(names) == 2
    assert all(name.startswith("web+") for name in names)


def test_alternative_name_goes_before_the_common_name(authority: Authority) -> None:
    tls = authority.issue("ignored", usages=CLIENT, alternatives=("web", "web2"))

    assert Client(["127.0.0.1:9"], tls=tls).system.node.startswith("web+")


def test_name_that_is_given_counts(authority: Authority) -> None:
    assert Client(["127.0.0.1:9"], name="web+7", tls=authority.issue("web", usages=CLIENT)).system.node == "web+7"


def test_certificate_that_cannot_be_read_is_named_at_once(authority: Authority) -> None:
    tls = authority.issue("web", usages=CLIENT)
    authority.spoil(tls)

    with pytest.raises(OSError, match=r"TLS cannot use '/nowhere/x\.crt': Can't open file"):
        Client(["127.0.0.1:9"], tls=TlsConfig("/nowhere/x.crt", tls.key, tls.authority))
    with pytest.raises(OSError, match=r"TLS cannot use '.*web\.crt': Error decoding PEM-encoded file"):
        Client(["127.0.0.1:9"], tls=tls)


@pytest.mark.virtual
async def test_virtual_host_has_no_tls_and_says_so(authority: Authority) -> None:
    with pytest.raises(OSError, match="a virtual network has no TLS"):
        Client(["127.0.0.1:9"], tls=authority.issue("web"), host=VirtualHost())
