"""Fixtures of every test: the event loops that it runs on, the virtual host, and a check that no error is lost.

An ordinary `async def` test runs twice, on stock asyncio and on uvloop. One marked `@pytest.mark.virtual` runs once, on
a `VirtualLoop`, in virtual time. `@pytest.mark.asyncio(loop_factories=["uvloop"])` chooses one of the two.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Callable, Iterator, Mapping

import pytest
import uvloop

from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As under `nohup` and in background jobs of a script; tests send Ctrl-C to themselves and to their child processes.
    signal.signal(signal.SIGINT, signal.default_int_handler)

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """Choose the loops of a test (a hook of pytest-asyncio, which passes both arguments by name)."""
    del config
    if item.get_closest_marker("virtual"):
        return {"virtual": VirtualLoop}
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the slow tests come first: at the end of a run only short ones are left, and no worker waits for another."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


class _Collector(logging.Handler):
    """Collects the errors that asyncio logs: exceptions that no code has handled."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


@pytest.fixture(autouse=True)
def no_error_is_lost() -> Iterator[None]:
    """Fail a test whose loop had to log an unhandled exception. A test that provokes one sets an exception handler."""
    collector = _Collector()
    logger = logging.getLogger("asyncio")
    logger.addHandler(collector)
    yield
    logger.removeHandler(collector)
    if collector.messages:
        pytest.fail("unhandled errors on the loop:\n" + "\n".join(collector.messages), pytrace=False)


@pytest.fixture(autouse=True)
def log_level_is_kept() -> Iterator[None]:
    """Undo what a command of the command line does to the log's level."""
    logger = logging.getLogger("coterie")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture(autouse=True, scope="module")
def garbage_collections_are_short() -> None:
    """Freeze all older objects: full collections (simulated worlds make many) visit only the module's own."""
    gc.collect()
    gc.freeze()


@pytest.fixture
async def virtual_host() -> VirtualHost:
    """A host on the test's own `VirtualLoop`; the test must be marked `virtual`."""
    return VirtualHost()
