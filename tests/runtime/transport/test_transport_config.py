from __future__ import annotations

from dataclasses import fields

import pytest

from coterie.runtime.transport.transport_config import TransportConfig


@pytest.mark.parametrize("name", [field.name for field in fields(TransportConfig)])
def test_nothing_may_be_zero(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be positive"):
        TransportConfig(**{name: 0})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frame_cap_bytes": 4095}, "frame_cap_bytes must be in 4096"),
        ({"frame_cap_bytes": 2**32, "outbound_limit_bytes": 2**33}, "frame_cap_bytes must be in"),
        ({"client_frame_cap_bytes": 4095}, "client_frame_cap_bytes must be at least 4096, not 4095"),
        ({"frame_soft_bytes": 4092, "frame_cap_bytes": 4096}, r"frame_soft_bytes \(4092\) plus 5 must fit"),
        (
            {"outbound_limit_bytes": 5000, "frame_cap_bytes": 5001, "frame_soft_bytes": 1},
            "must hold at least one frame",
        ),
        ({"message_cap_bytes": 4 * 1024 * 1024 - 1}, r"message_cap_bytes must be in 4194304 \(frame_cap_bytes\)"),
        ({"message_cap_bytes": 2**32}, "message_cap_bytes must be in"),
        ({"version_min": 3, "version_max": 2}, "versions 3 … 2 are not supported; supported are 2 … 4"),
        ({"version_min": 1}, "versions 1 … 4 are not supported"),
        ({"version_max": 5}, "versions 2 … 5 are not supported"),
        ({"silence_timeout_s": 1.4}, "at least three keep-alive intervals"),
        ({"reconnect_cap_s": 0.04}, "is below reconnect_first_s"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TransportConfig(**settings)


def test_the_smallest_consistent_settings_pass() -> None:
    config = TransportConfig(
        frame_cap_bytes=4096, frame_soft_bytes=4091, outbound_limit_bytes=4096, silence_timeout_s=1.5
    )
    assert config.silence_timeout_s == 3 * config.keepalive_interval_s


def test_a_client_never_sends_more_than_the_cap_of_frames() -> None:
    assert TransportConfig().client_cap_bytes == 512 * 1024
    assert TransportConfig(client_frame_cap_bytes=8 * 1024 * 1024).client_cap_bytes == 4 * 1024 * 1024
