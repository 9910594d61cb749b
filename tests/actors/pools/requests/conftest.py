from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from coterie.runtime.system import System
from coterie.testing import Systems
from tests.actors.pools.requests.counted_requests import Ledger


@pytest.fixture
def ledgers(monkeypatch: pytest.MonkeyPatch) -> list[Ledger]:
    """The balancers of the pools that are made from now on."""
    return Ledger.instead_of_balancers(monkeypatch)


@pytest.fixture
async def system() -> AsyncIterator[System]:
    async with Systems("local") as systems:
        yield systems["local"]
