"""What SIGINT does in a process of the command line; see also `cli/test_streams_and_interrupts.py`."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from coterie.interrupts import exit_on_interrupt, raising_interrupts


@pytest.fixture(autouse=True)
def _same_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_ends_the_process_except_where_it_is_to_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    exit_on_interrupt()

    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), raising_interrupts():
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)

    assert codes == [130, 130]


@pytest.mark.parametrize("other", [signal.SIG_IGN, signal.SIG_DFL, lambda number, frame: None])
def test_the_handler_of_somebody_else_stays(other: signal._HANDLER) -> None:
    signal.signal(signal.SIGINT, other)

    exit_on_interrupt()
    with raising_interrupts():
        assert signal.getsignal(signal.SIGINT) is other

    assert signal.getsignal(signal.SIGINT) is other
