from __future__ import annotations

import pytest

from coterie.runtime.datagrams.datagram_config import DatagramConfig


@pytest.mark.parametrize("size", [0, 255, 65_508])
def test_a_size_beyond_the_limits_is_refused_and_named(size: int) -> None:
    with pytest.raises(ValueError, match=rf"max_bytes is {size}: a datagram has 256 … 65507 bytes"):
        DatagramConfig(max_bytes=size)


def test_a_window_without_places_is_refused() -> None:
    with pytest.raises(ValueError, match="replay_window is 0"):
        DatagramConfig(replay_window=0)


def test_the_limits_themselves_are_accepted() -> None:
    assert [DatagramConfig(max_bytes=size).max_bytes for size in (256, 65_507)] == [256, 65_507]
