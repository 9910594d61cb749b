from __future__ import annotations

from coterie.runtime.transport.keep_alive import DRAINED_BYTES_MIN, Patience, Vitals
from coterie.runtime.transport.transport_config import TransportConfig

CONFIG = TransportConfig()  # silence 3 s; one frame, and not reading, 10 s


def watch(beats: list[Vitals], step_s: float = 0.5) -> tuple[int, str | None]:
    """Return after how many beats the connection was given up, and why."""
    patience = Patience(CONFIG)
    for number, vitals in enumerate(beats, 1):
        complaint = patience.beat(step_s, vitals)
        if complaint is not None:
            return number, complaint
    return len(beats), None


def test_a_healthy_connection_is_never_given_up() -> None:
    beats = [Vitals(True, frames, frames % 3 == 0, 0) for frames in range(1, 1000)]
    assert watch(beats) == (999, None)


def test_silence_is_measured_from_the_last_word() -> None:
    quiet = [Vitals(False, 0, False, 0)] * 5
    beats = [*quiet, Vitals(True, 1, False, 0), *quiet, Vitals(False, 1, False, 0)]
    assert watch(beats) == (12, "silent for 3.0 s")


def test_one_frame_may_take_its_time_but_not_for_ever() -> None:
    beats = [Vitals(True, 7, True, 0)] * 50
    number, complaint = watch(beats)
    assert (number, complaint) == (21, "one frame has been arriving for 10.0 s")


def test_each_whole_frame_starts_anew() -> None:
    beats = [Vitals(True, number // 15, True, 0) for number in range(500)]
    assert watch(beats)[1] is None


def test_a_full_buffer_that_does_not_drain_is_given_up() -> None:
    beats = [Vitals(True, number, False, 300_000) for number in range(50)]
    assert watch(beats) == (20, "it has not read for 10.0 s, 300000 bytes wait")


def test_a_full_buffer_that_hardly_drains_is_given_up() -> None:
    beats = [Vitals(True, number, False, 10**6 - number * (DRAINED_BYTES_MIN - 1)) for number in range(50)]
    assert watch(beats)[0] == 20


def test_a_slow_reader_that_reads_is_kept() -> None:
    beats = [Vitals(True, number, False, 10**8 - number * DRAINED_BYTES_MIN) for number in range(500)]
    assert watch(beats)[1] is None


def test_a_buffer_that_empties_now_and_then_is_no_stall() -> None:
    beats = [Vitals(True, number, False, 0 if number % 15 == 0 else 300_000) for number in range(500)]
    assert watch(beats)[1] is None
