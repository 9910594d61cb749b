"""TLS does not cover datagrams: without a shared key a system in TLS sends none."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from coterie.runtime.refs import Address
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.shared_key import SharedKey
from tests.runtime.datagrams.pairs import KEY, Keeper, Number
from tests.runtime.transport.certificate_authority import Authority


@pytest.mark.parametrize("key", [None, KEY])
async def test_in_tls_datagrams_are_sent_with_a_key_only(tmp_path: Path, key: SharedKey | None) -> None:
    authority = Authority(tmp_path)
    async with (
        System("a", cluster="test", tls=authority.issue("a"), auth=key) as a,
        System("b", cluster="test", tls=authority.issue("b"), auth=key) as b,
    ):
        keeper = b.spawn(Keeper, name="keeper")
        a.add_peer("b", *await b.listen(datagrams=True))
        b.add_peer("a", *await a.listen(datagrams=True))
        await a.linked("b")
        a.datagrams.tell(Address("b", "keeper"), Number(7))
        cell = b.registry.cell_at(keeper.path)
        assert cell is not None
        async with asyncio.timeout(30):
            while cell.handled == 0:  # noqa: ASYNC110 (a counter of another system)
                await asyncio.sleep(0.001)

        sent = a.datagrams.stats()
        assert (sent["sent"], sent["sent_by_link"]) == ((0, 1) if key is None else (1, 0))
        assert a.datagrams.is_open is (key is not None)
