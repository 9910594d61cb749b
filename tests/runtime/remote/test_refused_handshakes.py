"""What is told of handshakes that failed."""

from __future__ import annotations

from coterie.runtime.hosts.virtual.virtual_clock import VirtualClock
from coterie.runtime.remote.refused_handshakes import REMIND_S, RefusedHandshakes


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


def test_text_tells_each_address_with_each_reason_once_the_latest_last() -> None:
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
