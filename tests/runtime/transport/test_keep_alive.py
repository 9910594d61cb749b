from __future__ import annotations

from coterie.runtime.transport.keep_alive import DRAINED_BYTES_MIN, Activity, KeepAlive
from coterie.runtime.transport.transport_config import TransportConfig

CONFIG = TransportConfig()  # silence 3 s; one frame, and not reading, 10 s


def watch(checks: list[Activity], step_s: float = 0.5) -> tuple[int, str | None]:
    """Return after how many checks the connection must be closed, and why."""
    keep_alive = KeepAlive(CONFIG)
    for number, activity in enumerate(checks, 1):
        failure = keep_alive.check(step_s, activity)
        if failure is not None:
            return number, failure
    return len(checks), None


def test_a_healthy_connection_is_never_given_up() -> None:
    checks = [Activity(True, frames, frames % 3 == 0, 0) for frames in range(1, 1000)]
    assert watch(checks) == (999, None)


def test_silence_is_measured_from_the_last_word() -> None:
    quiet = [Activity(False, 0, False, 0)] * 5
    checks = [*quiet, Activity(True, 1, False, 0), *quiet, Activity(False, 1, False, 0)]
    assert watch(checks) == (12, "silent for 3.0 s")


def test_one_frame_may_take_its_time_but_not_for_ever() -> None:
    checks = [Activity(True, 7, True, 0)] * 50
    number, failure = watch(checks)
    assert (number, failure) == (21, "one frame has been arriving for 10.0 s")


def test_each_whole_frame_starts_anew() -> None:
    checks = [Activity(True, number // 15, True, 0) for number in range(500)]
    assert watch(checks)[1] is None


def test_a_full_buffer_that_does_not_drain_is_given_up() -> None:
    checks = [Activity(True, number, False, 300_000) for number in range(50)]
    assert watch(checks) == (20, "it has not read for 10.0 s, 300000 bytes wait")


def test_a_full_buffer_that_hardly_drains_is_given_up() -> None:
    checks = [Activity(True, number, False, 10**6 - number * (DRAINED_BYTES_MIN - 1)) for number in range(50)]
    assert watch(checks)[0] == 20


def test_a_slow_reader_that_reads_is_kept() -> None:
    checks = [Activity(True, number, False, 10**8 - number * DRAINED_BYTES_MIN) for number in range(500)]
    assert watch(checks)[1] is None


def test_a_buffer_that_empties_now_and_then_is_no_stall() -> None:
    checks = [Activity(True, number, False, 0 if number % 15 == 0 else 300_000) for number in range(500)]
    assert watch(checks)[1] is None
