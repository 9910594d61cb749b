"""untouched_host notices whatever is changed of the process."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from coterie.testing import untouched_host


def a_signal_handler(monkeypatch: pytest.MonkeyPatch) -> str:
    signal.signal(signal.SIGUSR1, lambda *_: None)
    return "handler of <Signals.SIGUSR1"


def a_root_handler(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(logging.root, "handlers", [*logging.root.handlers, logging.StreamHandler()])
    return "handlers of logger root"


def a_level(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(logging.getLogger("coterie"), "level", logging.DEBUG)
    return "level of logger coterie"


def disabled_logging(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(logging.root.manager, "disable", logging.ERROR)
    return "logging.disable"


def structlog_configured(monkeypatch: pytest.MonkeyPatch) -> str:
    structlog.configure(cache_logger_on_first_use=False)
    return "structlog"


def stdout_replaced(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    return "stdout"


def a_hook(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(threading, "excepthook", print)
    return "threading.excepthook"


def a_warning_filter(monkeypatch: pytest.MonkeyPatch) -> str:
    warnings.simplefilter("ignore", ResourceWarning)
    return "warning filters"


def the_environment(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(os.environ, "COTERIE_TEST", "1")
    return "environment COTERIE_TEST: None became '1'"


def the_directory(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(Path(__file__).parent)
    return "working directory"


def the_policy(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("asyncio.events._event_loop_policy", object())
    return "event-loop policy"


CHANGES = [
    a_signal_handler, a_root_handler, a_level, disabled_logging, structlog_configured, stdout_replaced, a_hook,
    a_warning_filter, the_environment, the_directory, the_policy,
]  # fmt: skip


@pytest.fixture
def restored() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGUSR1)
    with warnings.catch_warnings():
        yield
    signal.signal(signal.SIGUSR1, handler)
    structlog.reset_defaults()


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_named(change: Callable[[pytest.MonkeyPatch], str], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = ""

    def body() -> None:
        nonlocal expected
        with untouched_host():
            expected = change(monkeypatch)

    with pytest.raises(AssertionError) as caught:
        body()

    monkeypatch.undo()
    assert str(caught.value).startswith(f"the host program was changed:\n  {expected}")
    assert str(caught.value).count("\n") == 1


def test_no_change_is_fine_and_changes_undone_are_none() -> None:
    with untouched_host():
        os.environ["COTERIE_TEST"] = "1"
        del os.environ["COTERIE_TEST"]


def test_the_error_of_the_body_counts_more() -> None:
    def body() -> None:
        with untouched_host():
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            raise ZeroDivisionError

    handler = signal.getsignal(signal.SIGUSR1)
    with pytest.raises(ZeroDivisionError):
        body()
    signal.signal(signal.SIGUSR1, handler)
