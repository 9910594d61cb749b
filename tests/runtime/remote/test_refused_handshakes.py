"""What is told of handshakes that failed."""

from __future__ import annotations

from coterie.runtime.hosts.virtual.virtual_clock import VirtualClock
from coterie.runtime.observing.printable_text import is_printable
from coterie.runtime.remote.refused_handshakes import REMIND_S, TEXT_CHARS_MAX, WARNINGS_MAX, RefusedHandshakes


def noted(refusals: RefusedHandshakes, *addresses: str, reason: str = "wrong_key") -> list[int]:
    return [refusals.note(address, reason) for address in addresses]


def test_log_hears_once_of_a_host_that_fails_again_and_again() -> None:
    refusals = RefusedHandshakes(VirtualClock())

    assert noted(refusals, "10.0.0.7:50001", "10.0.0.7:50002", "10.0.0.7:50003") == [1, 0, 0]


def test_log_hears_of_each_host_and_of_each_reason() -> None:
    refusals = RefusedHandshakes(VirtualClock())

    assert noted(refusals, "10.0.0.7:1", "10.0.0.8:1", "[::1]:1") == [1, 1, 1]
    assert noted(refusals, "10.0.0.7:1", "somebody", reason="wrong_cluster") == [1, 1]


def test_log_is_reminded_after_a_minute_and_told_how_many_there_were() -> None:
    clock = VirtualClock()
    refusals = RefusedHandshakes(clock)
    noted(refusals, "10.0.0.7:1", "10.0.0.7:2", "10.0.0.7:3")

    clock.now_s += REMIND_S - 1
    assert noted(refusals, "10.0.0.7:4") == [0]
    clock.now_s += 1
    assert noted(refusals, "10.0.0.7:5", "10.0.0.7:6") == [4, 0]


def test_text_tells_each_kind_once_the_latest_last() -> None:
    refusals = RefusedHandshakes(VirtualClock())

    noted(refusals, "a:1", "b:1", "a:1")
    noted(refusals, "b:1", reason="wrong_role")

    assert str(refusals) == "b:1: wrong_key; a:1: wrong_key; b:1: wrong_role"
    assert str(RefusedHandshakes(VirtualClock())) == ""


def test_memory_is_bounded_whoever_comes() -> None:
    refusals = RefusedHandshakes(VirtualClock())

    for number in range(10_000):
        noted(refusals, f"host-{number}:1", reason=f"reason {number}")

    assert len(refusals._last_logged) <= 256
    assert len(str(refusals).split("; ")) == 16


def test_a_storm_of_clients_with_a_thousand_names_is_one_warning() -> None:
    refusals = RefusedHandshakes(VirtualClock())

    told = [refusals.note(f"h:{at}", f"too_many_connections: no room for 'client-{at}'") for at in range(1000)]

    assert sum(told) == 1


def test_three_hundred_texts_of_a_stranger_are_one_warning_and_one_entry() -> None:
    refusals = RefusedHandshakes(VirtualClock())

    told = [refusals.note(f"h:{at}", f"unknown: {at} \n\x1b[2J" * 170) for at in range(300)]

    assert sum(told) == 1
    assert str(refusals).startswith(r"h:299: unknown: 299 \n\x1b[2J")
    assert is_printable(str(refusals))
    assert len(str(refusals)) == TEXT_CHARS_MAX + 1


def test_dialled_and_accepted_connections_count_apart_and_each_dialled_address_does() -> None:
    refusals = RefusedHandshakes(VirtualClock())

    accepted = noted(refusals, "127.0.0.1:50001", "127.0.0.1:50002")
    dialled = [refusals.note(f"127.0.0.1:{port}", "wrong_key", is_dialled=True) for port in (7401, 7402, 7401)]

    assert (accepted, dialled) == ([1, 0], [1, 1, 0])
    assert str(refusals) == "127.0.0.1:50002: wrong_key; 127.0.0.1:7402: wrong_key; 127.0.0.1:7401: wrong_key"


def test_a_stranger_with_many_addresses_causes_few_warnings_and_later_ones_are_due_again() -> None:
    clock = VirtualClock()
    refusals = RefusedHandshakes(clock)

    assert sum(noted(refusals, *(f"[fd00::{at:x}]:1" for at in range(1000)))) == WARNINGS_MAX
    clock.now_s += REMIND_S
    assert noted(refusals, "10.0.0.7:1") == [1]
