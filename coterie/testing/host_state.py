"""Host state: `untouched_host` checks that a `with` block does not change state that belongs to the whole process."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

__all__ = ["untouched_host"]

_PYTEST_VARIABLE: Final = "PYTEST_CURRENT_TEST"
"""Environment variable with the test and its phase: it changes between a fixture's set-up and its tear-down."""


@contextmanager
def untouched_host() -> Iterator[None]:
    """Check that the body does not change the state of the whole process.

    Signal handlers; handlers (except null handlers), filters and level of the root logger and of `asyncio`'s and
    `coterie`'s; structlog's configuration; the standard streams; hooks for uncaught exceptions; the event-loop policy;
    warning filters; the environment and the working directory. If the body raises, its error is raised instead.

    Raises:
        AssertionError: a part of the state has changed; the error names each, before and after.
    """
    before = _state()
    yield
    after = _state()
    changed = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    if changed:
        changes = "".join(f"\n  {name}: {before.get(name)!r} became {after.get(name)!r}" for name in sorted(changed))
        raise AssertionError(f"the host program was changed:{changes}")


def _state() -> dict[str, object]:
    state: dict[str, object] = {
        "stdin": sys.stdin,
        "stdout": sys.stdout,
        "stderr": sys.stderr,
        "excepthook": sys.excepthook,
        "threading.excepthook": threading.excepthook,
        "unraisablehook": sys.unraisablehook,
        "warning filters": list(warnings.filters),
        "logging.disable": logging.root.manager.disable,
        "logger class": logging.getLoggerClass(),
        "structlog": structlog.get_config() if structlog.is_configured() else None,
        "event-loop policy": _policy(),
        "working directory": os.getcwd(),
    }
    state |= {f"environment {name}": value for name, value in os.environ.items() if name != _PYTEST_VARIABLE}
    for name in ("root", "asyncio", "coterie"):
        state |= _logger_state(name)
    return state | {f"handler of {number!r}": _handler(number) for number in signal.valid_signals()}


def _logger_state(name: str) -> dict[str, object]:
    logger = logging.getLogger(None if name == "root" else name)
    handlers = [handler for handler in logger.handlers if not isinstance(handler, logging.NullHandler)]
    return {
        f"handlers of logger {name}": handlers,
        f"filters of logger {name}": list(logger.filters),
        f"level of logger {name}": logger.level,
        f"propagation of logger {name}": logger.propagate,
    }


def _handler(number: int) -> object:
    """Return the handler of a signal. asyncio's Runner wraps its handler again for each coroutine that it runs."""
    handler = signal.getsignal(number)
    return handler.func if isinstance(handler, functools.partial) else handler


def _policy() -> object:
    """Return the policy that was set; None for asyncio's default, which asyncio creates when it needs it."""
    policy = getattr(asyncio.events, "_event_loop_policy", None)  # the public function warns from 3.14 on
    return None if type(policy).__module__.startswith("asyncio.") else policy
