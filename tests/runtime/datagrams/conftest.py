"""The fixture of the tests of datagrams."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from coterie.testing import Systems, no_leaks
from tests.runtime.datagrams.pairs import Keeper, Pair, keyed


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with no_leaks(), Systems("a", "b", make=keyed, datagrams=True) as systems:
        for system in systems.values():
            system.spawn(Keeper, name="keeper")
        yield Pair(systems)
