"""Whatever a test of embedding does: afterwards nothing is left behind, and the process is as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import uvloop

from coterie.testing import no_leaks, untouched_host


@pytest.fixture(scope="session", autouse=True)
def libuv_is_ready() -> None:
    """Let libuv make the pipe for signals that all its loops share until the process ends."""
    uvloop.new_event_loop().close()


@pytest.fixture(autouse=True)
async def nothing_is_left(libuv_is_ready: None) -> AsyncIterator[None]:
    with untouched_host():
        async with no_leaks():
            yield
