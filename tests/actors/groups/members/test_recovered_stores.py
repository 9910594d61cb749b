"""A store that has lost promises counts again for one incarnation of one group, and for nothing else."""

from __future__ import annotations

import pytest

from coterie.actors.groups.members.recovered_stores import forgive, lost_promises
from coterie.errors import InvariantViolated
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.storage.log_store import Write
from coterie.runtime.storage.memory_log import MemoryLog

pytestmark = pytest.mark.virtual

NEW, OTHER = b"n" * 16, b"o" * 16


async def lost_store(evidence: str | None = "a copy") -> MemoryLog:
    store = MemoryLog(VirtualHost("n1"))
    if evidence is not None:
        await store.mark_lost(evidence)
    return store


async def test_the_incarnation_for_which_it_was_recovered_has_lost_nothing() -> None:
    store = await lost_store()
    forgive(store, "totals", NEW)

    assert await lost_promises(store, "totals", NEW) is None


async def test_the_group_as_it_was_and_all_others_have_lost_promises() -> None:
    store = await lost_store()
    forgive(store, "totals", NEW)

    assert await lost_promises(store, "totals", OTHER) == "a copy"
    assert await lost_promises(store, "others", NEW) == "a copy"


async def test_a_store_that_has_lost_nothing_remembers_nothing() -> None:
    store = await lost_store(None)
    forgive(store, "totals", NEW)

    assert store.groups() == ()
    assert await lost_promises(store, "totals", NEW) is None


async def test_what_was_lost_otherwise_is_not_forgiven() -> None:
    store = await lost_store()
    store.write(
        Write(
            "totals#recovered",
            metadata=b'{"format": 1, "incarnation": "%s", "lost": "a cut tail"}' % NEW.hex().encode(),
        ),
        lambda: None,
    )

    assert await lost_promises(store, "totals", NEW) == "a copy"


async def test_what_cannot_be_decoded_is_told() -> None:
    store = await lost_store()
    store.write(Write("totals#recovered", metadata=b"{}"), lambda: None)

    with pytest.raises(InvariantViolated, match="'totals#recovered' cannot be decoded"):
        await lost_promises(store, "totals", NEW)
