from __future__ import annotations

from typing import Any

import pytest

from coterie.runtime.storage.storage_config import StorageConfig


@pytest.mark.parametrize(
    "bad",
    [
        {"segment_bytes": 4095},
        {"segment_bytes": 2**30 + 1},
        {"batch_bytes": 0},
        {"max_write_bytes": 2**32},
        {"reclaim_below": 0.95},
        {"reclaim_below": float("nan")},
        {"mark_after_s": 0.0},
        {"extend_bytes": -1},
        {"free_bytes_min": -1},
    ],
)
def test_values_out_of_range_are_refused_by_name(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        StorageConfig(**bad)
